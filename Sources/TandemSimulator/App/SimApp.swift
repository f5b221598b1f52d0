package import AdapterKit
import TandemCore
package import TandemModel
package import TandemSupport

/// The adapter of the simulated app: written as a careful adapter of a real app would be.
package struct SimApp: Adapter {
    let server: SimServer
    /// Called before each call with its name and what it is to write: users act, or the process
    /// dies.
    let onCall: @Sendable (String, [AppWrite]) throws(AppError) -> Void

    package var capabilities: AppCapabilities {
        let profile = server.with { state, _ in state.profile }
        return AppCapabilities(
            conditionalWrites: profile.conditional, createSafety: profile.safety,
            readBatch: 7, writeBatch: 3, readLagSeconds: profile.readLagSeconds,
            reportsDeletions: profile.style != .times, canSearch: profile.canSearch)
    }

    package func profile() async throws(AppError) -> AppProfile {
        try reach("profile")
        let isLocked = server.with { state, _ in state.holds(.readOnlyField, when: true) }
        let fields = SimServer.State.fields.map { field in
            FieldSchema(field, isWritable: !(isLocked && field == "title"))
        }
        return AppProfile(account: server.name, summary: "simulated", fields: fields)
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        try reach("changes")
        server.with { state, now in
            if state.profile.style == .listing, state.strikes(.beingWritten) {
                state.savedUntil = now + 20_000
            }
        }
        let (style, isExpired, now) = server.with { state, now in
            (
                state.profile.style, cursor != nil && state.strikes(.cursorExpired),
                state.stamp(now)
            )
        }
        if isExpired { throw .cursorExpired("the cursor is too old") }
        if cursor != nil && isUnchanged(since: cursor) { return EmptyListing() }
        guard let cursor, style != .listing else { return SimListing(app: self, since: nil) }
        if style == .feed {
            guard cursor.text.split(separator: ".").count == 2 else {
                throw .cursorExpired("not a cursor")
            }
            let position = server.with { state, _ in state.position(cursor) }
            if position == nil { throw .wentBack("the log begins again") }
        }
        if style == .times {
            guard let time = TimeCursor(cursor) else { throw .cursorExpired("not a cursor") }
            // The app's clock went back behind what was read: times prove nothing any more.
            if now < time.floor.milliseconds { throw .cursorExpired("the app's clock went back") }
        }
        return SimListing(app: self, since: cursor)
    }

    package func confirm(_ cursor: Cursor) async throws(AppError) {
        let hasGoneBack = server.with { state, _ in
            state.profile.style == .feed && state.position(cursor) == nil
        }
        if hasGoneBack { throw .wentBack("the log begins again") }
    }

    /// An app whose cursor is its state has nothing to say while it is what it was.
    private func isUnchanged(since cursor: Cursor?) -> Bool {
        server.with { state, _ in
            let isSame = state.profile.style == .listing && cursor?.text == "\(state.digest)"
            return state.holds(.stateCursor, when: isSame)
        }
    }

    private final class EmptyListing: ChangeListing {
        func next() async throws(AppError) -> ChangePage? { nil }
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        try reach("read")
        return server.with { state, now in
            var readings: [AppRecordID: AppReading] = [:]
            for id in ids where !state.strikes(.partialRead) {
                let isNameless = state.records[id]?.isNameless ?? false
                let isHidden = isNameless || state.isHalfSaved(now) && !state.firstHalf.contains(id)
                readings[id] =
                    isHidden ? .gone : state.shown(id, now: now).map { .present($0) } ?? .gone
            }
            return readings
        }
    }

    package func originals(of ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: String] {
        try reach("read")
        return server.with { state, now in
            ids.reduce(into: [:]) { found, id in
                guard let shown = state.shown(id, now: now) else { return }
                let unmapped: AppField = "unmapped"
                found[id] = FlatJSON.text(
                    shown.values.merging([
                        unmapped: state.records[id]?.values[unmapped] ?? ""
                    ]) { $1 })
            }
        }
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    {
        try reach("find")
        return server.with { state, now in
            if case .search = state.profile.safety,
                state.holds(.searchedByMail, when: (values["mail"] ?? "").isEmpty)
            {
                return .unanswered("there is no mail to search by")
            }
            let found = state.living.filter { id in
                guard let record = state.records[id] else { return false }
                if case .search(let lag) = state.profile.safety {
                    let isIndexed = record.madeAt + lag * 1_000 <= now
                    if !isIndexed { state.counts[.searchLag, default: 0] += 1 }
                    let isRecent =
                        record.madeAt >= since.milliseconds - state.profile.granularity
                    let fields: [AppField] = ["mail", "first", "last"]
                    return isIndexed && isRecent && record.isOurs && record.hiddenUntil <= now
                        && fields.allSatisfy {
                            (record.values[$0] ?? "").lowercased()
                                == state.normalised($0, values[$0] ?? "").lowercased()
                        }
                }
                return record.key == key
            }
            return CreateLookup(found.compactMap { state.shown($0, now: now) })
        }
    }

    package func search(_ values: [AppField: String]) async throws(AppError) -> CreateLookup {
        try reach("search")
        return server.with { state, now in
            guard state.profile.canSearch, let mail = values["mail"], !mail.isEmpty else {
                return .unanswered("there is no mail to search by")
            }
            let found = state.living.filter { id in
                let values = state.records[id]?.values ?? [:]
                return [values["mail"] ?? "", values["mails"] ?? ""].flatMap(ValueType.parts)
                    .contains { $0.lowercased() == mail.lowercased() }
            }
            if found.contains(where: { state.records[$0]?.isNameless ?? false }) {
                return .unanswered("a record without id has the mail")
            }
            return CreateLookup(found.compactMap { state.shown($0, now: now) })
        }
    }

    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        try reach("apply", writes)
        let throttle = server.with { state, _ -> AppError? in
            if state.strikes(.rateLimit) {
                let seconds: Int64? = state.strikes(.retryAfter, rate: 0.5) ? 90 : nil
                return .tryLater(.rateLimit, "429", afterSeconds: seconds)
            }
            return state.strikes(.serverError)
                ? .tryLater(.appUnavailable, "503", afterSeconds: nil) : nil
        }
        if let throttle { throw throttle }
        return writes.map { write in server.with { state, now in state.perform(write, now: now) } }
    }

    /// Everything that can happen to a call before it does anything.
    func reach(_ call: String, _ writes: [AppWrite] = []) throws(AppError) {
        try onCall(call, writes)
        let refusal = server.with { state, now -> AppError? in
            if state.outageUntil > now && !state.isQuiet {
                return .askOperator(.permission, "403", remedy: "Give the account its rights back.")
            }
            if state.strikes(.permissionLost, rate: state.profile.rate / 8) {
                state.outageUntil = now + 120_000
                return .askOperator(.permission, "403", remedy: "Give the account its rights back.")
            }
            if state.isHalfSaved(now) && !["profile", "changes", "page"].contains(call)
                && !state.profile.trustsHalfSaved
            {
                return .tryLater(.appUnavailable, "it is still being saved", afterSeconds: 20)
            }
            if state.strikes(.tokenExpired, rate: state.profile.rate / 3) {
                return .tryLater(.authentication, "401", afterSeconds: nil)
            }
            if RequestPriority.current == .background && state.strikes(.quotaForChanges) {
                return .tryLater(.rateLimit, "what is left is for changes", afterSeconds: 60)
            }
            if call != "apply" && state.strikes(.readOutage, rate: state.profile.rate / 3) {
                return .tryLater(.appUnavailable, "timeout", afterSeconds: nil)
            }
            return nil
        }
        if let refusal { throw refusal }
    }
}

