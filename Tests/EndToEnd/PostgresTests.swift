import AdapterKit
import AdapterPostgres
import Foundation
import Synchronization
import TandemModel
import Testing

/// A real PostgreSQL server, with others who write in it.
@Suite final class `A PostgreSQL table` {
    private let server: PostgresServer
    private let program: Program

    init() throws {
        server = try PostgresServer()
        program = try Program()
        try server.sql(
            """
            CREATE TABLE people (
                id bigserial PRIMARY KEY, email text CONSTRAINT one_address UNIQUE,
                firstname text, lastname text NOT NULL DEFAULT '', phone text, born date,
                score numeric(6, 2) CONSTRAINT not_negative CHECK (score >= 0), vip boolean,
                seen timestamptz, tags text[], city varchar(12), gone timestamptz,
                changed timestamptz NOT NULL DEFAULT now(), secret text DEFAULT 's'
            );
            CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN NEW.changed := now(); RETURN NEW; END $$;
            CREATE TRIGGER touch BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION touch();
            """)
        try program.write(
            "mappings/erp/app.yaml", "adapter: postgres\nsummary: somebody's database\n")
        try program.write(
            "mappings/erp/contacts.yaml",
            """
            object: contacts
            app-object: people
            fields:
              - {crm: email, app: email, type: email}
              - {crm: firstname, app: firstname}
              - {crm: lastname, app: lastname}
              - {crm: phone, app: phone, type: phone}
              - {crm: city, app: city}
              - {crm: date_of_birth, app: born, type: date}
              - {crm: categories, app: tags, type: multi-enumeration}
            """)
        try configure("changes: xmin")
    }

