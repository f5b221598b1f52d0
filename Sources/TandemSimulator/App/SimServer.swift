import AdapterKit
import Synchronization
import TandemCore
import TandemModel
package import TandemSupport

/// The world's clock; moves only when it is told to.
package final class SimClock: Sendable {
    private let time = Mutex<Int64>(1_700_000_000_000)
    package init() {}
    package var now: Timestamp { Timestamp(milliseconds: time.withLock { $0 }) }
    package func advance(milliseconds: Int64) { time.withLock { $0 += milliseconds } }
}

/// What kind of app a seed has drawn.
package struct SimProfile: Hashable, Sendable {
    package enum Style: String, Hashable, Sendable, CaseIterable {
        /// Changes since a token, with deletions.
        case feed
        /// Changes since a time, without deletions.
        case times
        /// Everything, every time.
        case listing
    }
    var style: Style
    var faults: Set<Fault>
    /// How often a fault strikes when it could.
    var rate: Double
    let emphasis: Emphasis
    var conditional: Bool
    /// The app can be searched by mail.
    var canSearch: Bool
    var safety: CreateSafety
    var showsValues: Bool
    var answersWithRecord: Bool
    var pageSize: Int
    var granularity: Int64
    /// The adapter takes what is still being saved for all there is.
    var trustsHalfSaved = false
    var skew: Int64

    init(random: inout SplitMix, emphasis: Emphasis = Emphasis()) {
        self.emphasis = emphasis
        let drawn = random.pick(Style.allCases)
        style = emphasis.style ?? drawn
        faults = Set(
            Fault.allCases.filter { $0 != .mangles && random.chance(emphasis.share) }
        ).union(emphasis.faults)
        rate = random.pick([0.03, 0.1, 0.25])
        conditional = random.chance(0.6)
        canSearch = random.chance(0.3)
        let safeties: [CreateSafety] = [.clientID, .lookupByKey, .search(lagSeconds: 20)]
        let drawnSafety = random.pick(safeties)
        safety = emphasis.safety ?? drawnSafety
        showsValues = random.chance(0.5)
        answersWithRecord = random.chance(0.7)
        pageSize = 1 + random.below(5)
        granularity = faults.contains(.coarseTime) ? random.pick([1_000, 60_000]) : 1
        skew = faults.contains(.clockSkew) ? Int64(random.below(600_000)) - 300_000 : 0
        // Drawn aside, so that the seeds of before go on telling their stories.
        var aside = random
        if aside.chance(emphasis.share) { faults.insert(.mangles) }
    }

    /// What the app says of its reads; some do not know that they lag.
    var readLagSeconds: Int64 {
        faults.contains(.staleRead) && !faults.contains(.undeclaredLag) ? 30 : 0
    }
}

