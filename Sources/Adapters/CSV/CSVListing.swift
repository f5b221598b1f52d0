import AdapterKit
import Synchronization
import TandemCSV
import TandemModel
import TandemSupport

/// A listing of one version of the file; an unchanged file has no pages.
final class CSVListing: ChangeListing {
    private let app: CSVAdapter
    private let table: CSVTable?
    private let ids: [(id: AppRecordID, place: Int)]
    private let rows: CSVAdapter.NamedRows
    private let next = Mutex(0)
    /// Nothing of the file is still to come, as far as can be told.
    private let isComplete: Bool

    init(app: CSVAdapter, table: CSVTable?, isComplete: Bool = true) {
        self.isComplete = isComplete
        self.app = app
        self.table = table
        rows = table.map { app.named($0) } ?? .init()
        ids = rows.places.map { (id: $0.key, place: $0.value) }.sorted { $0.place < $1.place }
    }

    func next() async throws(AppError) -> ChangePage? {
        guard let table else { return nil }
        let start = next.withLock { start in
            defer { start += CSVAdapter.page }
            return start
        }
        guard start == 0 || start < ids.count else { return nil }
        let end = min(start + CSVAdapter.page, ids.count)
        var page = ChangePage(fields: Set(table.fields))
        page.records = ids[start..<end].map { app.record($0.id, table.rows[$0.place], table) }
        if end == ids.count {
            page.unreadable = rows.unreadable.sorted { $0.key < $1.key }.map {
                .init(id: $0.key, version: nil, refusal: Refusal(.invalidValue, $0.value))
            }
            page.unidentified = rows.unidentified.map {
                .init(AppLocation("line \($0.row.line)"), $0.why)
            }
            // What may still come is no deletion, and the file is read again.
            page.isCompleteListing = isComplete
            if !isComplete {
                page.notice =
                    "\(app.path) has fewer rows than before or ends in the middle of one, and was saved a "
                    + "moment ago: what is missing counts when it has been unchanged for "
                    + "\(app.restSeconds) s"
            }
            page.cursor = isComplete ? table.cursor : nil
        }
        return page
    }
}
