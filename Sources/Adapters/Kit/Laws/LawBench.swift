import Synchronization
import TandemModel
import TandemSupport

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

    var app: any Adapter { subject.app }

    /// What a listing showed.
    struct Listed {
        var records: [AppRecordID: AppRecord] = [:]
        /// Everything that was shown to be there, with values or without.
        var present: Set<AppRecordID> = []
        var gone: Set<AppRecordID> = []
        var cursor: Cursor?
        var isCompleteListing = false
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

    /// How often a write is sent that the app puts off, and the longest wait for it.
    private static let attempts = 3
    private static let patienceSeconds: Int64 = 90

    /// The outcomes of a batch, one for each write; what the app puts off is sent again, as a sync does.
    func apply(_ writes: [AppWrite]) async throws -> [WriteOutcome] {
        var outcomes = try await applyOnce(writes)
        for _ in 1..<Self.attempts {
            let waits = outcomes.map(\.secondsToWait)
            let late = outcomes.indices.filter { waits[$0] != nil }
            guard let wait = waits.compactMap(\.self).max(), wait <= Self.patienceSeconds else {
                break
            }
            await subject.wait(wait)
            for (place, outcome) in zip(late, try await applyOnce(late.map { writes[$0] })) {
                outcomes[place] = outcome
            }
        }
        return outcomes
    }

    private func applyOnce(_ writes: [AppWrite]) async throws -> [WriteOutcome] {
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
        case .refused, .notNow, .unknown, .madeUnnamed, .acceptedPartly, .deleted, .gone, .conflict:
            throw broken("a record was to be written, and \(outcome.words)")
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
            throw broken("a record was to be deleted, and \(outcomes[0].words)")
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

    /// For how long the app puts the write off; `nil` if it does not.
    fileprivate var secondsToWait: Int64? {
        if case .notNow(_, _, let seconds) = self { seconds ?? 5 } else { nil }
    }

    /// Why a record may still be there after its deletion; `nil` if it is not.
    fileprivate var reasonToStay: String? {
        switch self {
        case .deleted, .gone: nil
        case .refused(let refusal): refusal.message
        default: words
        }
    }

    /// What became of a write, as the end of a sentence.
    var words: String {
        switch self {
        case .written, .accepted: "the app answered that it was written"
        case .exists: "the app answered that it was there already"
        case .madeUnnamed(let message): "a record was made, and \(message)"
        case .acceptedPartly(_, _, let refused):
            "some fields were refused: \(refused.values.map(\.message).sorted().joined(separator: "; "))"
        case .rewritten: "the app keeps something else than it was sent"
        case .deleted: "the app answered that it was deleted"
        case .conflict: "the app answered that somebody else changed it"
        case .gone: "the app answered that it is gone"
        case .refused(let refusal): "the app refused it: \(refusal.message)"
        case .unknown(let message): "the answer was lost: \(message)"
        case .notNow(_, let message, _): "the app put it off: \(message)"
        }
    }
}

extension LawBench.Listed {
    mutating func take(_ page: ChangePage) {
        for record in page.records {
            records[record.id] = record
            present.insert(record.id)
        }
        present.formUnion(page.listedVersions.map(\.id))
        present.formUnion(page.unreadable.map(\.id))
        gone.formUnion(page.gone)
        cursor = page.cursor ?? cursor
        isCompleteListing = page.isCompleteListing || isCompleteListing
    }
}
