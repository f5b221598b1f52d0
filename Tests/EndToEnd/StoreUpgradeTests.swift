import Foundation
import Testing

/// A store that an earlier version wrote (`Tests/Fixtures/make-store-1.py`) is opened by this one.
@Suite struct `A store of an earlier version` {
    private let program: Program

    init() throws {
        program = try Program()
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Fixtures").standardizedFileURL
        let files = FileManager.default
        for name in ["tandem.yaml", "firms.py", "firms.json", "sheets"] {
            try files.copyItem(
                at: fixtures.appending(path: "store-1/\(name)"), to: program.file(name))
        }
        try files.copyItem(
            at: fixtures.appending(path: "store-1.db"), to: program.file("store.db"))
    }

    /// State and category of every pair, by the id in the app, else in the CRM.
    private func states() throws -> [String: String] {
        let rows = try #require(try program.json("records")["records"] as? [[String: Any]])
        return rows.reduce(into: [:]) { states, row in
            let app = row["app_id"] as? String ?? ""
            let key = app.isEmpty ? "CRM \(row["crm_id"] ?? "")" : app
            let words = ["state", "category", "reason"].compactMap { row[$0] as? String }
            states[key.hasPrefix("tandem-") ? "firm \(row["crm_id"] ?? "")" : key] =
                words.filter { !$0.isEmpty }.joined(separator: " ")
        }
    }

    @Test func `carries exactly what is pending, and nothing else`() throws {
        #expect(try states()["CRM 10"] == "pending")
        let sheet = try program.read("sheets/contacts.csv")
        let report = try program.json("sync")
        let syncs = try #require(report["syncs"] as? [[String: Any]])
        let written = syncs.map { sync in
            ["created_in_crm", "updated_in_crm", "created_in_app", "updated_in_app"]
                .map { "\(sync[$0] ?? "")" }.joined(separator: " ")
        }
        #expect(written == ["0 0 0 0", "0 1 0 2"])
        #expect(
            try program.read("sheets/contacts.csv")
                == sheet.replacing("22 22", with: "22 23").replacing("Ek-Sheet", with: "Ek-Crm"))
        #expect(try program.contacts()["carl@x.example"]?["phone"] == "33 34")
        let firms = try program.read("firms.json")
        #expect(firms.split(separator: "lost.example").count == 2, "the lost create was repeated")
        #expect(
            try states() == [
                "1": "in-sync", "2": "in-sync", "3": "in-sync", "4": "in-sync",
                "5": "deleted-in-app", "6": "failed duplicate-in-app",
                "7": "excluded no-email", "8": "in-sync", "9": "excluded merged",
                "firm 2": "in-sync", "firm 10": "in-sync",
            ])
        #expect(try program.writes() == 0)
        #expect(try program.writes(["--full"], codes: [0, 3]) == 0)
    }
}
