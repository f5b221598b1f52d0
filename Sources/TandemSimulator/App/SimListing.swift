import AdapterKit
import Synchronization
import TandemCore
import TandemModel
import TandemSupport

/// A listing of the simulated app: a token feed, a query by time, or everything by id.
final class SimListing: ChangeListing {
    private struct Place {
        var offset = 0
        var after: (time: Int64, id: AppRecordID) = (.min, "")
        var inQuery = 0
        var isDone = false
        /// Records that have slipped through.
        var drifted: Set<AppRecordID> = []
    }

    private let app: SimApp
    private let since: Cursor?
    /// Where the next listing starts: taken before the first page is read.
    private let watermark: Cursor
    private let place: Mutex<Place>
    private static let cap = 6

    init(app: SimApp, since: Cursor?) {
        self.app = app
        self.since = since
        watermark = app.server.with { state, now in
            if state.profile.style == .listing, state.profile.faults.contains(.stateCursor) {
                return Cursor("\(state.digest)")
            }
            if state.profile.style != .times { return state.cursor(at: state.log.count) }
            return TimeCursor(
                watermark: Timestamp(milliseconds: now + state.offset), lag: .seconds(30),
                granularity: Span(milliseconds: state.profile.granularity)
            ).cursor
        }
        var start = Place()
        if let since, app.server.with({ state, _ in state.profile.style }) == .feed {
            start.offset = app.server.with { state, _ in state.position(since) ?? 0 }
        } else if let since, let time = TimeCursor(since) {
            start.after = (time.floor.milliseconds, "")
        }
        place = Mutex(start)
    }

    func next() async throws(AppError) -> ChangePage? {
        if place.withLock({ $0.isDone }) { return nil }
        try app.reach("page")
        return place.withLock { place in
            app.server.with { state, now in
                switch (since, state.profile.style) {
                case (.none, _), (_, .listing): everything(&place, &state, now)
                case (_, .feed): feed(&place, &state, now)
                case (_, .times): byTime(&place, &state, now)
                }
            }
        }
    }

    /// All records by id and offset: a record that comes or goes meanwhile shifts the rest.
    private func everything(_ place: inout Place, _ state: inout SimServer.State, _ now: Int64)
        -> ChangePage
    {
        if state.isHalfSaved(now) {
            // What is not there yet may be written in a moment.
            place.isDone = true
            var page = page(of: Array(state.firstHalf), &state, now)
            page.isCompleteListing = state.profile.trustsHalfSaved
            return page
        }
        var ids = state.living
        let end = min(place.offset + state.profile.pageSize, ids.count)
        ids = Array(ids[min(place.offset, end)..<end])
        if place.offset > 0, let first = ids.first, !state.drifted.contains(first),
            state.strikes(.pageDrift)
        {
            // Somebody moved it to a page that was read, for as long as this listing runs.
            ids.removeFirst()
            place.drifted.insert(first)
        }
        if !ids.isEmpty && state.strikes(.missingInListing) { ids.removeLast() }
        place.offset = end
        place.isDone = end >= state.living.count
        var page = page(of: ids, &state, now)
        page.isCompleteListing = place.isDone
        if place.isDone {
            state.drifted = place.drifted
            page.mayHaveDrifted = state.living.count > state.profile.pageSize
        }
        if place.isDone { page.cursor = watermark }
        return page
    }

    private func feed(_ place: inout Place, _ state: inout SimServer.State, _ now: Int64)
        -> ChangePage
    {
        let end = min(place.offset + state.profile.pageSize, state.log.count)
        let entries = state.log[min(place.offset, end)..<end]
        place.offset = end
        place.isDone = end >= state.log.count
        var page = page(of: Set(entries.filter { !$0.isDeleted }.map(\.id)).sorted(), &state, now)
        page.gone = Set(entries.filter(\.isDeleted).map(\.id)).sorted()
        page.cursor = state.cursor(at: end)
        return page
    }

    /// Records by (time, id); a query that stops exactly at the app's cap is asked on from there.
    private func byTime(_ place: inout Place, _ state: inout SimServer.State, _ now: Int64)
        -> ChangePage
    {
        let all = state.living.map { (time: state.records[$0]?.modifiedAt ?? 0, id: $0) }
            .filter { ($0.time, $0.id) > place.after }.sorted {
                ($0.time, $0.id) < ($1.time, $1.id)
            }
        if Set(all.map(\.time)).count < all.count { state.counts[.equalTimes, default: 0] += 1 }
        var size = min(state.profile.pageSize, all.count)
        if state.profile.faults.contains(.resultCap), place.inQuery + size >= Self.cap {
            size = min(size, Self.cap - place.inQuery)
            state.counts[.resultCap, default: 0] += 1
            place.inQuery = -size
        }
        let found = all.prefix(size)
        place.inQuery += size
        if let last = found.last { place.after = last }
        place.isDone = found.count == all.count
        var page = page(of: found.map(\.id), &state, now)
        if place.isDone { page.cursor = watermark }
        return page
    }

    private func page(of ids: [AppRecordID], _ state: inout SimServer.State, _ now: Int64)
        -> ChangePage
    {
        var page = ChangePage(fields: state.fields)
        for id in ids {
            guard let record = state.shown(id, now: now) else { continue }
            if state.records[id]?.isNameless ?? false {
                page.unidentified.append(
                    .init(AppLocation("record \(page.records.count)"), "it has no id"))
                continue
            }
            if !state.profile.showsValues, let version = record.version {
                page.listedVersions.append(.init(id: id, version: version))
            } else {
                page.records.append(record)
                if state.strikes(.pageDuplicate) { page.records.append(record) }
            }
        }
        return page
    }
}