/// A third-party app in memory that behaves as badly as its profile says.
package final class SimServer: Sendable {
    struct Record {
        var values: [AppField: String]
        var version: Int
        var createdAt: Int64
        /// The same by the world's clock, which never jumps.
        var madeAt: Int64
        var modifiedAt: Int64
        var isDeleted = false
        var key: String?
        var isOurs: Bool
        /// What our last answered write has changed, as it was before.
        var undo: [AppField: String]?
        /// The app shows it without its id, and does not find it by it.
        var isNameless = false
        /// Made by a create whose answer did not say its id; a search does not show it before this.
        var hiddenUntil: Int64 = 0
        /// What reads still show, and until when.
        var stale: (values: [AppField: String], version: Int, until: Int64)?
    }

    /// An edit that somebody made in the app, for the oracle.
    struct Edit {
        let id: AppRecordID
        let field: AppField
        let old: String
        let new: String
    }

    /// All that an app had at some time.
    struct Backup {
        let records: [AppRecordID: Record]
        let log: [(id: AppRecordID, isDeleted: Bool)]
        let nextID: Int
    }

    struct State {
        var random: SplitMix
        var profile: SimProfile
        var records: [AppRecordID: Record] = [:]
        var log: [(id: AppRecordID, isDeleted: Bool)] = []
        var counts: [Fault: Int] = [:]
        var edits: [Edit] = []
        var nextID = 0
        /// How often a backup was put back.
        var lives = 0
        var backup: Backup?
        var offset: Int64
        var isQuiet = false
        var outageUntil: Int64 = 0
        /// Until then somebody saves what the app holds, and half of it can be seen.
        var savedUntil: Int64 = 0
        var writeCalls = 0
        var deletes = 0
        /// What of the records that we deleted nobody maps.
        var deletedByUs: [AppRecordID: String] = [:]
        /// Records that slipped through the last listing of everything; they do not slip through two.
        var drifted: Set<AppRecordID> = []
        var redundantWrites: [String] = []
        /// The app has no field `title` now.
        var hasLostField = false
        /// Moments that people in the apps gave; nobody gives any in the CRM.
        var moments: Set<String> = [""]
        /// Moments that were written and that nobody gave.
        var madeUpMoments: [String] = []
        /// Fields that were written although the app had said that it does not let them.
        var forbiddenWrites: [String] = []
        var hasWrittenOver: [String] = []
        /// Who wanted to make records with these values.
        var makers: [[String]: Set<String>] = [:]
        /// What creates have made, by their keys without the times.
        var made: [String: AppRecordID] = [:]
        /// Who made the records whose create was answered with success and without an id: the keys without
        /// their times.
        var unnamedMakers: Set<String> = []
        /// Records that were made by creates whose answers were lost.
        var unanswered: Set<AppRecordID> = []
        /// Creates that were sent again although they had been answered with success, or had made a record
        /// that is there and can be found.
        var repeatedCreates: [String] = []
    }

    package let name: String
    let clock: SimClock
    let state: Mutex<State>

    package init(name: String, seed: UInt64, clock: SimClock, profile: SimProfile) {
        self.name = name
        self.clock = clock
        state = Mutex(State(random: SplitMix(seed: seed), profile: profile, offset: profile.skew))
    }

    /// Runs `work` on the server's state with the world's time.
    func with<Value>(_ work: (inout State, Int64) -> Value) -> Value {
        let now = clock.now.milliseconds
        return state.withLock { state in work(&state, now) }
    }
}

/// What happens inside the app.
extension SimServer.State {
    /// Whether a fault of the profile strikes now; counted if it does.
    mutating func strikes(_ fault: Fault, rate: Double? = nil) -> Bool {
        let rate = profile.emphasis.rate(of: fault, rate ?? profile.rate)
        guard !isQuiet, profile.faults.contains(fault), random.chance(rate) else { return false }
        counts[fault, default: 0] += 1
        return true
    }

    /// A property of the profile that always holds; counted when it mattered.
    mutating func holds(_ fault: Fault, when matters: Bool) -> Bool {
        guard profile.faults.contains(fault), matters else { return false }
        counts[fault, default: 0] += 1
        return true
    }

    /// Whether the app is seen while it is being saved.
    func isHalfSaved(_ now: Int64) -> Bool { savedUntil > now && !isQuiet }

    func stamp(_ now: Int64) -> Int64 {
        let time = now + offset
        return time - time % profile.granularity
    }

    /// What the app makes of a value it is given.
    mutating func normalised(_ field: AppField, _ value: String) -> String {
        var value = value
        if holds(.trims, when: value != value.trimmed) { value = value.trimmed }
        if field == "first", holds(.changesCase, when: value != value.uppercased()) {
            value = value.uppercased()
        }
        if field == "tel" {
            let plain = value.filter { $0.isNumber || $0 == "+" }
            if holds(.reformatsPhones, when: plain != value) { value = plain }
        }
        if field == "town", holds(.truncates, when: value.count > 12) {
            value = String(value.prefix(12))
        }
        return value
    }

    /// Why the app refuses these values; `nil` if it takes them.
    mutating func refusal(of values: [AppField: String], for id: AppRecordID?) -> Refusal? {
        if let stage = values["stage"], stage == "Won", holds(.rejectsOption, when: true) {
            return Refusal(.optionUnknown, "stage: no option Won")
        }
        if let last = values["last"] ?? (id == nil ? "" : nil), last.isEmpty,
            holds(.requiresField, when: true)
        {
            return Refusal(.requiredField, "last is required")
        }
        if let title = values["title"], title.count > 30, holds(.limitsLength, when: true) {
            return Refusal(.invalidValue, "title is too long")
        }
        if let mail = values["mail"], !mail.isEmpty, profile.faults.contains(.uniqueEmail) {
            let other = living.first { other in
                other != id && records[other]?.values["mail"]?.lowercased() == mail.lowercased()
            }
            if let other, holds(.uniqueEmail, when: true) {
                return Refusal(.duplicateInApp, "mail is taken", otherID: other.text)
            }
        }
        return nil
    }

