import FoundationEssentials
import Synchronization
import TandemHTTP
import TandemModel

/// A listing of a described app: all records, or those changed since a moment.
final class RESTListing: ChangeListing {
    private let app: RESTApp
    private let since: RESTCursor?
    private let state = Mutex(State())

    private struct State {
        /// Where the next page begins; `nil` behind the last.
        var place: Place? = .after(nil)
        /// Where the next listing starts; taken from the first answer.
        var signpost: RESTCursor?
        var seen = 0
        /// The ids of the last page, where pages have numbers.
        var ids: [String] = []
    }

    private enum Place {
        /// `{after}` of the next page; `nil` for the first.
        case after(String?)
        case address(String)
    }

    init(app: RESTApp, since: RESTCursor?) {
        self.app = app
        self.since = since
    }

    private var listing: RESTDescription.Listing {
        since == nil ? app.object.list : app.object.changes.listing
    }

    func next() async throws(AppError) -> ChangePage? {
        let (place, seen) = state.withLock { ($0.place, $0.seen) }
        guard let place else { return nil }
        var arguments = RESTConnection.Arguments()
        arguments.fields = app.fields
        arguments.texts["since"] = since?.value ?? "0"
        switch place {
        case .after(let after): arguments.texts["after"] = after ?? listing.start
        case .address(let address): arguments.address = address
        }
        let (body, response) = try await app.connection.call(listing.call, arguments)
        guard let found = body.at(listing.records)?.elements else {
            throw app.unexpected(listing.call)
        }
        let next = try self.next(
            behind: place, found, body, response, seen: seen + found.count)
        if case .number = listing.paging { try checkProgress(found) }
        let signpost = try signpost(response)
        let end = state.withLock { state in
            state.signpost = state.signpost ?? signpost
            state.place = next
            state.seen += found.count
            return state
        }
        var page = page(found)
        if end.place == nil {
            page.cursor = end.signpost?.cursor
            page.provesAbsence = since == nil
        }
        return page
    }

    private func page(_ found: [JSON]) -> ChangePage {
        var page = ChangePage()
        // What tells of changes may be an index that is behind; the records themselves are read.
        let isIndex = since != nil && app.object.changes.isIndex
        for json in found {
            guard let record = app.record(json) else { continue }
            if app.object.shape.deleted.flatMap({ json.at($0)?.flag }) == true {
                page.gone.append(record.id)
            } else if isIndex {
                page.sightings.append(.init(id: record.id, version: record.version ?? ""))
            } else {
                page.records.append(record)
            }
        }
        return page
    }

    /// Where the page behind this one is; `nil` if there is none.
    private func next(
        behind place: Place, _ found: [JSON], _ body: JSON, _ response: HTTPResponse, seen: Int
    ) throws(AppError) -> Place? {
        let next: Place?
        switch listing.paging {
        case .token(let pointer): next = Self.after(body.at(pointer)?.field)
        case .link(let pointer): next = try address(body.at(pointer)?.field)
        case .header(let name): next = try address(response.header(name))
        case .number(let step):
            let now = if case .after(let text?) = place { Int(text) } else { Int(listing.start) }
            next =
                found.isEmpty
                ? nil
                : .after("\(step == .page ? (now ?? 0) + 1 : (Int(listing.start) ?? 0) + seen)")
        case .lastID:
            // Behind the last record an empty page says that there are no more.
            let ids = found.compactMap { $0.at(app.object.shape.id)?.field }
            if ids.count < found.count { throw app.unexpected(listing.call) }
            next = Self.after(ids.last)
        }
        if let next, Self.isSame(next, place, listing.start) {
            throw sameAgain
        }
        return next
    }

    /// An app that does not know the number of a page gives the same one for ever.
    private func checkProgress(_ found: [JSON]) throws(AppError) {
        let ids = found.compactMap { $0.at(app.object.shape.id)?.field }
        let before = state.withLock { state in
            defer { state.ids = ids }
            return state.ids
        }
        if !ids.isEmpty && ids == before { throw sameAgain }
    }

    private var sameAgain: AppError {
        .askOperator(
            .mapping, "\(listing.call.path) gives the same page again",
            remedy: "Correct the app's description: it must lead to the next page.")
    }

    private static func after(_ text: String?) -> Place? {
        text.flatMap { $0.isEmpty ? nil : .after($0) }
    }

    private func address(_ link: String?) throws(AppError) -> Place? {
        guard let link, !link.isEmpty else { return nil }
        return .address(try app.connection.page(link, of: listing.call))
    }

    private static func isSame(_ one: Place, _ other: Place, _ start: String) -> Bool {
        switch (one, other) {
        case (.after(let one), .after(let other)): one ?? start == other ?? start
        case (.address(let one), .address(let other)): one == other
        default: false
        }
    }

    /// Where the next listing starts, less the time that a change may stay invisible; `nil` if the
    /// app does not say.
    private func signpost(_ response: HTTPResponse) throws(AppError) -> RESTCursor? {
        let changes = app.object.changes
        switch changes.signpost {
        case .date(let form):
            guard let date = response.header("Date").flatMap(Self.moment) else { return nil }
            return RESTCursor(form.text(date - changes.lagSeconds * 1_000))
        case .header(let name):
            guard let text = response.header(name)?.filter({ $0 != "\"" }) else { return nil }
            guard let number = Int64(text) else { return RESTCursor(text) }
            if let before = since.flatMap({ Int64($0.value) }), number < before {
                throw .cursorExpired("the app counts from below where it was")
            }
            // Numbers that tell of changes are milliseconds wherever lag is given.
            return RESTCursor("\(max(0, number - changes.lagSeconds * 1_000))")
        }
    }

    /// `Tue, 24 Nov 2026 22:38:20 GMT` (RFC 9110 §5.6.7) in milliseconds since 1970.
    static func moment(_ text: String) -> Int64? {
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 6, let month = months.firstIndex(of: words[2]) else { return nil }
        let number = month + 1
        let padded = (number < 10 ? "0" : "") + "\(number)"
        return Timestamp(rfc3339: "\(words[3])-\(padded)-\(words[1])T\(words[4])Z")?.milliseconds
    }
}

/// The cursor of a described app: what `{since}` is, marked as one of ours.
struct RESTCursor: Hashable, Sendable {
    let value: String

    private static let mark = "rest "

    init(_ value: String) { self.value = value }

    /// `nil` for a cursor of another app.
    init?(_ cursor: Cursor) {
        guard cursor.text.hasPrefix(Self.mark) else { return nil }
        value = String(cursor.text.dropFirst(Self.mark.count))
    }

    var cursor: Cursor { Cursor(Self.mark + value) }
}

extension RESTDescription.TimeForm {
    /// Milliseconds since 1970 as the app writes them.
    func text(_ milliseconds: Int64) -> String {
        switch self {
        case .milliseconds: "\(milliseconds)"
        case .seconds: "\(milliseconds / 1_000)"
        case .rfc3339: Timestamp(milliseconds: milliseconds).description
        }
    }
}
