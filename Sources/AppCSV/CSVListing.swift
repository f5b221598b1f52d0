import Synchronization
import TandemModel

/// A listing of one version of the file; an unchanged file has no pages.
final class CSVListing: ChangeListing {
    private let app: CSVApp
    private let table: CSVTable?
    private let ids: [(id: AppRecordID, place: Int)]
    private let bad: [(id: AppRecordID, why: String)]
    private let next = Mutex(0)

    init(app: CSVApp, table: CSVTable?) {
        self.app = app
        self.table = table
        let named = table.map { app.named($0) }
        ids = (named?.places ?? [:]).map { (id: $0.key, place: $0.value) }
            .sorted { $0.place < $1.place }
        bad = named?.bad ?? []
    }

    func next() async throws(AppError) -> ChangePage? {
        guard let table else { return nil }
        let start = next.withLock { start in
            defer { start += CSVApp.page }
            return start
        }
        guard start == 0 || start < ids.count else { return nil }
        let end = min(start + CSVApp.page, ids.count)
        var page = ChangePage()
        page.records = ids[start..<end].map { app.record($0.id, table.rows[$0.place], table) }
        if end == ids.count {
            page.unreadable = bad.map {
                .init(id: $0.id, version: nil, refusal: Refusal(.invalidValue, $0.why))
            }
            page.provesAbsence = true
            page.cursor = Cursor(table.digest)
        }
        return page
    }
}