    /// As ``refusal(of:for:)``, for what comes through the interface and not from the app's own pages.
    mutating func refusal(ofOurs values: [AppField: String], for id: AppRecordID?) -> Refusal? {
        if profile.faults.contains(.readOnlyField), let title = values["title"] {
            forbiddenWrites.append("\(id ?? "new"): \(title)")
        }
        if let boss = values["boss"], !boss.isEmpty {
            // Some want no circles, others no record that is gone.
            let isGone = records[AppRecordID(boss)]?.isDeleted ?? true
            if isGone && profile.faults.contains(.rejectsLink) || strikes(.rejectsLink, rate: 0.5) {
                return Refusal(.invalidValue, "boss: \(boss) cannot be it")
            }
        }
        return refusal(of: values, for: id)
    }

    mutating func insert(
        _ values: [AppField: String], id: AppRecordID?, key: String?, isOurs: Bool, now: Int64
    ) -> AppRecordID {
        nextID += 1
        // Ids do not sort by age, so that insertions land in the middle of listings.
        let id = id ?? AppRecordID("r\((nextID &* 7_919) % 1_000)-\(nextID)")
        let taken = values.reduce(into: [AppField: String]()) {
            $0[$1.key] = normalised($1.key, $1.value)
        }
        var record = SimServer.Record(
            values: taken, version: (records[id]?.version ?? 0) + 1, createdAt: stamp(now),
            madeAt: now, modifiedAt: stamp(now),
            key: key,
            isOurs: isOurs)
        record.values["unmapped"] = record.values["unmapped"] ?? "u\(nextID) "
        records[id] = record
        log.append((id, false))
        return id
    }

    /// Somebody in the app makes a record, under a new id or the one of a deleted record.
    mutating func make(_ values: [AppField: String], id: AppRecordID? = nil, now: Int64)
        -> AppRecordID
    {
        let id = insert(values, id: id, key: nil, isOurs: false, now: now)
        for (field, value) in values {
            edits.append(
                .init(id: id, field: field, old: "", new: records[id]?.values[field] ?? value))
        }
        return id
    }

    /// Changes a living record; what the app makes of the values is what it keeps.
    mutating func change(_ id: AppRecordID, _ values: [AppField: String], isOurs: Bool, now: Int64)
    {
        guard var record = records[id] else { return }
        let old = (record.values, record.version)
        for (field, value) in values {
            if isOurs && field == "title" && hasLostField { continue }
            if isOurs && field == "town", record.values[field] ?? "" != value,
                strikes(.ignoresField, rate: 0.3)
            {
                continue
            }
            record.values[field] = normalised(field, value)
        }
        record.version += 1
        record.modifiedAt = stamp(now)
        record.stale = nil
        record.undo = nil
        if isOurs, strikes(.staleRead, rate: 0.5) {
            record.stale = (old.0, old.1, now + 25_000)
            if profile.faults.contains(.undeclaredLag) { counts[.undeclaredLag, default: 0] += 1 }
        }
        records[id] = record
        log.append((id, false))
        if isOurs, strikes(.automation) {
            edit(id, "title", to: "auto t\(90_000 + log.count)", now: now)
        }
    }

    /// Somebody puts back what a write of ours, of whose answer we know, has changed.
    mutating func putBack(now: Int64) -> AppRecordID? {
        guard let id = living.first(where: { records[$0]?.undo != nil }),
            let undo = records[id]?.undo, strikes(.putBack, rate: 0.7)
        else { return nil }
        for (field, value) in undo.sorted(by: { $0.key < $1.key }) {
            edit(id, field, to: value, now: now)
        }
        records[id]?.undo = nil
        return id
    }

    /// A number that is the same whenever the app holds the same.
    var digest: Int {
        var hash = 5_381
        for id in living {
            let values = (records[id]?.values ?? [:]).sorted { $0.key < $1.key }
            let text = "\(id) \(values.map { "\($0.key)=\($0.value)" }) \(hasLostField)"
            for byte in text.utf8 { hash = (hash &* 33) ^ Int(byte) }
        }
        return hash & 0xFFFF_FFFF_FFFF
    }