extension SimServer.State {
    /// Carries out one write, and perhaps forgets to say so.
    mutating func perform(_ write: AppWrite, now: Int64) -> WriteOutcome {
        writeCalls += 1
        if case .create(let key) = write.kind {
            makers[Self.face(write.values), default: []].insert(Self.maker(key))
        }
        if strikes(.lostBefore) { return .unknown("timeout") }
        if strikes(.partialBatch) {
            return .notNow(.rateLimit, "limit within the batch", afterSeconds: 20)
        }
        let outcome: WriteOutcome
        var before: [AppField: String]?
        if case .update(let id, _) = write.kind { before = records[id]?.values }
        // Whole seconds may be written with their thousandths.
        if let moment = write.values["when"],
            !moments.contains(moment.replacing(".000Z", with: "Z"))
        {
            madeUpMoments.append(moment)
        }
        switch write.kind {
        case .create(let key): outcome = create(key, write.values, now: now)
        case .update(let id, let version): outcome = update(id, version, write.values, now: now)
        case .delete(let id, let version): outcome = delete(id, version, now: now)
        }
        if strikes(.lostAfter) {
            if case .create(let key) = write.kind, let id = made[Self.maker(key)] {
                unanswered.insert(id)
            }
            return .unknown("timeout")
        }
        if case .madeUnnamed = outcome, case .create(let key) = write.kind {
            unnamedMakers.insert(Self.maker(key))
            // Only what was answered with success may be hidden longer than the app says.
            if let id = made[Self.maker(key)] { records[id]?.hiddenUntil = now + 300_000 }
        }
        if case .update(let id, _) = write.kind, let before, let after = records[id]?.values {
            let changed = write.values.keys.filter { $0 != "boss" && before[$0] != after[$0] }
            records[id]?.undo = changed.reduce(into: [:]) { $0[$1] = before[$1] ?? "" }
        }
        return outcome
    }

    /// The key of a create without its time: who made it.
    private static func maker(_ key: String) -> String {
        key.split(separator: "-").dropLast().joined(separator: "-")
    }