    private func configure(_ table: String, sync: String = "") throws {
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections: {erp: {app: erp, url: "\(server.url)", tables: {people: {\(table)}}}}
            syncs: {people: {connection: erp, object: contacts\(sync)}}
            """)
    }

    /// Runs a cycle; what it wrote.
    @discardableResult
    private func sync(_ arguments: String...) throws -> Int {
        try program.writes(arguments, codes: [0, 3])
    }

    @Test(arguments: [
        "changes: xmin", "changes: changed", "changes: log", "changes: none",
        "changes: changed, deleted: gone, created: changed", "changes: xmin, tandem-key: secret",
        "changes: xmin, version: changed",
    ])
    func `keeps the adapter laws however it tells changes`(_ table: String) throws {
        try configure(table)
        if table.contains("log") { try program.must("connect", "erp", "--install") }
        #expect(try program.lawsKept(by: "people") >= 14)
    }

    @Test func `is the same as the CRM after each side's edits`() throws {
        try server.sql(
            """
            INSERT INTO people (email, firstname, lastname, born, tags, city)
            SELECT 'p' || n || '@example.com', 'There' || n, 'Lee', '2001-02-03', '{a,b}', 'Oslo'
            FROM generate_series(100, 399) n;
            """)
        try program.write(
            "in.csv",
            "email,firstname,lastname\n"
                + (0..<200).map { "p\($0)@example.com,Here\($0),Lee\n" }.joined())
        try program.must("crm", "import", "contacts", "in.csv")
        try sync()
        let contacts = try program.contacts()
        #expect(contacts.count == 400)
        #expect(try server.sql("SELECT count(*) FROM people") == ["400"])
        #expect(contacts["p150@example.com"]?["firstname"] == "Here150")
        #expect(contacts["p150@example.com"]?["date_of_birth"] == "2001-02-03")
        #expect(contacts["p150@example.com"]?["categories"] == "a;b")
        #expect(try sync() == 0)

        try server.sql("UPDATE people SET city = 'Rome' WHERE email = 'p1@example.com'")
        try program.must("crm", "update", "contacts", "p1@example.com", "phone=+46 5")
        try program.must("crm", "update", "contacts", "p2@example.com", "categories=x;y")
        try server.sql("DELETE FROM people WHERE email = 'p3@example.com'")
        try sync("--full")
        #expect(
            try server.sql("SELECT city, phone FROM people WHERE email = 'p1@example.com'")
                == ["Rome|+46 5"])
        #expect(
            try server.sql("SELECT tags::text, secret FROM people WHERE email = 'p2@example.com'")
                == ["{x,y}|s"])
        #expect(try program.contacts()["p1@example.com"]?["city"] == "Rome")
        #expect(try program.status("people")["deleted_in_app"] as? Int == 1)
        #expect(try sync() == 0)
    }

    @Test func `says of each refusal what stood in the way, and carries the rest`() throws {
        try configure("changes: xmin", sync: ", direction: to-app")
        try server.sql(
            "INSERT INTO people (email, lastname) VALUES ('taken@example.com', 'Old')")
        try program.must("crm", "create", "contacts", "email=ok@example.com", "lastname=Fine")
        try program.must(
            "crm", "create", "contacts", "email=long@example.com", "city=Thirteen long")
        try program.must("crm", "create", "contacts", "email=zero@example.com", "lastname=After")
        try sync()
        #expect(
            try server.sql("SELECT count(*) FROM people WHERE lastname IN ('Fine', 'After')")
                == ["2"])
        let rows = try #require(
            try program.json("records", "--state", "failed")["records"] as? [[String: Any]])
        #expect(rows.count == 1)
        #expect(rows.first?["category"] as? String == "invalid-value")
        #expect((rows.first?["message"] as? String)?.contains("character varying(12)") == true)
    }

    @Test func `takes keys of fixed length, coarse times and rounded numbers as they are`() throws {
        try server.sql(
            """
            DROP TABLE people;
            CREATE TABLE people (
                code char(4) PRIMARY KEY, email text, firstname char(10), lastname text, phone text,
                city text, born date, tags text[], changed timestamp(0) NOT NULL DEFAULT now()
            );
            INSERT INTO people (code, email, firstname) VALUES ('CA', 'a@example.com', 'Ann');
            """)
        try configure("changes: changed")
        try program.must("sync")
        try program.must("crm", "update", "contacts", "a@example.com", "firstname=Annabel")
        try program.must("sync")
        #expect(try server.sql("SELECT code, firstname FROM people") == ["CA  |Annabel   "])
        try server.sql("UPDATE people SET city = 'Rome', changed = now()")
        try program.must("sync")
        #expect(try program.contacts()["a@example.com"]?["city"] == "Rome")
        try program.must("sync", "--full")
        #expect(try program.status("people")["in_sync"] as? Int == 1)
        #expect(try program.status("people")["deleted_in_app"] as? Int == 0)
    }

    /// A row that somebody holds is put off with the rest of its set, and is not waited for row by
    /// row.
    @Test func `puts off what is locked`() throws {
        try configure("changes: xmin", sync: ", direction: to-app")
        try program.write(
            "in.csv", "email\n" + (0..<40).map { "p\($0)@example.com\n" }.joined())
        try program.must("crm", "import", "contacts", "in.csv")
        let left = Mutex(1)
        let lock = "BEGIN; LOCK TABLE people IN SHARE MODE; SELECT pg_sleep(600)"
        try server.session(lock) { _ in left.withLock { $0 = 0 } }
        try program.wait(for: "the lock") {
            try server.sql("SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND granted")
                != ["0"]
        }
        #expect(try program.run(["sync"]).code == 3)
        let rows = try program.json("records", "--state", "failed")["records"] as? [[String: Any]]
        #expect(rows?.count == 40)
        #expect(rows?.first?["category"] as? String == "version-conflict")
        try server.sql(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()
            """)
        try program.wait(for: "the end of the lock") { left.withLock { $0 } == 0 }
        try program.must("retry")
        #expect(try server.sql("SELECT count(*) FROM people") == ["40"])
    }

    /// The poll is as long as the window, so that only the notification can bring the change.
    @Test func `wakes the daemon by a notification`() throws {
        try configure("changes: log")
        try program.write(
            "tandem.yaml", "poll: 10m\nwindow: 10m\n" + program.read("tandem.yaml"))
        try program.must("connect", "erp", "--install")
        try server.sql("INSERT INTO people (email, firstname) VALUES ('a@example.com', 'Ann')")
        let daemon = try program.serve()
        defer { kill(daemon.processIdentifier, SIGKILL) }
        try program.wait(for: "the first sync") { try program.contacts().count == 1 }
        try server.sql("UPDATE people SET firstname = 'Anna'")
        try program.wait(for: "the change") {
            try program.contacts()["a@example.com"]?["firstname"] == "Anna"
        }
        try server.sql("DELETE FROM people")
        try program.wait(for: "the deletion") {
            try program.status("people")["deleted_in_app"] as? Int == 1
        }
    }

    @Test func `gets every row once, though the server is killed while it writes`() throws {
        try program.write(
            "in.csv",
            "email,firstname\n" + (0..<4_000).map { "p\($0)@example.com,N\($0)\n" }.joined())
        try program.must("crm", "import", "contacts", "in.csv")
        var kills = 0
        for round in 1...5 {
            let sync = try program.start(["sync"])
            sync.standardOutput = FileHandle.nullDevice
            sync.standardError = FileHandle.nullDevice
            try sync.run()
            try program.wait(for: "some rows") {
                let count = try server.sql("SELECT count(*) FROM people").first.flatMap { Int($0) }
                return (count ?? 0) >= min(round * 600, 3_900) || !sync.isRunning
            }
            if sync.isRunning { kills += 1 }
            server.kill()
            sync.waitUntilExit()
            try server.start()
        }
        try program.run(["retry"])
        try program.must("sync", "--full")
        #expect(kills > 0)
        #expect(
            try server.sql("SELECT count(*), count(DISTINCT email) FROM people") == ["4000|4000"])
        #expect(try program.status("people")["in_sync"] as? Int == 4_000)
        #expect(try sync() == 0)
    }

    @Test func `waits with a column that is gone, and carries what came meanwhile when it is back`()
        throws
    {
        try server.sql(
            "INSERT INTO people (email, phone, firstname) VALUES ('ann@x.example', '111 1111', 'Ann')"
        )
        try sync()
        try server.sql("ALTER TABLE people RENAME phone TO phone_old")
        try program.must("crm", "update", "contacts", "1", "phone=222 2222", "firstname=Anna")
        _ = try program.run(["sync"])
        #expect(try server.sql("SELECT phone_old, firstname FROM people") == ["111 1111|Anna"])
        let status = try program.must("status")
        #expect(status.contains("no field `phone`"), "\(status)")
        #expect(try program.run(["check"]).out.contains("no column `phone`"))
        try server.sql("ALTER TABLE people RENAME phone_old TO phone")
        try sync()
        #expect(try server.sql("SELECT phone FROM people") == ["222 2222"])
        #expect(try sync() == 0)
    }

    @Test func `refuses times of before Christ and beyond ten thousand`() throws {
        try server.sql(
            """
            INSERT INTO people (email, born) VALUES ('cae@x.example', '0044-03-15 BC'),
            ('far@x.example', '12026-01-01'), ('inf@x.example', 'infinity'),
            ('old@x.example', '0001-01-01')
            """)
        _ = try program.run(["sync"])
        let failed = try program.run(["records", "--state", "failed"]).out
        #expect(failed.split(separator: "\n").count == 4, "\(failed)")
        let born = try server.sql("SELECT born::text FROM people ORDER BY id")
        #expect(born == ["0044-03-15 BC", "12026-01-01", "infinity", "0001-01-01"])
        #expect(try program.must("crm", "export", "contacts").contains("0001-01-01"))
    }

    @Test func `stops when a backup is put back, and leaves it to a person what went back`() throws
    {
        try server.sql(
            """
            INSERT INTO people (email, firstname, phone) VALUES
            ('ann@x.example', 'Ann', '111 1111'), ('bob@x.example', 'Bob', '222 2222')
            """)
        try sync()
        try server.backUp()
        try program.must("crm", "update", "contacts", "1", "firstname=Anna", "city=Oslo")
        try program.must("crm", "create", "contacts", "email=cid@x.example", "firstname=Cid")
        try sync()
        try server.sql("UPDATE people SET phone = '333 3333' WHERE email = 'bob@x.example'")
        try sync()
        try server.putBack()
        // The id of the row that Tandem made is given to a stranger.
        try server.sql(
            "SELECT setval('people_id_seq', 2); "
                + "INSERT INTO people (email, firstname) VALUES ('eve@x.example', 'Eve')")
        #expect(try program.run(["sync"]).code != 0)
        #expect(try program.status("people")["finding"] != nil)
        #expect(try names() == ["Anna Oslo", "Bob", "Cid"])

        try program.must("acknowledge", "people")
        try sync()
        // Nobody was reverted, deleted or taken for somebody else; the stranger is a new contact.
        #expect(try names() == ["Anna Oslo", "Bob", "Cid", "Eve"])
        let waiting = try program.must("records", "--state", "awaiting-approval", "--json")
        #expect(waiting.contains("firstname `Ann`") && waiting.contains("\"rewound\""))

        try program.must("approve", "--record", "1", "--record", "3")
        #expect(try program.run(["reject", "--record", "2"]).code == 0)
        try sync()
        #expect(try names() == ["Anna Oslo", "Bob", "Cid", "Eve"])
        #expect(
            try server.sql("SELECT firstname, phone, city FROM people ORDER BY email") == [
                "Anna|111 1111|Oslo", "Bob|222 2222|", "Cid||", "Eve||",
            ])
        #expect(try program.must("crm", "show", "contacts", "2").contains("222 2222"))
        #expect(try sync() == 0)
    }

    private func names() throws -> [String] {
        let lines = try program.must("crm", "export", "contacts").split(
            whereSeparator: \.isNewline
        ).map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        let columns = ["firstname", "city"].compactMap { lines[0].firstIndex(of: Substring($0)) }
        return lines.dropFirst().map { line in
            columns.map { line[$0] }.filter { !$0.isEmpty }.joined(separator: " ")
        }.sorted()
    }

    @Test(arguments: [
        ("/erp?host=", "/nosuch?host=", "database \"nosuch\" does not exist"),
        ("postgres@", "nobody@", "role \"nobody\" does not exist"),
        ("postgres@", "postgres:s3cr%zt@", "`url` is no address"),
    ])
    func `says that an address is wrong, and shows no password`(
        _ right: String, _ wrong: String, _ words: String
    ) throws {
        let text = try program.read("tandem.yaml")
        try program.write("tandem.yaml", text.replacing(right, with: wrong))
        let result = try program.run(["check"])
        #expect(result.code == 1)
        #expect(result.out.contains(words), "\(result.out)")
        #expect(result.out.contains("Correct `url`"), "\(result.out)")
        #expect(!result.out.contains("s3cr"))
        // A server that is down is no mistake of anybody.
        server.kill()
        try program.write("tandem.yaml", text)
        #expect(try program.run(["check"]).out.contains("every cycle tries again"))
    }

    @Test func `is reached over TLS, and only if its authority is the one that is named`() throws {
        let (url, authority) = try server.openWithTLS()
        try server.sql("INSERT INTO people (email) VALUES ('tls@example.com')")
        let text = try program.read("tandem.yaml")
        func connect(_ more: String) throws -> Program.Result {
            try program.write(
                "tandem.yaml",
                text.replacing(#/url: "[^"]*"/#) { _ in "url: \"\(url)\(more)" })
            return try program.run(["check"])
        }
        let right = try connect("\", ca-file: \"\(authority)\"")
        #expect(right.code == 0, "\(right.out)")
        try program.must("sync")
        #expect(try program.contacts()["tls@example.com"] != nil)
        try program.tool(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other",
            "-out", "other.pem", "-keyout", "other.key")
        let other = try connect("\", ca-file: other.pem")
        #expect(other.code == 1)
        #expect(other.out.contains("certificate"), "\(other.out)")
        let open = try connect("?sslmode=disable\"")
        #expect(open.code == 1)
        #expect(open.out.contains("no encryption"), "\(open.out)")
    }

    @Test func `names table, column and key that are not there`() throws {
        for (table, words) in [
            ("key: nummer", "no column `nummer`"), ("changes: chnged", "did you mean `changed`"),
            ("changes: firstname", "neither a time nor a whole number"),
            ("changes: log", "tandem connect"),
        ] {
            try configure(table)
            let result = try program.run(["check"])
            #expect(result.code == 1)
            #expect(result.out.contains(words), "\(result.out)")
        }
        try server.sql("DROP TABLE people")
        try configure("changes: xmin")
        #expect(try program.run(["sync"]).code == 1)
        #expect(try program.run(["check"]).out.contains("no table `people`"))
    }
}

/// Many write at once, in transactions that are short, long, undone and prepared, while three
/// readers follow, one for each way to tell changes.
@Suite final class `Following a busy table` {
    private let server: PostgresServer

    init() throws { server = try PostgresServer() }

    private static let changes = 1_000_000
    private static let writers = 6

    /// Every row is made once, and two of three are changed once more, so that a change that is
    /// missed is not covered up by a later one.
    private func prepare() throws {
        try server.sql(
            """
            CREATE TABLE busy (
                id bigserial PRIMARY KEY, writer int NOT NULL, n int NOT NULL DEFAULT 1,
                changed timestamptz NOT NULL DEFAULT now()
            );
            CREATE INDEX busy_changed ON busy (changed, id);
            CREATE TABLE control (go boolean NOT NULL);
            INSERT INTO control VALUES (true);
            CREATE PROCEDURE work(me int, rounds int) LANGUAGE plpgsql AS $$
            DECLARE
                size int;
                before bigint := 0;
            BEGIN
                PERFORM setseed(me / 10.0);
                FOR round IN 1 .. rounds LOOP
                    size := 300;
                    -- The time of the transaction stands still while others overtake it.
                    PERFORM now();
                    IF round % 40 = me THEN PERFORM pg_sleep(0.3); END IF;
                    INSERT INTO busy (writer) SELECT me FROM generate_series(1, size);
                    UPDATE busy SET n = 2, changed = now() WHERE id IN (
                        SELECT id FROM busy WHERE writer = me AND n = 1 AND id > before - 5000
                        ORDER BY random() LIMIT size * 2 / 3);
                    before := currval('busy_id_seq');
                    IF round % 55 = me THEN PERFORM pg_sleep(0.5); END IF;
                    IF round % 17 = 0 THEN
                        ROLLBACK;
                    ELSE
                        COMMIT;
                    END IF;
                END LOOP;
                -- On a slow machine the readers have not seen enough of it yet.
                WHILE (SELECT go FROM control) LOOP
                    INSERT INTO busy (writer) VALUES (me);
                    COMMIT;
                    PERFORM pg_sleep(0.02);
                END LOOP;
            END $$;
            """)
    }

    /// Sessions that still write, and those that failed.
    private final class Writers: Sendable {
        let left = Mutex(0)
        let failed = Mutex(0)
        /// How many listings each reader has made, or that it is done.
        let listings = Mutex<[Int]>([])
        var isBusy: Bool { left.withLock { $0 } > 0 }

        func end(_ isWell: Bool) {
            if !isWell { failed.withLock { $0 += 1 } }
            left.withLock { $0 -= 1 }
        }
    }

    private static func app(_ changes: PostgresSettings.Changes, _ url: String) -> PostgresAdapter {
        PostgresAdapter(
            PostgresSettings(
                connection: ["dbname": url], timeoutSeconds: 120, table: "busy", key: [],
                changes: changes, deleted: nil, version: nil, created: nil, origin: nil,
                channel: nil, fields: ["n"]))
    }

    /// Lists from its last cursor on until nobody writes any more, and once again.
    private static func follow(_ app: PostgresAdapter, _ writers: Writers, reader: Int)
        async throws -> (seen: [AppRecordID: String], listings: Int)
    {
        defer { writers.listings.withLock { $0[reader] = .max } }
        var seen: [AppRecordID: String] = [:]
        var cursor: Cursor?
        var listings = 0
        var isLast = false
        while true {
            let isBusy = writers.isBusy
            let listing = try await app.changes(since: cursor)
            while let page = try await listing.next() {
                for record in page.records { seen[record.id] = record.values["n"] }
                cursor = page.cursor ?? cursor
            }
            listings += 1
            writers.listings.withLock { $0[reader] = listings }
            if isLast { return (seen, listings) }
            isLast = !isBusy
        }
    }

    @Test func `misses none of a million changes`() async throws {
        try prepare()
        let url = server.url
        let log = Self.app(.log, url)
        try await log.install(log.changeLog())
        let rounds = Self.changes / 500 / Self.writers * 17 / 16 + 20
        let writers = Writers()
        writers.listings.withLock { $0 = [0, 0, 0] }
        writers.left.withLock { $0 = Self.writers }
        for writer in 1...Self.writers {
            try server.session("CALL work(\(writer), \(rounds))") { writers.end($0) }
        }
        let readers: [PostgresSettings.Changes] = [
            .transaction, .column("changed", lagSeconds: 0), .log,
        ]
        let results = try await withThrowingTaskGroup(
            of: (seen: [AppRecordID: String], listings: Int).self
        ) { group in
            for (reader, changes) in readers.enumerated() {
                group.addTask {
                    try await Self.follow(Self.app(changes, url), writers, reader: reader)
                }
            }
            // Followed while it happens, not read once at the end.
            while writers.listings.withLock({ $0.contains { $0 <= 10 } }) {
                try await Task.sleep(for: .milliseconds(50))
            }
            try server.sql("UPDATE control SET go = false")
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(writers.failed.withLock { $0 } == 0)
        let made = try server.sql("SELECT sum(n), count(*) FROM busy")
        let counts = try #require(made.first?.split(separator: "|").compactMap { Int($0) })
        #expect(counts[0] >= Self.changes)
        let rows = try server.sql("SELECT id, n FROM busy").reduce(into: [AppRecordID: String]()) {
            let parts = $1.split(separator: "|").map(String.init)
            $0[AppRecordID(parts[0])] = parts[1]
        }
        #expect(rows.count == counts[1])
        for (seen, listings) in results {
            let missed = rows.filter { seen[$0.key] != $0.value }
            #expect(missed.count == 0, "missed \(missed.count), such as \(missed.prefix(3))")
            #expect(listings > 10)
        }
        #expect(results.count == readers.count)
    }
}