    /// Somebody in the app, or a rule of the app, edits a field.
    mutating func edit(_ id: AppRecordID, _ field: AppField, to value: String, now: Int64) {
        guard let record = records[id], !record.isDeleted else { return }
        let kept = normalised(field, value)
        if kept == record.values[field] ?? "" { return }
        edits.append(.init(id: id, field: field, old: record.values[field] ?? "", new: kept))
        change(id, [field: value], isOurs: false, now: now)
        // Nobody can find by search what was renamed before the answer to its create came.
        if case .search = profile.safety, ["mail", "first", "last"].contains(field) {
            records[id]?.isOurs = false
        }
    }

    mutating func remove(_ id: AppRecordID, now: Int64) {
        guard let record = records[id], !record.isDeleted else { return }
        for (field, value) in record.values {
            edits.append(.init(id: id, field: field, old: value, new: ""))
        }
        records[id]?.isDeleted = true
        records[id]?.isOurs = false
        log.append((id, true))
        unlink(id, now: now)
    }

    /// Who named a record that is gone names none any more, unless the app leaves that to others.
    mutating func unlink(_ id: AppRecordID, now: Int64) {
        let naming = living.filter { records[$0]?.values["boss"] == id.text }
        if holds(.danglingLink, when: !naming.isEmpty) { return }
        for other in naming { change(other, ["boss": ""], isOurs: false, now: now) }
    }

    /// Brings back what was there before the app was wiped.
    mutating func restore(_ backup: [AppRecordID: SimServer.Record], now: Int64) {
        for (id, record) in backup.sorted(by: { $0.key < $1.key }) where !record.isDeleted {
            // One that was made again meanwhile under its own id is what it was before, too.
            let isAnew = records[id]?.isDeleted == false
            for (field, value) in isAnew ? record.values : [:] {
                let old = records[id]?.values[field] ?? ""
                if old == value { continue }
                // What a create sent first, of which no answer came, is nobody's edit when it is back; what
                // it takes away is gone all the same.
                let new = unanswered.contains(id) ? "" : value
                edits.append(.init(id: id, field: field, old: old, new: new))
            }
            records[id]?.isDeleted = false
            records[id]?.isOurs = false
            change(id, isAnew ? record.values : [:], isOurs: false, now: now)
        }
    }

    /// A record as a read shows it now; at the given rate it leaves a field out.
    mutating func shown(_ id: AppRecordID, now: Int64, rate: Double? = nil) -> AppRecord? {
        guard let record = records[id], !record.isDeleted else { return nil }
        var values = record.values
        var version = record.version
        if let stale = record.stale, stale.until > now {
            (values, version) = (stale.values, stale.version)
        }
        values = face(of: values)
        if strikes(.omitsField, rate: rate) { values["title"] = nil }
        let hasNoise = strikes(.versionNoise)
        let isVersionless = profile.faults.contains(.versionless) && !profile.conditional
        if isVersionless { counts[.versionless, default: 0] += 1 }
        return AppRecord(
            id: id,
            version: isVersionless
                ? nil : hasNoise && !profile.conditional ? "\(version)*" : "\(version)",
            values: values, createdAt: Timestamp(milliseconds: record.createdAt),
            modifiedAt: Timestamp(milliseconds: record.modifiedAt - offset))
    }

    static let fields: [AppField] = [
        "mail", "mails", "first", "last", "tel", "org", "title", "town", "stage", "boss", "when",
    ]

    /// The fields a read shows; one that was never filled is blank.
    func face(of values: [AppField: String]) -> [AppField: String] {
        fields.reduce(into: [:]) { $0[$1] = values[$1] ?? "" }
    }

    /// The fields that the app has now.
    var fields: Set<AppField> {
        hasLostField ? Set(Self.fields).subtracting(["title"]) : Set(Self.fields)
    }

    /// What of a file that is being saved is there already.
    var firstHalf: ArraySlice<AppRecordID> { living.prefix(living.count / 2) }

    var living: [AppRecordID] { records.filter { !$0.value.isDeleted }.keys.sorted() }
}
