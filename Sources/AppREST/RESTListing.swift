import FoundationEssentials
import Synchronization
import TandemHTTP
import TandemModel

/// A listing of a described app: all records, or those changed since a moment.
final class RESTListing: ChangeListing {
    private let app: RESTApp
    private let since: Cursor?
    private let state = Mutex(State())

    private struct State {
        var isDone = false
        /// Where the next page begins; `nil` before the first.
        var after: String?
        /// The app's clock when it answered first, less its lag; the next listing starts there.
        var signpost: Int64?
    }

    init(app: RESTApp, since: Cursor?) {
        self.app = app
        self.since = since
    }

    func next() async throws(AppError) -> ChangePage? {
        let (isDone, place) = state.withLock { ($0.isDone, $0.after) }
        if isDone { return nil }
        let listing = since == nil ? app.object.list : app.object.changes.listing
        let after = place ?? listing.start
        var arguments = RESTConnection.Arguments()
        arguments.fields = app.fields
        arguments.texts = ["after": after, "since": since?.text ?? "0"]
        let (body, response) = try await app.connection.call(listing.call, arguments)
        guard let found = body.at(listing.records)?.elements else {
            throw app.unexpected(listing.call)
        }
        let records = found.compactMap(app.record)
        if listing.next == nil, records.count < found.count {
            throw app.unexpected(listing.call)
        }
        let next =
            listing.next.map { body.at($0)?.field ?? "" } ?? records.last?.id.text ?? ""
        let signpost = signpost(response)
        let end = state.withLock { state in
            state.signpost = state.signpost ?? signpost
            state.after = next
            // Behind the last record an empty page says that there are no more.
            state.isDone = next.isEmpty
            return state
        }
        if !next.isEmpty && next == after {
            throw .askOperator(
                .mapping, "\(listing.call.path) gives the same page again",
                remedy: "Correct the app's description: `{after}` must lead to the next page.")
        }
        // What tells of changes may be an index that is behind; the records themselves are read.
        let isIndex = since != nil && app.object.shape.modified != nil
        return ChangePage(
            records: isIndex ? [] : records,
            sightings: isIndex
                ? records.map { .init(id: $0.id, version: $0.version ?? "") } : [],
            cursor: end.isDone ? end.signpost.map { Cursor("\($0)") } : nil,
            provesAbsence: end.isDone && since == nil)
    }

    /// The app's own clock, less the time that a change may stay invisible; `nil` if it says none.
    private func signpost(_ response: HTTPResponse) -> Int64? {
        guard let text = response.header("Date"), let date = Self.moment(text) else { return nil }
        return date - app.object.changes.lagSeconds * 1_000
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
