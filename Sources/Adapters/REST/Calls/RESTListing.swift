import AdapterKit
import Synchronization
import TandemHTTP
import TandemModel
import TandemSupport

/// A listing of a described app: all records, or those changed since a moment, and what is gone.
final class RESTListing: ChangeListing {
    private let app: RESTAdapter
    private let since: RESTCursor?
    private let parts: [Part]
    private let state = Mutex(State())

    /// One of the lists that are walked one after the other.
    private struct Part {
        let listing: RESTDescription.Listing
        /// Where the id of a deleted record is; `nil` for a list of records.
        let goneID: String?
    }

    private struct State {
        var part = 0
        var place = Place.after(nil)
        /// Where the next listing starts.
        var watermark: String?
        /// The app's clock at the first answer.
        var moment: Timestamp?
        /// Records and pages of this part since it began anew, and the most that a page had.
        var seenInRange = 0
        var pages = 0
        /// Of the whole listing.
        var requests = 0
        var pageSize = 0
        /// `{since}` of a part that began anew.
        var rangeStart: String?
        /// The ids of the last page.
        var ids: [String] = []
        /// Places of pages that this part has asked for.
        var asked: Set<Place> = []
        /// Hashes of the ids of this part, and pages since a new one.
        var known: Set<Int> = []
        var stalePages = 0
        /// Records listed, and whether any of them had a field that is mapped.
        var records = 0
        var hasFields = false
        /// A part of several pages may have drifted.
        var mayHaveDrifted = false
    }

    private enum Place: Hashable {
        /// `{after}` of the next page; `nil` for the first.
        case after(String?)
        case address(String)
    }

    init(app: RESTAdapter, since: RESTCursor?) {
        self.app = app
        self.since = since
        var parts = (since == nil ? app.object.list : app.object.changes?.listings ?? []).map {
            Part(listing: $0, goneID: nil)
        }
        if since != nil, case .feed(let listings, let id, _)? = app.object.deletions {
            parts += listings.map { Part(listing: $0, goneID: id) }
        }
        self.parts = parts
        if let since, case .link? = app.object.changes?.watermark {
            state.withLock { $0.place = .address(since.value) }
        }
    }

    /// Whether it has not come to its end.
    var hasMore: Bool { state.withLock { $0.part < parts.count } }

    func next() async throws(AppError) -> ChangePage? {
        let before = state.withLock { $0 }
        guard before.part < parts.count else { return nil }
        let part = parts[before.part]
        let arguments = arguments(before, part.listing)
        let reply = try await app.connection.answer(to: part.listing.call, arguments)
        let isBehindEnd = before.pages > 0 && part.listing.isEnd(reply)
        let answer =
            isBehindEnd
            ? RESTConnection.Success(answer: reply)
            : try app.connection.success(reply, part.listing.call)
        try checkAge(answer.response)
        guard let found = isBehindEnd ? [] : answer.elements(part.listing.records) else {
            throw app.unexpected(part.listing.call, without: part.listing.records.list)
        }
        let idPointer = part.goneID ?? app.object.shape.id
        let ids = found.compactMap { json in
            json.at(idPointer)?.field.flatMap { $0.isEmpty ? nil : $0 }
        }
        let fresh = try withoutOverlap(found, ids, before, part.listing)
        var after = before
        after.moment = before.moment ?? answer.response.date
        after.watermark = try watermark(answer, before.watermark)
        after.seenInRange += fresh.count
        after.pages += 1
        after.requests += 1
        after.pageSize = max(before.pageSize, found.count)
        after.ids = ids
        after.asked.insert(before.place)
        try watch(&after, ids, part.listing)
        if part.goneID == nil { count(fresh, &after) }
        if after.pages > 1 && part.listing.mayDrift { after.mayHaveDrifted = true }
        let isCut = isCut(before, part.listing, found, answer)
        try advance(&after, part.listing, found, answer)
        let end = after
        state.withLock { $0 = end }
        var page = page(fresh, part, from: before.seenInRange)
        if isCut { page.unidentified.append(Self.rest(of: part.listing, found.count)) }
        page.records = try await app.associated(page.records)
        if end.part == parts.count {
            try requireFields(end)
            // Without changes there is nothing to start from; what a listing costs is kept instead.
            let next = app.object.changes == nil ? "\(end.requests)" : end.watermark
            page.cursor = next.map { RESTCursor($0, at: end.moment).cursor }
            page.mayHaveDrifted = end.mayHaveDrifted
            page.isCompleteListing = since == nil
        }
        return page
    }

