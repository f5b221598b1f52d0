import Synchronization
import TandemCore
import TandemModel

/// Where one law is tried: makes records, remembers them, and takes them away at the end.
final class LawBench: Sendable {
    let law: AppLaw
    let subject: LawSubject
    private let made = Mutex<[AppRecordID]>([])
    private let numbers = Mutex(0)
    /// Keeps the records of one law apart from those of another.
    private let place: Int

    init(_ law: AppLaw, _ subject: LawSubject) {
        self.law = law
        self.subject = subject
        place = AppLaw.allCases.firstIndex(of: law) ?? 0
    }

    var app: any App { subject.app }

    /// What a listing showed.
    struct Listed {
        var records: [AppRecordID: AppRecord] = [:]
        /// Everything that was shown to be there, with values or without.
        var present: Set<AppRecordID> = []
        var gone: Set<AppRecordID> = []
        var cursor: Cursor?
        var provesAbsence = false
    }

    func broken(_ what: String) -> AppLaw.Broken { AppLaw.Broken(law: law, what: what) }

    /// Takes away what the law made; what cannot be taken away is left, with the reason.
    func clean() async {
        let ids = made.withLock { $0 }
        guard app.capabilities.canDelete else {
            for id in ids { subject.leave(id, "the app deletes nothing") }
            return
        }
        for chunk in ids.chunks(of: app.capabilities.writeBatch) {
            let writes = chunk.map { AppWrite(.delete($0, version: nil)) }
            do {
                for (id, outcome) in zip(chunk, try await apply(writes)) {
                    if let reason = outcome.reasonToStay { subject.leave(id, reason) }
                }
            } catch {
                let reason = (error as? AppError)?.message ?? "\(error)"
                for id in chunk { subject.leave(id, reason) }
            }
        }
    }

    // MARK: Writing

    /// Values of a record that this law has not made yet.
    func fresh() -> [AppField: String] {
        let number = numbers.withLock { number in
            number += 1
            return number
        }
        return subject.values(place * 100_000 + number)
    }

    func key() -> String {
        let number = numbers.withLock { $0 }
        return "tandem-law-\(place)-\(number)-\(subject.now())"
    }

    func create(_ count: Int = 1) async throws -> [AppRecordID] {
        var ids: [AppRecordID] = []
        let writes = (0..<count).map { _ in
            let values = fresh()
            return AppWrite(.create(key: key()), values: values)
        }
        for chunk in writes.chunks(of: app.capabilities.writeBatch) {
            for (write, outcome) in zip(chunk, try await apply(Array(chunk))) {
                ids.append(try await made(outcome, by: write))
            }
        }
        return ids
    }

    /// The record that a create left behind; where the answer does not say which one that is, the app is
    /// asked for it as a sync does.
    func made(_ outcome: WriteOutcome, by write: AppWrite) async throws -> AppRecordID {
        guard case .madeUnnamed = outcome, case .create(let key) = write.kind else {
            return try written(outcome)
        }
        let since = subject.now() - .seconds(60)
        var found: AppRecordID?
        try await eventually("a create is accepted, and its record is not found") {
            found = try await app.find(key: key, values: write.values, since: since).records.first?
                .id
            return found != nil
        }
        guard let found else { throw broken("a create is accepted, and its record is not found") }
        made.withLock { $0.append(found) }
        return found
    }

    /// The outcomes of a batch, one for each write.
    func apply(_ writes: [AppWrite]) async throws -> [WriteOutcome] {
        let outcomes = try await app.apply(writes)
        // Whatever becomes of the law, what was made is taken away again.
        made.withLock { made in
            for id in outcomes.compactMap(\.madeID) where !made.contains(id) { made.append(id) }
        }
        guard outcomes.count == writes.count else {
            throw broken("\(writes.count) writes gave \(outcomes.count) outcomes")
        }
        return outcomes
    }

