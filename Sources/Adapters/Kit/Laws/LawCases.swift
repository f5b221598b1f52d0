import TandemModel
import TandemSupport

/// What each law tries.
extension LawBench {
    func tellsWhoItIs() async throws {
        let (first, second) = (try await app.profile(), try await app.profile())
        guard !first.account.isEmpty, first.account == second.account else {
            throw broken("the account was `\(first.account)`, then `\(second.account)`")
        }
    }

    func listsWhatIsMade() async throws {
        let ids = try await create(app.capabilities.writeBatch + 1)
        guard Set(ids).count == ids.count else { throw broken("two creates gave one id") }
        var listed = Listed()
        try await eventually("a complete listing leaves out \(ids.count) new records or some") {
            listed = try await list(since: nil)
            return listed.present.isSuperset(of: ids)
        }
        let shown = ids.compactMap { listed.records[$0] }
        let field = subject.texts.0
        guard shown.allSatisfy({ $0.values[field] == nil || !same($0.values[field], "") }) else {
            throw broken("a listed record shows `\(field)` blank that was written")
        }
        guard listed.cursor != nil || listed.isCompleteListing else {
            throw broken("a listing of everything ends without cursor and without proof")
        }
    }

    func tellsChanges() async throws {
        let ids = try await create(2)
        let before = try await list(since: nil)
        for round in 1...2 {
            let outcome = try await update(ids[0], [subject.texts.0: "changed \(round)"])
            _ = try written(outcome)
            try await eventually("a change of a record is not listed") {
                try await list(since: before.cursor).present.contains(ids[0])
            }
        }
        let new = try await create()
        try await eventually("a new record is not listed") {
            try await list(since: before.cursor).present.isSuperset(of: new)
        }
    }

    func losesNothingBetweenListings() async throws {
        _ = try await create(3)
        let listing = try await app.changes(since: nil)
        var listed = Listed()
        if let page = try await listing.next() { listed.take(page) }
        let late = try await create()
        listed = try await drain(listing, listed)
        let first = listed
        try await eventually("a record that was made during a listing is in no listing") {
            if first.present.isSuperset(of: late) { return true }
            return try await list(since: first.cursor).present.isSuperset(of: late)
        }
    }

    func tellsDeletions() async throws -> AppLaw.Verdict {
        guard app.capabilities.canDelete else { return .notClaimed("it deletes nothing") }
        let ids = try await create(2)
        let before = try await list(since: nil)
        try await delete(ids[0])
        let reports = app.capabilities.reportsDeletions
        try await eventually("a deletion shows in no listing") {
            let listed = try await list(since: reports ? before.cursor : nil)
            let isMissed = listed.isCompleteListing && !listed.present.contains(ids[0])
            return listed.gone.contains(ids[0]) || isMissed
        }
        return .kept
    }

    func readsByID() async throws {
        let count = min(app.capabilities.readBatch, 3)
        let ids = try await create(count)
        if app.capabilities.canDelete { try await delete(ids[0]) }
        let readings = try await app.read(ids)
        for (place, id) in ids.enumerated() {
            switch readings[id] {
            case .present(let record):
                guard record.id == id else { throw broken("\(id) was asked, \(record.id) came") }
                if place == 0 && app.capabilities.canDelete {
                    throw broken("\(id) is deleted and is read as present")
                }
            case .gone where place == 0: break
            case .none where place == 0: throw broken("nothing is said of a deleted record")
            default:
                throw broken("\(id) was written and reads as \(String(describing: readings[id]))")
            }
        }
    }

    func refusesForeignCursors() async throws {
        do {
            let listed = try await list(since: "tandem-law: no cursor of this app")
            guard listed.isCompleteListing else {
                throw broken("a cursor that it never gave is answered as if it had")
            }
        } catch AppError.cursorExpired {}
    }

    func changesNoOtherField() async throws {
        let ids = try await create()
        let before = try await record(ids[0])
        _ = try written(try await update(ids[0], [subject.texts.0: "only this"]))
        try await eventually("the change cannot be read") {
            same(try await record(ids[0]).values[subject.texts.0], "only this")
        }
        let after = try await record(ids[0])
        for (field, value) in before.values where field != subject.texts.0 {
            // A field that was never written may be the app's own, such as its time of change.
            guard subject.values(0)[field] != nil, !same(value, after.values[field]) else {
                continue
            }
            throw broken("`\(field)` was `\(value)` and is `\(after.values[field] ?? "missing")`")
        }
    }

    func keepsText() async throws {
        let texts = [
            #"O'Neil "the" \ <b>&amp; {x} %41 $1"#, "Åsa Żółć 日本 🦊", "one\ntwo", "1e5", "null",
        ]
        let ids = try await create()
        for text in texts.map({ String($0.prefix(subject.textLimit)) }) {
            let outcome = try await update(ids[0], [subject.texts.1: text])
            // A field of one line may refuse a second one, but not bend it.
            if case .refused = outcome, text.contains("\n") { continue }
            _ = try written(outcome)
            try await eventually("`\(text)` came back as something else") {
                same(try await record(ids[0]).values[subject.texts.1], text)
            }
        }
    }

    func clearsFields() async throws {
        let ids = try await create()
        _ = try written(try await update(ids[0], [subject.texts.1: ""]))
        try await eventually("a field that was cleared is not blank") {
            try await record(ids[0]).values[subject.texts.1, default: ""].isEmpty
        }
    }