    /// Whether the address that a record of ours has now was sent when it was made: since the app went back
    /// in time, who has another one cannot be told.
    func hasSentMail(of record: SimServer.Record) -> Bool {
        let maker = Self.maker(record.key ?? "")
        let mail = record.values["mail"]?.lowercased() ?? ""
        return makers.contains { face, makers in makers.contains(maker) && face[0] == mail }
    }

    /// What records are searched by.
    private static func face(_ values: [AppField: String]) -> [String] {
        (["mail", "first", "last"] as [AppField]).map { (values[$0] ?? "").lowercased() }
    }

    private mutating func create(_ key: String, _ values: [AppField: String], now: Int64)
        -> WriteOutcome
    {
        if profile.safety == .clientID, let known = shown(AppRecordID(key), now: now) {
            return .exists(known)
        }
        if let refusal = refusal(ofOurs: values, for: nil) { return .refused(refusal) }
        let maker = Self.maker(key)
        // Its id may be another one's by now.
        let isThere =
            made[maker].flatMap { records[$0] }.map { record in
                !record.isDeleted && record.isOurs && record.key?.hasPrefix("\(maker)-") == true
                    && (lives == 0 || hasSentMail(of: record))
            } ?? false
        // Of two that nothing told apart when they were sent, a search may have found the other one.
        let hasTwin = makers.values.contains { $0.contains(maker) && $0.count > 1 }
        if unnamedMakers.contains(maker) || isThere && !hasTwin { repeatedCreates.append(key) }
        let own = profile.safety == .clientID ? AppRecordID(key) : nil
        var taken = values
        if hasLostField { taken["title"] = nil }
        let id = insert(taken, id: own, key: key, isOurs: true, now: now)
        made[maker] = id
        if strikes(.unnamedCreate) { return .madeUnnamed("null") }
        return answer(id, now: now)
    }

    private mutating func update(
        _ id: AppRecordID, _ version: String?, _ values: [AppField: String], now: Int64
    ) -> WriteOutcome {
        guard let record = records[id], !record.isDeleted, !record.isNameless else { return .gone }
        if profile.conditional, let version, version != "\(record.version)" { return .conflict }
        if let refusal = refusal(ofOurs: values, for: id) { return .refused(refusal) }
        if values.allSatisfy({ record.values[$0.key] ?? "" == $0.value }) {
            redundantWrites.append("\(id): \(values)")
        }
        change(id, values, isOurs: true, now: now)
        if version != nil, let sent = mangle(id, record.values, beside: values) {
            return held(id).map { .rewritten($0, Rewriting(sent: sent, isOurs: true)) }
                ?? .accepted(id)
        }
        return answer(id, now: now)
    }

    /// A write sends the whole record as it was read, and the app keeps something else of a field that was
    /// not to be changed.
    ///
    /// - Returns: Every field as it was sent; `nil` if the app keeps what it is sent.
    private mutating func mangle(
        _ id: AppRecordID, _ before: [AppField: String], beside written: [AppField: String]
    ) -> [AppField: String]? {
        guard profile.conditional, records[id]?.stale == nil, written["town"] == nil,
            let town = before["town"], !town.isEmpty
        else { return nil }
        let kept = normalised("town", town + Self.mangled)
        guard kept != town, strikes(.mangles) else { return nil }
        records[id]?.values["town"] = kept
        let whole = before.merging(written) { $1 }
        return whole.filter { Self.fields.contains($0.key) && !(hasLostField && $0.key == "title") }
    }

    /// What no user types.
    static let mangled = "~"

    private mutating func delete(_ id: AppRecordID, _ version: String?, now: Int64) -> WriteOutcome
    {
        guard let record = records[id], !record.isDeleted, !record.isNameless else {
            // Nobody knows it by its id; if it is there, it is the app's own from now on.
            records[id]?.isOurs = false
            return .deleted
        }
        if profile.conditional, let version, version != "\(record.version)" { return .conflict }
        deletes += 1
        deletedByUs[id] = record.values["unmapped"]
        if profile.faults.contains(.omitsField) || hasLostField {
            // What the app kept to itself in every read, nobody could keep.
            edits.append(.init(id: id, field: "title", old: record.values["title"] ?? "", new: ""))
        }
        records[id]?.isDeleted = true
        log.append((id, true))
        unlink(id, now: now)
        return .deleted
    }

    /// The reply to a write shows what the app made of it, or only that it was done.
    private mutating func answer(_ id: AppRecordID, now: Int64) -> WriteOutcome {
        guard let record = held(id) else { return .accepted(id) }
        return profile.answersWithRecord
            ? .written(record) : .accepted(id, version: record.version)
    }

    /// A record as an answer shows it.
    private mutating func held(_ id: AppRecordID) -> AppRecord? {
        guard let record = records[id] else { return nil }
        let isVersionless = profile.faults.contains(.versionless) && !profile.conditional
        return AppRecord(
            id: id, version: isVersionless ? nil : "\(record.version)",
            values: face(of: record.values),
            createdAt: Timestamp(milliseconds: record.createdAt),
            modifiedAt: Timestamp(milliseconds: record.modifiedAt - offset))
    }
}