    private func arguments(_ state: State, _ listing: RESTDescription.Listing) -> Arguments {
        var arguments = Arguments()
        arguments.fields = app.askedFields
        arguments.texts["since"] = state.rangeStart ?? since?.value ?? beginning
        switch state.place {
        case .after(let after): arguments.texts["after"] = after ?? listing.start
        case .address(let address): arguments.address = address
        }
        return arguments
    }

    /// `{since}` of a listing of everything.
    private var beginning: String {
        switch app.object.changes?.watermark {
        case .date(let form)?: form.text(Timestamp(milliseconds: 0))
        case .header?: "0"
        case .token?, .link?, nil: ""
        }
    }

    /// - Throws: ``AppError`` if a listing of everything shows records, and of none a mapped field.
    private func requireFields(_ state: State) throws(AppError) {
        guard since == nil, state.records >= 10, !state.hasFields else { return }
        let fields = app.askedFields.map { "`\($0)`" }.joined(separator: ", ")
        throw .askOperator(
            .mapping,
            "none of \(state.records) records has one of the mapped fields \(fields)",
            remedy: "Correct the mapping, or `values` in the app's description.")
    }

    private func count(_ found: [JSON], _ state: inout State) {
        state.records += found.count
        if !state.hasFields { state.hasFields = found.contains(where: app.hasField) }
    }

    /// An app that leads from page to page without end is left after so many of them.
    private static let stalePageLimit = 1_000

    /// Watches for listings that go round.
    ///
    /// - Throws: ``AppError`` if so many pages in a row have shown no record that was not listed before.
    private func watch(
        _ state: inout State, _ ids: [String], _ listing: RESTDescription.Listing
    ) throws(AppError) {
        let before = state.known.count
        for id in ids { state.known.insert(id.hashValue) }
        state.stalePages = state.known.count > before ? 0 : state.stalePages + 1
        guard state.stalePages >= Self.stalePageLimit else { return }
        throw .askOperator(
            .mapping,
            "\(listing.call.path) gave \(Self.stalePageLimit) pages in a row without a new record",
            remedy: "Correct the app's description: it must lead to an end.")
    }

    /// Whether there may be more behind a first page that is as full as it was asked to be and does not
    /// say where the next one is.
    private func isCut(
        _ before: State, _ listing: RESTDescription.Listing, _ found: [JSON],
        _ answer: RESTConnection.Success
    ) -> Bool {
        let isShown =
            switch listing.paging {
            case .token(let pointer), .link(let pointer): answer.body.at(pointer) != nil
            case .header, .page, .offset, .lastID: true
            }
        return !isShown && before.pages == 0 && found.count > 1
            && listing.call.asks(for: found.count)
    }

    private static func rest(of listing: RESTDescription.Listing, _ count: Int)
        -> ChangePage.Unidentified
    {
        .init(
            "behind page 1",
            "\(listing.call.path) gives \(count) records, as many as it was asked for, and does not say "
                + "where the next page is; there may be more")
    }

    private func page(_ found: [JSON], _ part: Part, from start: Int) -> ChangePage {
        var page = ChangePage()
        // What tells of changes may be an index that is behind; the records themselves are read.
        let isIndex = since != nil && app.object.changes?.isIndex ?? false
        for (offset, json) in found.enumerated() {
            let location = AppLocation("element \(start + offset + 1) of \(part.listing.call.path)")
            if let pointer = part.goneID {
                if let id = json.at(pointer)?.field, !id.isEmpty {
                    page.gone.append(AppRecordID(id))
                } else {
                    page.unidentified.append(
                        .init(location, "\(location) has no id at `\(pointer)`"))
                }
                continue
            }
            guard let record = app.record(json) else {
                let pointer = app.object.shape.id
                page.unidentified.append(.init(location, "\(location) has no id at `\(pointer)`"))
                continue
            }
            if app.isDeleted(json) {
                page.gone.append(record.id)
            } else if isIndex {
                page.listedVersions.append(.init(id: record.id, version: record.version))
            } else {
                page.records.append(record)
            }
        }
        return page
    }

