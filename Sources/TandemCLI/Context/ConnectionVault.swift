import AdapterREST
import Crypto
import FoundationEssentials
import Glibc
import TandemDatabase
import TandemModel
import TandemSupport

/// Keeps what apps gave for access in the store, sealed with a key that is not in it.
struct ConnectionVault: TokenVault {
    let connection: ConnectionName
    let database: SQLiteDatabase
    /// Where the key is, unless it is a credential of the service.
    let keyPath: String

    /// The name of the systemd credential (systemd.exec(5), LoadCredential=).
    private static let credential = "TANDEM_KEY"
    /// How long others may take to renew a token.
    private static let patienceSeconds = 60

    func load() throws(AppError) -> OAuthTokens? {
        let sealed: String?
        do {
            sealed = try database.read { connection in
                try connection.row(
                    "SELECT sealed FROM connection_secret WHERE connection = ?",
                    [.text(self.connection.text)]
                ) { $0.text(0) ?? "" }
            }
        } catch { throw .tryLater(.internal, "\(error)", afterSeconds: nil) }
        guard let sealed else { return nil }
        do {
            let box = try AES.GCM.SealedBox(combined: Data(base64Encoded: sealed) ?? Data())
            let plain = try AES.GCM.open(
                box, using: key(), authenticating: Data(connection.text.utf8))
            return try JSONDecoder().decode(OAuthTokens.self, from: plain)
        } catch let error as AppError {
            throw error
        } catch {
            throw .askOperator(
                .authentication, "\(connection): the key does not open what is kept for it",
                remedy: "Put the key back, or run `tandem connect \(connection)` again.")
        }
    }

    func save(_ tokens: OAuthTokens) throws(AppError) {
        do {
            let plain = try JSONEncoder().encode(tokens)
            let box = try AES.GCM.seal(
                plain, using: key(), authenticating: Data(connection.text.utf8))
            let text = box.combined?.base64EncodedString() ?? ""
            _ = try database.write { connection in
                try connection.run(
                    """
                    INSERT INTO connection_secret VALUES (?, ?)
                    ON CONFLICT (connection) DO UPDATE SET sealed = excluded.sealed
                    """, [.text(self.connection.text), .text(text)])
            }
        } catch let error as AppError {
            throw error
        } catch { throw .tryLater(.internal, "\(error)", afterSeconds: nil) }
    }

    /// Holds a lock on a file beside the key; it goes with the process.
    func exclusively(_ work: @Sendable () async throws(AppError) -> OAuthTokens)
        async throws(AppError) -> OAuthTokens
    {
        let file = open("\(keyPath).lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw .tryLater(.internal, "cannot make \(keyPath).lock", afterSeconds: nil)
        }
        defer { close(file) }
        let end = ContinuousClock.now + .seconds(Self.patienceSeconds)
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            if ContinuousClock.now > end {
                throw .tryLater(
                    .appUnavailable, "another process renews the token and does not end",
                    afterSeconds: nil)
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return try await work()
    }

    /// The key: a credential of the service, else a file for its owner only, which is made when it
    /// is first needed.
    private func key() throws(AppError) -> SymmetricKey {
        if let folder = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"],
            let data = FileManager.default.contents(atPath: "\(folder)/\(Self.credential)")
        {
            return try key(of: data, "the credential \(Self.credential)")
        }
        if access(keyPath, F_OK) != 0 { try makeKey() }
        var status = stat()
        guard stat(keyPath, &status) == 0, status.st_mode & 0o077 == 0 else {
            throw .askOperator(
                .permission, "\(keyPath) can be read by others",
                remedy: "Run `chmod 600 \(keyPath)`; then `tandem connect` each connection again.")
        }
        return try key(of: FileManager.default.contents(atPath: keyPath) ?? Data(), keyPath)
    }

    private func key(of data: Data, _ place: String) throws(AppError) -> SymmetricKey {
        let text = String(decoding: data, as: UTF8.self).trimmed
        guard let bytes = Data(base64Encoded: text), bytes.count == 32 else {
            throw .askOperator(
                .authentication, "\(place) is no key",
                remedy: "It is 32 bytes in base64, such as `openssl rand -base64 32` gives.")
        }
        return SymmetricKey(data: bytes)
    }

    private func makeKey() throws(AppError) {
        let key = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0).base64EncodedString() }
        let file = open(keyPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        // Another process may have been first.
        guard file >= 0 else { return }
        defer { close(file) }
        let line = Array((key + "\n").utf8)
        guard write(file, line, line.count) == line.count, fsync(file) == 0 else {
            throw .tryLater(.internal, "cannot write \(keyPath)", afterSeconds: nil)
        }
    }
}