    func refusesStaleWrites() async throws -> AppLaw.Verdict {
        guard app.capabilities.conditionalWrites else {
            return .notClaimed("writes are not conditional")
        }
        let ids = try await create()
        let old = try await record(ids[0])
        guard old.version != nil else { throw broken("a record has no version") }
        _ = try written(try await update(ids[0], [subject.texts.0: "first"], version: old.version))
        let outcome = try await update(ids[0], [subject.texts.0: "second"], version: old.version)
        guard outcome == .conflict else {
            throw broken("a record was to be written at an old version, and \(outcome.words)")
        }
        let now = try await record(ids[0])
        guard same(now.values[subject.texts.0], "first") else {
            throw broken("a write that was refused was made")
        }
        _ = try written(try await update(ids[0], [subject.texts.0: "third"], version: now.version))
        return .kept
    }

    func findsWhatACreateMade() async throws {
        let (key, values, since) = (key(), fresh(), subject.now())
        let write = AppWrite(.create(key: key), values: values)
        let id = try await made(apply([write])[0], by: write)
        try await eventually("a record that was made is not found again") {
            try await app.find(key: key, values: values, since: since).records.contains {
                $0.id == id
            }
        }
        let foreign = try await app.find(key: "tandem-law-other", values: fresh(), since: since)
        guard !foreign.records.contains(where: { $0.id == id }) else {
            throw broken("it is also found by another key and other values")
        }
    }

    func repeatsNoCreate() async throws -> AppLaw.Verdict {
        guard app.capabilities.createSafety == .clientID else {
            return .notClaimed("it is asked before a create is sent again")
        }
        let write = AppWrite(.create(key: key()), values: fresh())
        let first = try await made(apply([write])[0], by: write)
        let second = try await made(apply([write])[0], by: write)
        guard first == second else { throw broken("a create that was sent twice made two records") }
        return .kept
    }

    func answersEachWrite() async throws {
        let ids = try await create(2)
        if app.capabilities.canDelete { try await delete(ids[0]) }
        let writes = [
            AppWrite(.update(ids[0], version: nil), values: [subject.texts.0: "a"]),
            AppWrite(.create(key: key()), values: fresh()),
            AppWrite(.update(ids[1], version: nil), values: [subject.texts.0: "b"]),
        ]
        var outcomes: [WriteOutcome] = []
        for chunk in writes.chunks(of: app.capabilities.writeBatch) {
            outcomes += try await apply(Array(chunk))
        }
        if app.capabilities.canDelete, try await !isGone(outcomes[0], ids[0]) {
            throw broken(
                "a deleted record was to be changed beside others, and \(outcomes[0].words)")
        }
        let (new, changed) = (
            try await made(outcomes[1], by: writes[1]), try written(outcomes[2])
        )
        guard changed == ids[1], !ids.contains(new) else {
            throw broken("the outcomes of a batch stand in another order than its writes")
        }
        try await eventually("a write beside one that failed was not made") {
            same(try await record(ids[1]).values[subject.texts.0], "b")
        }
    }

    /// An app that only marks records as deleted may accept a write to one; the read then shows it.
    private func isGone(_ outcome: WriteOutcome, _ id: AppRecordID) async throws -> Bool {
        if case .accepted(id, _) = outcome { return try await read(id) == .gone }
        return outcome == .gone
    }

    func survivesMissingRecords() async throws -> AppLaw.Verdict {
        let ids = try await create()
        guard app.capabilities.canDelete else { return try await refusesUnknown(like: ids[0]) }
        try await delete(ids[0])
        let outcome = try await update(ids[0], [subject.texts.0: "back"])
        guard try await isGone(outcome, ids[0]) else {
            throw broken("a deleted record was to be changed, and \(outcome.words)")
        }
        try await delete(ids[0])
        return .kept
    }

    /// Where nothing can be deleted, an id that no record has stands for one that is gone.
    private func refusesUnknown(like id: AppRecordID) async throws -> AppLaw.Verdict {
        let isNumber = id.text.allSatisfy { $0.isASCII && $0.isNumber }
        let unknown = AppRecordID(
            isNumber ? "2000000011" : String(id.text.map { $0.isNumber ? "9" : $0 }))
        if unknown == id { return .notClaimed("there is no id that nobody has") }
        let outcome = try await update(unknown, [subject.texts.0: "nobody"])
        switch outcome {
        case .refused, .gone, .notNow, .unknown, .conflict: return .kept
        default:
            if try await isGone(outcome, unknown) { return .kept }
            throw broken("a record that is not there was to be changed, and \(outcome.words)")
        }
    }

    func waitsForSaves() async throws -> AppLaw.Verdict {
        guard let save = subject.save else { return .notClaimed("nobody saves over it") }
        let ids = try await create(4)
        _ = try await list(since: nil)
        try await save {
            try await unlessLater {
                let listed = try await list(since: nil)
                guard !listed.isCompleteListing || listed.present.isSuperset(of: ids) else {
                    throw broken("what is not saved yet counts as gone in a listing")
                }
            }
            try await unlessLater {
                guard try await !app.read(ids).values.contains(.gone) else {
                    throw broken("what is not saved yet reads as gone")
                }
            }
            try await unlessLater {
                _ = try await update(ids[0], [subject.texts.0: "written meanwhile"])
            }
        }
        try await eventually("what was saved is not all there") {
            let listed = try await list(since: nil)
            return listed.isCompleteListing && listed.present.isSuperset(of: ids)
        }
        return .kept
    }

    /// Runs what the app may put off.
    private func unlessLater(_ work: () async throws -> Void) async throws {
        do { try await work() } catch AppError.tryLater {}
    }
}