    /// Goes on to the next page, the next range of time, or the next part.
    private func advance(
        _ state: inout State, _ listing: RESTDescription.Listing, _ found: [JSON],
        _ answer: RESTConnection.Success
    ) throws(AppError) {
        if let cap = listing.cap, !found.isEmpty, ended(state, listing) >= cap {
            if try beginAnew(&state, listing, found, cap) { return }
        } else if let place = try next(state, listing, found, answer) {
            if state.asked.contains(place) || place == .after(listing.start) {
                throw sameAgain(listing)
            }
            state.place = place
            return
        }
        // Each part starts from the beginning.
        let before = state
        state = State(part: before.part + 1, watermark: before.watermark, moment: before.moment)
        (state.records, state.hasFields) = (before.records, before.hasFields)
        state.mayHaveDrifted = before.mayHaveDrifted
        state.requests = before.requests
    }

    /// Behind how many records the next page would begin; pages with a number may not be full.
    private func ended(_ state: State, _ listing: RESTDescription.Listing) -> Int {
        listing.paging == .page ? state.pages * state.pageSize : state.seenInRange
    }

    /// An app that gives no more records to one question is asked again from the last one on.
    ///
    /// - Returns: Whether there may be more.
    private func beginAnew(
        _ state: inout State, _ listing: RESTDescription.Listing, _ found: [JSON], _ cap: Int
    ) throws(AppError) -> Bool {
        let modified = app.object.shape.modified ?? ""
        guard case .date(let form)? = app.object.changes?.watermark,
            let last = found.last?.at(modified)?.field.flatMap({ Timestamp(loose: $0) })
        else { throw app.unexpected(listing.call) }
        let start = form.text(last)
        if start == state.rangeStart {
            // A page that is not full is the last one.
            if state.seenInRange < cap && found.count < state.pageSize { return false }
            throw .askOperator(
                .mapping, "\(listing.call.path) gives \(cap) records, and more changed at one time",
                remedy: "The app's description must list these records in another way.")
        }
        state.rangeStart = start
        state.seenInRange = 0
        state.pages = 0
        state.pageSize = 0
        state.place = .after(nil)
        state.asked = []
        return true
    }

    /// Where the page behind this one is; `nil` if there is none.
    private func next(
        _ state: State, _ listing: RESTDescription.Listing, _ found: [JSON],
        _ answer: RESTConnection.Success
    ) throws(AppError) -> Place? {
        func after(_ text: String?) -> Place? { text.flatMap { $0.isEmpty ? nil : .after($0) } }
        func address(_ link: String?) throws(AppError) -> Place? {
            guard let link, !link.isEmpty else { return nil }
            return .address(try app.connection.page(link, of: listing.call, at: answer.root))
        }
        if let more = listing.more, !more.isOn(answer.body) { return nil }
        func number(at place: String?) -> Int? {
            place.flatMap { answer.body.at($0)?.field }.flatMap { Int($0) }
        }
        if let total = number(at: listing.total), state.seenInRange >= total { return nil }
        if let count = number(at: listing.pageCount), state.pages >= count { return nil }
        switch listing.paging {
        case .token(let place): return after(answer.body.at(place)?.field)
        case .link(let place): return try address(answer.body.at(place)?.field)
        case .header(let name): return try address(answer.response.header(name))
        case .page:
            let now =
                if case .after(let text?) = state.place { Int(text) } else {
                    Int(listing.start)
                }
            return found.isEmpty ? nil : .after("\((now ?? 0) + 1)")
        case .offset(let overlap):
            if found.count <= overlap || found.isEmpty { return nil }
            return .after("\((Int(listing.start) ?? 0) + state.seenInRange - overlap)")
        case .lastID:
            // Behind the last record an empty page says that there are no more.
            if state.ids.count < found.count { throw app.unexpected(listing.call) }
            return after(state.ids.last)
        }
    }

