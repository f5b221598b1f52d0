import NIOPosix
import Synchronization
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

/// The store as the server uses it: reads side by side, writes gathered into common transactions.
///
/// A durable commit costs as much for one record as for a hundred. What comes in while one is under
/// way is written by the next, each request with a savepoint of its own, so that a refusal undoes
/// nothing of the others.
final class Backend: Sendable {
    private let store: CRMStore
    private let database: any Database
    private let readers: NIOThreadPool
    private let writer: NIOThreadPool
    private let pending = Mutex(Pending())
    let now: @Sendable () -> Timestamp

    /// How long a request may read, in seconds: so nobody's search holds the others for long.
    static let readLimit = 10.0

    /// How many requests one transaction takes at most, so that syncs get their turn.
    private static let batch = 200

    private struct Pending {
        var jobs: [Job] = []
        var isDraining = false
    }

    /// A request that writes: what it does in the transaction, and who waits for the commit.
    private struct Job: Sendable {
        let run: @Sendable (any SQLConnection) -> Void
        let finish: @Sendable ((any Error)?) -> Void
    }

    init(store: CRMStore, readers: Int, now: @escaping @Sendable () -> Timestamp) {
        self.store = store
        database = store.database
        self.now = now
        self.readers = NIOThreadPool(numberOfThreads: readers)
        writer = NIOThreadPool(numberOfThreads: 1)
        self.readers.start()
        writer.start()
    }

    func shutDown() async throws {
        try await readers.shutdownGracefully()
        try await writer.shutdownGracefully()
    }

    /// Runs `work` on a snapshot, for as long as the client is there.
    func read<Value: Sendable>(
        for client: ClientPresence, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        let limit = ReadLimit(seconds: Self.readLimit) { client.isThere }
        return try await readers.runIfActive {
            try self.database.read(within: limit) { connection in
                let session = try self.session(connection)
                self.store.adopt(session.schema)
                return try work(session)
            }
        }
    }

    /// Runs `work` in a transaction and returns when it is on the disk.
    func write<Value: Sendable>(_ work: @escaping @Sendable (Session) throws -> Value) async throws
        -> Value
    {
        try await withCheckedThrowingContinuation { continuation in
            let outcome = Mutex<Result<Value, any Error>?>(nil)
            let job = Job(
                run: { connection in
                    let result = Result {
                        try connection.nested { try work(self.session(connection)) }
                    }
                    outcome.withLock { $0 = result }
                },
                finish: { failure in
                    let result = failure.map(Result.failure) ?? outcome.withLock { $0 }
                    continuation.resume(
                        with: result ?? .failure(DatabaseFailure(.failed, "nothing was run")))
                })
            let isIdle = pending.withLock { pending in
                pending.jobs.append(job)
                defer { pending.isDraining = true }
                return !pending.isDraining
            }
            if isIdle { writer.submit { _ in self.drain() } }
        }
    }

    private func drain() {
        while true {
            let jobs = pending.withLock { pending in
                let jobs = Array(pending.jobs.prefix(Self.batch))
                pending.jobs.removeFirst(jobs.count)
                if jobs.isEmpty { pending.isDraining = false }
                return jobs
            }
            if jobs.isEmpty { return }
            do {
                try database.write { connection in for job in jobs { job.run(connection) } }
                for job in jobs { job.finish(nil) }
            } catch {
                for job in jobs { job.finish(error) }
            }
        }
    }

    private func session(_ connection: any SQLConnection) throws -> Session {
        Session(
            connection: connection, store: store, schema: try store.schema(in: connection),
            now: now())
    }
}

/// The store inside one transaction of one request.
struct Session {
    let connection: any SQLConnection
    let store: CRMStore
    let schema: CRMSchema
    let now: Timestamp

    var reader: CRMReader { store.reader(in: connection) }

    func writer(_ origin: Origin) throws -> CRMWriter {
        try store.writer(in: connection, now: now, origin: origin)
    }

    /// The object that a path names.
    ///
    /// - Throws: ``APIError``: HubSpot's own objects that this store lacks are a matter of scopes.
    func object(_ text: String) throws -> ObjectName {
        if let object = schema.object(named: text) { return object }
        let lacking = [
            "line_items", "line_item", "0-8", "quotes", "0-14", "leads", "0-136", "goal_targets",
            "0-74", "deal_splits", "deal_split", "0-72", "orders", "0-123", "carts", "invoices",
            "0-53", "subscriptions", "0-69", "forms", "form", "communications", "0-18",
            "postal_mail", "0-116", "feedback_submissions", "0-19", "users", "0-115", "owners",
        ]
        if lacking.contains(text.lowercased()) {
            throw APIError.missingScopes(["crm.objects.\(text.lowercased()).read"])
        }
        throw APIError.invalid("Unable to infer object type from: \(text)")
    }
}
