import AdapterKit
import Synchronization
import TandemModel
import TandemSimulator
import TandemSupport
import Testing

/// Every kind of simulated app keeps the laws; an app that breaks a promise is found out.
@Suite struct `The adapter laws` {
    @Test(arguments: AppLaw.allCases)
    func `are kept by the simulated app of every kind`(_ law: AppLaw) async throws {
        var kept = 0
        for seed in UInt64(0)..<40 where try await law.check(.simulated(seed: seed)) == .kept {
            kept += 1
        }
        #expect(kept > 5, "hardly any of the apps claims what the law is about")
    }

    /// Each law with a mistake that it must find; a law that finds nothing would not be one.
    @Test(arguments: LyingApp.Lie.allCases)
    func `find the app that lies`(_ lie: LyingApp.Lie) async throws {
        var found = 0
        for seed in UInt64(0)..<40 {
            let honest = LawSubject.simulated(seed: seed)
            let subject = LawSubject(
                LyingApp(lie, honest.app), texts: honest.texts, values: honest.values,
                now: honest.now, wait: honest.wait, save: honest.save)
            do { _ = try await lie.law.check(subject) } catch is AppLaw.Broken { found += 1 }
        }
        #expect(found > 5, "\(lie) was found \(found) times")
    }
}

/// An app that keeps all promises but one.
final class LyingApp: Adapter {
    enum Lie: String, CaseIterable, Sendable {
        case changesItsName, forgetsRecords, hidesChanges, hidesDeletions, mixesUpReads
        case believesAnyCursor, clearsOthers, manglesText, writesNull, ignoresVersions
        case findsNothing, makesTwice, shufflesOutcomes, dropsOutcome, revives, endsEarly

        var law: AppLaw {
            switch self {
            case .changesItsName: .tellsWhoItIs
            case .forgetsRecords: .listsWhatIsMade
            case .hidesChanges: .tellsChanges
            case .hidesDeletions: .tellsDeletions
            case .mixesUpReads: .readsByID
            case .believesAnyCursor: .refusesForeignCursors
            case .clearsOthers: .changesNoOtherField
            case .manglesText: .keepsText
            case .writesNull: .clearsFields
            case .ignoresVersions: .refusesStaleWrites
            case .findsNothing: .findsWhatACreateMade
            case .makesTwice: .repeatsNoCreate
            case .shufflesOutcomes, .dropsOutcome: .answersEachWrite
            case .revives: .survivesMissingRecords
            case .endsEarly: .waitsForSaves
            }
        }
    }

    private let lie: Lie
    private let app: any Adapter
    private let count = Counter()

    init(_ lie: Lie, _ app: any Adapter) {
        self.lie = lie
        self.app = app
    }

    var capabilities: AppCapabilities { app.capabilities }

    func profile() async throws(AppError) -> AppProfile {
        let profile = try await app.profile()
        guard lie == .changesItsName else { return profile }
        return AppProfile(account: "\(profile.account) \(count.next())", summary: "", fields: [])
    }

    func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        switch lie {
        case .forgetsRecords, .hidesDeletions: return Emptied(gone: lie == .forgetsRecords)
        case .hidesChanges where cursor != nil: return Emptied(gone: true)
        case .believesAnyCursor where cursor != nil: return Emptied(gone: false)
        case .endsEarly: return Completed(base: try await app.changes(since: cursor))
        default: return try await app.changes(since: cursor)
        }
    }

    /// A listing with nothing in it, that proves nothing, or claims to be complete.
    private final class Emptied: ChangeListing {
        private let isComplete: Bool
        private let count = Counter()
        init(gone: Bool) { isComplete = gone }
        func next() async throws(AppError) -> ChangePage? {
            count.next() == 1 ? ChangePage(cursor: "1", isCompleteListing: isComplete) : nil
        }
    }

    /// A listing that says of every page that it is the last one.
    private final class Completed: ChangeListing {
        private let base: any ChangeListing
        init(base: any ChangeListing) { self.base = base }
        func next() async throws(AppError) -> ChangePage? {
            var page = try await base.next()
            page?.isCompleteListing = true
            return page
        }
    }

    func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        var readings = try await app.read(ids)
        for (id, reading) in readings {
            guard case .present(let record) = reading else { continue }
            var values = record.values
            switch lie {
            case .clearsOthers where count.next() > 1: values["first"] = ""
            case .manglesText: values["town"] = values["town"]?.filter { $0.isASCII }
            case .writesNull: values["town"] = values["town"] == "" ? "null" : values["town"]
            default: break
            }
            let shown = lie == .mixesUpReads ? AppRecordID("other") : id
            readings[id] = .present(AppRecord(id: shown, version: record.version, values: values))
        }
        return readings
    }

    func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    {
        lie == .findsNothing
            ? .none : try await app.find(key: key, values: values, since: since)
    }

    func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        let sent = writes.map { write in
            switch write.kind {
            case .update(let id, _) where lie == .ignoresVersions:
                AppWrite(.update(id, version: nil), values: write.values)
            case .create(let key) where lie == .makesTwice:
                AppWrite(.create(key: "\(key)\(count.next())"), values: write.values)
            default: write
            }
        }
        let outcomes = try await app.apply(sent)
        switch lie {
        case .shufflesOutcomes: return outcomes.reversed()
        case .dropsOutcome: return outcomes.count > 1 ? Array(outcomes.dropLast()) : outcomes
        case .revives: return outcomes.map { $0 == .gone ? .accepted("back") : $0 }
        default: return outcomes
        }
    }
}

/// Counts up from one.
private final class Counter: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}