    /// The record that a write left behind.
    func written(_ outcome: WriteOutcome) throws -> AppRecordID {
        switch outcome {
        case .written(let record), .exists(let record), .rewritten(let record, _): return record.id
        case .accepted(let id, _): return id
        case .refused(let refusal): throw broken("a write was refused: \(refusal.message)")
        case .notNow(_, let message, _): throw broken("a write was put off: \(message)")
        case .unknown(let message): throw broken("the answer to a write was lost: \(message)")
        case .madeUnnamed(let message): throw broken("a record was made, and \(message)")
        case .acceptedPartly(_, _, let refused):
            let texts = refused.values.map(\.message).sorted()
            throw broken("fields were refused: \(texts.joined(separator: "; "))")
        case .deleted, .gone: throw broken("a record that was written is not there")
        case .conflict: throw broken("somebody else changed a record that is the laws' own")
        }
    }

    func update(
        _ id: AppRecordID, _ values: [AppField: String], version: String? = nil
    ) async throws -> WriteOutcome {
        try await apply([AppWrite(.update(id, version: version), values: values)])[0]
    }

    func delete(_ id: AppRecordID) async throws {
        let outcomes = try await apply([AppWrite(.delete(id, version: nil))])
        guard outcomes == [.deleted] || outcomes == [.gone] else {
            throw broken("a deletion gave \(outcomes)")
        }
    }

    // MARK: Reading

    func list(since cursor: Cursor?) async throws -> Listed {
        try await drain(try await app.changes(since: cursor))
    }

    func drain(_ listing: any ChangeListing, _ before: Listed = Listed()) async throws -> Listed {
        var listed = before
        while let page = try await listing.next() { listed.take(page) }
        return listed
    }

    func read(_ id: AppRecordID) async throws -> AppReading? { try await app.read([id])[id] }

    func record(_ id: AppRecordID) async throws -> AppRecord {
        guard case .present(let record)? = try await read(id) else {
            throw broken("\(id) was written and cannot be read")
        }
        return record
    }

    /// Waits until something holds: apps may show a change later than it was made.
    ///
    /// - Throws: ``AppLaw/Broken`` with `what` if it does not, in as long as the app asks for.
    func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
        var lag = app.capabilities.readLagSeconds
        if case .search(let seconds) = app.capabilities.createSafety { lag = max(lag, seconds) }
        for _ in 0..<10 {
            if try await holds() { return }
            await subject.wait(1 + lag / 8)
        }
        throw broken(what)
    }

    func same(_ left: String?, _ right: String?) -> Bool {
        ValueType.string.equal(left ?? "", right ?? "")
    }
}

extension WriteOutcome {
    /// The record that a write left in the app, if the outcome names it.
    fileprivate var madeID: AppRecordID? {
        switch self {
        case .written(let record), .exists(let record), .rewritten(let record, _): record.id
        case .accepted(let id, _), .acceptedPartly(let id, _, _): id
        case .madeUnnamed, .deleted, .conflict, .gone, .refused, .unknown, .notNow: nil
        }
    }

    /// Why a record may still be there after its deletion; `nil` if it is not.
    fileprivate var reasonToStay: String? {
        switch self {
        case .deleted, .gone: nil
        case .refused(let refusal): refusal.message
        case .notNow(_, let message, _), .unknown(let message): message
        case .conflict: "somebody else changed it"
        case .written, .exists, .accepted, .madeUnnamed, .acceptedPartly, .rewritten:
            "the app answered as if it had been written"
        }
    }
}

extension LawBench.Listed {
    mutating func take(_ page: ChangePage) {
        for record in page.records {
            records[record.id] = record
            present.insert(record.id)
        }
        present.formUnion(page.sightings.map(\.id))
        present.formUnion(page.unreadable.map(\.id))
        gone.formUnion(page.gone)
        cursor = page.cursor ?? cursor
        provesAbsence = page.provesAbsence || provesAbsence
    }
}