    /// The records of a page without those of the page before.
    ///
    /// - Throws: ``AppError`` if the page before shows that records were skipped, or if the app, which
    ///   does not know the number of the page, gives the same one for ever.
    private func withoutOverlap(
        _ found: [JSON], _ ids: [String], _ state: State, _ listing: RESTDescription.Listing
    ) throws(AppError) -> [JSON] {
        let isNumbered =
            switch listing.paging {
            case .page, .offset: true
            case .token, .link, .header, .lastID: false
            }
        guard isNumbered, state.seenInRange > 0 else { return found }
        if !ids.isEmpty && ids == state.ids { throw sameAgain(listing) }
        guard case .offset(let overlap) = listing.paging, overlap > 0 else { return found }
        // The last record of the page before must come again: all before it have come.
        guard let place = state.ids.last.flatMap({ ids.lastIndex(of: $0) }) else {
            throw .tryLater(
                .appUnavailable, "\(listing.call.path): records went away while it was listed",
                afterSeconds: nil)
        }
        return Array(found[(place + 1)...])
    }

    private func sameAgain(_ listing: RESTDescription.Listing) -> AppError {
        .askOperator(
            .mapping, "\(listing.call.path) gives the same page again",
            remedy: "Correct the app's description: it must lead to the next page.")
    }

    /// An app that forgets what was deleted cannot tell it to who has been away for longer.
    private func checkAge(_ response: HTTPResponse) throws(AppError) {
        guard case .feed(_, _, let keeps?)? = app.object.deletions, let then = since?.moment,
            let now = response.date, now - then > .seconds(keeps)
        else { return }
        throw .cursorExpired("the app no longer knows what was deleted since")
    }

    /// Where the next listing starts, less the time that a change may stay invisible; `nil` if the
    /// app does not say.
    private func watermark(_ answer: RESTConnection.Success, _ known: String?) throws(AppError)
        -> String?
    {
        guard let changes = app.object.changes else { return nil }
        switch changes.watermark {
        case .date(let form):
            return known
                ?? answer.response.date.map { form.text($0 - .seconds(changes.lagSeconds)) }
        case .header(let name):
            if let known { return known }
            guard let text = answer.response.header(name)?.filter({ $0 != "\"" }) else {
                return nil
            }
            guard let number = Int64(text) else { return text }
            if let before = since.flatMap({ Int64($0.value) }), number < before {
                throw .cursorExpired("the app counts from below where it was")
            }
            // Numbers that tell of changes are milliseconds wherever lag is given.
            return
                "\(max(0, number.saturating(subtracting: changes.lagSeconds.saturating(times: 1_000))))"
        case .token(let place): return answer.body.at(place)?.field ?? known
        case .link(let place):
            guard let link = answer.body.at(place)?.field, !link.isEmpty else { return known }
            let call = parts[0].listing.call
            return try app.connection.page(link, of: call, at: answer.root)
        }
    }
}

extension RESTDescription.Listing {
    /// Whether an answer says that the page before was the last one.
    fileprivate func isEnd(_ answer: RESTConnection.Answer) -> Bool {
        switch end {
        case .status(let status): answer.response.status == status
        case .mark(let mark): mark.isOn(answer.body)
        case nil: false
        }
    }
}

/// The cursor of a described app: what `{since}` is, and the app's clock when it was taken, marked as
/// one of ours.
struct RESTCursor: Hashable, Sendable {
    let value: String
    /// `nil` if the app does not tell the time.
    let moment: Timestamp?

    private static let mark = "rest "

    init(_ value: String, at moment: Timestamp?) {
        self.value = value
        self.moment = moment
    }

    /// `nil` for a cursor of another app.
    init?(_ cursor: Cursor) {
        let parts = cursor.text.split(
            separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard cursor.text.hasPrefix(Self.mark), parts.count == 3, let clock = Int64(parts[1]) else {
            return nil
        }
        value = String(parts[2])
        moment = clock == 0 ? nil : Timestamp(milliseconds: clock)
    }

    var cursor: Cursor { Cursor("\(Self.mark)\(moment?.milliseconds ?? 0) \(value)") }
}
