import CPQ
import Glibc
import TandemModel
import TandemSupport
import TandemTasks

/// Why a statement was not carried out.
struct PGFailure: Error {
    /// SQLSTATE (PostgreSQL manual, appendix A); `nil` if the server did not answer.
    let state: String?
    let message: String
    var constraint: String?
    var column: String?

    /// The connection is gone; what the statement did is not known.
    var isLost: Bool { state == nil || state?.hasPrefix("57P") == true }
}

/// One session with a PostgreSQL server, used by one caller at a time; made when it is needed, and
/// again after it broke.
///
/// libpq's calls block, so the actor runs on a queue of its own.
actor PGConnection {
    private let executor = QueueExecutor("tandem-postgres")
    private let parameters: [String: String]
    private let timeoutSeconds: Int
    private let channel: String?
    private var session: OpaquePointer?
    /// What a lost connection takes with it must not go on in a new one.
    private var isInTransaction = false

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    /// - Parameters:
    ///   - parameters: Keywords of a connection (manual, §34.1.2); `dbname` may be an address.
    ///   - timeoutSeconds: How long one statement may take.
    ///   - channel: What the session listens to.
    init(_ parameters: [String: String], timeoutSeconds: Int, channel: String?) {
        self.parameters = parameters
        self.timeoutSeconds = timeoutSeconds
        self.channel = channel
    }

    isolated deinit { if let session { PQfinish(session) } }

    /// Rows of texts; `nil` is NULL.
    typealias Rows = [[String?]]

    /// Runs one statement outside of any transaction.
    func rows(_ sql: String, _ values: [String?] = []) throws(PGFailure) -> Rows {
        try run(sql, values)
    }

    /// Runs statements in one transaction; nothing stays if one of them throws.
    ///
    /// - Returns: What `work` gives, and whether it was committed for certain: the answer to a
    ///   commit can be lost, and the server may not be there to be asked.
    func transaction<Value: Sendable>(
        _ work: @Sendable (isolated PGConnection) throws(PGFailure) -> Value
    ) throws(PGFailure) -> (value: Value, commit: Commit) {
        try run("BEGIN", [])
        isInTransaction = true
        defer { isInTransaction = false }
        let value: Value
        let number: String?
        do {
            value = try work(self)
            number = try run("SELECT pg_current_xact_id_if_assigned()::text", []).first?[0]
        } catch {
            if !error.isLost { _ = try? run("ROLLBACK", []) }
            throw error
        }
        do {
            try run("COMMIT", [])
            return (value, .done)
        } catch {
            guard error.isLost, let number else { throw error }
            isInTransaction = false
            return (value, outcome(of: number))
        }
    }

    /// Runs statements inside a transaction, of which nothing stays if one fails, while the rest of
    /// the transaction does.
    func attempt<Value>(_ work: () throws(PGFailure) -> Value) throws(PGFailure) -> Value {
        try run("SAVEPOINT attempt", [])
        do {
            let value = try work()
            try run("RELEASE SAVEPOINT attempt", [])
            return value
        } catch {
            if !error.isLost { try run("ROLLBACK TO SAVEPOINT attempt", []) }
            throw error
        }
    }

    enum Commit: Hashable, Sendable {
        case done, undone, unknown
    }

    /// What became of a transaction whose commit was not answered (manual, §9.27.11).
    private func outcome(of number: String) -> Commit {
        let status = try? run("SELECT pg_xact_status($1::text::xid8)", [number]).first?[0]
        return switch status {
        case "committed": .done
        case "aborted": .undone
        default: .unknown
        }
    }

    /// Runs several statements that take no values.
    func script(_ sql: String) throws(PGFailure) {
        let session = try connected()
        _ = try finished(PQexec(session, sql), session)
    }

    /// Whether the server said something on the channel since this was last asked; never waits.
    func hasNews() -> Bool {
        guard channel != nil, let session, PQconsumeInput(session) == 1 else { return false }
        var isNews = false
        while let notification = PQnotifies(session) {
            PQfreemem(notification)
            isNews = true
        }
        return isNews
    }

    @discardableResult
    private func run(_ sql: String, _ values: [String?]) throws(PGFailure) -> Rows {
        let session = try connected()
        var copies = values.map { value in value.map { strdup($0) } ?? nil }
        defer { for copy in copies { free(copy) } }
        let result = copies.withUnsafeMutableBufferPointer { buffer in
            buffer.withMemoryRebound(to: UnsafePointer<CChar>?.self) { pointers in
                PQexecParams(
                    session, sql, Int32(values.count), nil, pointers.baseAddress, nil, nil, 0)
            }
        }
        return try finished(result, session)
    }

    /// The rows of a result, which is given back; a session that broke is closed.
    private func finished(_ result: OpaquePointer?, _ session: OpaquePointer) throws(PGFailure)
        -> Rows
    {
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK: return Self.rows(of: result)
        default:
            let failure = failure(result, session)
            if failure.isLost || PQstatus(session) != CONNECTION_OK { close() }
            throw failure
        }
    }

    private static func rows(of result: OpaquePointer?) -> Rows {
        let (height, width) = (PQntuples(result), PQnfields(result))
        return (0..<height).map { row in
            (0..<width).map { column in
                PQgetisnull(result, row, column) == 1
                    ? nil : PQgetvalue(result, row, column).map { String(cString: $0) }
            }
        }
    }

    private func failure(_ result: OpaquePointer?, _ session: OpaquePointer) -> PGFailure {
        func field(_ letter: Character) -> String? {
            PQresultErrorField(result, Int32(letter.asciiValue ?? 0)).map { String(cString: $0) }
        }
        // The letters are those of the protocol (manual, §55.8).
        let state = PQstatus(session) == CONNECTION_OK ? field("C") : nil
        return PGFailure(
            state: state, message: field("M") ?? String(cString: PQerrorMessage(session)).trimmed,
            constraint: field("n"), column: field("c"))
    }

    private func connected() throws(PGFailure) -> OpaquePointer {
        if let session, PQstatus(session) == CONNECTION_OK { return session }
        close()
        if isInTransaction { throw PGFailure(state: nil, message: "the connection was lost") }
        try checkAddress()
        let fixed = [
            "application_name": "tandem", "client_encoding": "UTF8", "connect_timeout": "10",
            "tcp_user_timeout": "\(timeoutSeconds * 1_000)", "keepalives_idle": "30",
        ]
        let all = fixed.merging(parameters) { $1 }.sorted { $0.key < $1.key }
        var names = all.map { strdup($0.key) } + [nil]
        var texts = all.map { strdup($0.value) } + [nil]
        defer { for copy in names + texts { free(copy) } }
        let opened = names.withUnsafeMutableBufferPointer { names in
            texts.withUnsafeMutableBufferPointer { texts in
                names.withMemoryRebound(to: UnsafePointer<CChar>?.self) { names in
                    texts.withMemoryRebound(to: UnsafePointer<CChar>?.self) { texts in
                        PQconnectdbParams(names.baseAddress, texts.baseAddress, 1)
                    }
                }
            }
        }
        guard let opened else { throw PGFailure(state: nil, message: "no memory") }
        guard PQstatus(opened) == CONNECTION_OK else {
            let message = String(cString: PQerrorMessage(opened)).trimmed
            PQfinish(opened)
            throw PGFailure(state: Self.state(of: message), message: message)
        }
        // Notices would go to our standard error.
        PQsetNoticeProcessor(opened, { _, _ in }, nil)
        session = opened
        let settings = [
            "SET TIME ZONE 'UTC'", "SET datestyle = 'ISO, YMD'", "SET intervalstyle = 'iso_8601'",
            "SET extra_float_digits = 1", "SET lock_timeout = '10s'",
            "SET idle_in_transaction_session_timeout = '\(timeoutSeconds)s'",
            "SET statement_timeout = '\(timeoutSeconds)s'",
        ]
        for setting in settings { try run(setting, []) }
        if let channel { try run("LISTEN \(channel.sqlName)", []) }
        return opened
    }

    /// Refuses an address that libpq would quote in its own complaint, password and all.
    private func checkAddress() throws(PGFailure) {
        let parsed = PQconninfoParse(parameters["dbname"] ?? "", nil)
        defer { PQconninfoFree(parsed) }
        if parsed == nil {
            throw PGFailure(
                state: "28000", message: "`url` is no address such as postgres://user@host/database"
            )
        }
    }

    /// Why no connection was made: libpq has no code for it.
    ///
    /// What the server itself refuses, and what is wrong with its certificate, waits for a person;
    /// the rest passes.
    private static func state(of message: String) -> String {
        let passing = [
            "too many", "starting up", "shutting down", "recovery", "remaining connection",
        ]
        let isRefused = ["FATAL", "ertificate", "SSL"].contains(where: message.contains)
        return isRefused && !passing.contains(where: message.contains) ? "28000" : "08001"
    }

    private func close() {
        if let session { PQfinish(session) }
        session = nil
    }
}

extension String {
    /// The name as SQL writes it, whatever is in it.
    var sqlName: String { "\"\(replacing("\"", with: "\"\""))\"" }

    /// The text as SQL writes it (with standard_conforming_strings, on since 9.1).
    var sqlText: String { "'\(replacing("'", with: "''"))'" }
}

extension [String?] {
    /// The list as an array of PostgreSQL (manual, §8.15.6).
    var sqlArray: String {
        let elements = map { element in
            element.map { text in
                let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
                return "\"\(escaped)\""
            } ?? "NULL"
        }
        return "{\(elements.joined(separator: ","))}"
    }
}
