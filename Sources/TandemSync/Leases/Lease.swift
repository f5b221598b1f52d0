import TandemDatabase
import TandemModel
import TandemSupport

/// The right to run one sync, held by at most one process at a time.
///
/// Each taking raises the token, and every transaction of a cycle checks that its token is still
/// the newest: a process that slept through its expiry can write nothing any more.
struct Lease: Hashable, Sendable {
    let syncID: Int64
    let token: Int64

    /// Another process took the sync over.
    struct Lost: Error {}

    /// Takes the lease if nobody holds it.
    ///
    /// - Returns: `nil` if another holder's lease has not expired and `isAlive` does not say that
    ///   the holder is dead.
    static func take(
        _ syncID: Int64, holder: String, until: Timestamp, now: Timestamp,
        isAlive: (String) -> Bool, in connection: any SQLConnection
    ) throws -> Lease? {
        let known = try connection.row(
            "SELECT lease_holder FROM sync WHERE id = ?", [.integer(syncID)]
        ) { $0.text(0) }
        let isDead = (known ?? nil).map { !isAlive($0) } ?? false
        let taken = try connection.run(
            """
            UPDATE sync SET lease_holder = ?, lease_token = lease_token + 1, lease_until = ?
            WHERE id = ? AND (lease_holder IS NULL OR lease_until <= ? OR ? = 1)
            """,
            [
                .text(holder), .integer(until.milliseconds), .integer(syncID),
                .integer(now.milliseconds), .integer(isDead ? 1 : 0),
            ])
        guard taken == 1 else { return nil }
        let token = try connection.number(
            "SELECT lease_token FROM sync WHERE id = ?", [.integer(syncID)])
        return Lease(syncID: syncID, token: token)
    }

    /// Checks the lease and prolongs it.
    ///
    /// - Throws: ``Lost``.
    func require(until: Timestamp, in connection: any SQLConnection) throws {
        let held = try connection.run(
            "UPDATE sync SET lease_until = ? WHERE id = ? AND lease_token = ?",
            [.integer(until.milliseconds), .integer(syncID), .integer(token)])
        if held != 1 { throw Lost() }
    }

    func release(in connection: any SQLConnection) throws {
        try connection.run(
            "UPDATE sync SET lease_holder = NULL, lease_until = 0 WHERE id = ? AND lease_token = ?",
            [.integer(syncID), .integer(token)])
    }
}
