import Foundation
import Testing

/// A real Kinto server on loopback, that forgets everything when it stops.
final class KintoServer {
    let folder: URL
    let port: Int
    private var process: Process?

    /// `make test` installs the server and says where it is.
    private static var program: String {
        ProcessInfo.processInfo.environment["TANDEM_KINTO"] ?? "kinto"
    }

    init() throws {
        folder = URL(filePath: "/tmp").appending(path: "tandem-kinto-\(UUID().uuidString)")
        port = try freePort()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(
            """
            [server:main]
            use = egg:waitress#main
            host = 127.0.0.1
            port = %(http_port)s
            [app:main]
            use = egg:kinto
            kinto.includes = kinto.plugins.accounts
            kinto.storage_backend = kinto.core.storage.memory
            kinto.cache_backend = kinto.core.cache.memory
            kinto.permission_backend = kinto.core.permission.memory
            kinto.userid_hmac_secret = test-secret
            kinto.paginate_by = 40
            kinto.bucket_create_principals = system.Authenticated
            kinto.account_create_principals = system.Everyone
            multiauth.policies = account
            multiauth.policy.account.use = kinto.plugins.accounts.AccountsPolicy
            """.utf8
        ).write(to: folder.appending(path: "kinto.ini"))
        try start()
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    var url: String { "http://127.0.0.1:\(port)/v1" }

    func start() throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            Self.program, "start", "--ini", folder.appending(path: "kinto.ini").path(), "--port",
            "\(port)",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        for _ in 0..<300 {
            if (try? call("GET", "/__lbheartbeat__")) != nil { break }
            usleep(100_000)
        }
        _ = try call("PUT", "/accounts/me", ["password": "s3cret pass"])
        for path in ["/buckets/crm", "/buckets/crm/collections/contacts"] {
            _ = try call("PUT", path)
        }
        _ = try call("PUT", "/buckets/crm/collections/companies")
    }

    func stop() {
        if let process { kill(process.processIdentifier, SIGKILL) }
        process?.waitUntilExit()
        process = nil
    }

    /// Asks as another client would.
    @discardableResult
    func call(_ method: String, _ path: String, _ data: [String: Any]? = nil) throws
        -> [String: Any]
    {
        let curl = Process()
        curl.executableURL = URL(filePath: "/usr/bin/env")
        curl.arguments = ["curl", "-sSf", "-X", method, url + path]
        // The account itself is made by nobody.
        if !path.hasPrefix("/accounts") { curl.arguments? += ["-u", "me:s3cret pass"] }
        if let data {
            let body = try JSONSerialization.data(withJSONObject: ["data": data])
            curl.arguments? += [
                "-H", "Content-Type: application/json", "-d", String(decoding: body, as: UTF8.self),
            ]
        }
        let pipe = Pipe()
        curl.standardOutput = pipe
        curl.standardError = FileHandle.nullDevice
        try curl.run()
        let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
        curl.waitUntilExit()
        let answer = try JSONSerialization.jsonObject(with: bytes)
        return try #require(answer as? [String: Any])
    }

    /// All records of contacts, by address.
    func contacts() throws -> [String: [String: Any]] {
        var found: [String: [String: Any]] = [:]
        let records = "/buckets/crm/collections/contacts/records"
        for page in 0..<100 {
            let filter = "?_sort=email&_limit=40&gt_email=" + (found.keys.max() ?? "%220%22")
            let list = try call("GET", records + filter)["data"] as? [[String: Any]] ?? []
            for record in list { found[record["email"] as? String ?? ""] = record }
            if list.isEmpty || page == 99 { break }
        }
        return found
    }
}

/// An app that only its description knows, on its real server.
@Suite final class `A Kinto server` {
    private let server: KintoServer
    private let program: Program

    init() throws {
        server = try KintoServer()
        program = try Program()
        try configure()
    }

    private func configure(password: String = "s3cret pass") throws {
        try program.write(
            "tandem.yaml",
            """
            connections:
              kinto: {app: kinto, url: "\(server.url)", username: me, password: "\(password)", bucket: crm}
            syncs:
              people: {connection: kinto, object: contacts, blanks: clear}
              firms: {connection: kinto, object: companies}
            """)
    }

    @Test(arguments: ["people", "firms"])
    func `keeps the adapter laws`(_ sync: String) throws {
        #expect(try program.lawsKept(by: sync) == 15)
    }

    @Test func `is the same as the CRM after edits and deletions on each side`() throws {
        let records = "/buckets/crm/collections/contacts/records"
        try program.write(
            "in.csv",
            "email,firstname,lastname\n"
                + (0..<130).map { "p\(100 + $0)@example.com,Here,Lee\n" }.joined())
        try program.must("crm", "import", "contacts", "in.csv")
        for number in 200..<250 {
            try server.call(
                "PUT", "\(records)/r\(number)",
                ["email": "p\(number)@example.com", "firstname": "There", "cake": "carrot"])
        }
        try program.must("sync")
        var there = try server.contacts()
        #expect(there.count == 150)
        #expect(try program.contacts().count == 150)
        #expect(there["p200@example.com"]?["firstname"] as? String == "Here")
        #expect(there["p200@example.com"]?["cake"] as? String == "carrot")
        #expect(try program.writes() == 0)

        try server.call("PATCH", "\(records)/r201", ["phone": "+46 1"])
        try server.call("DELETE", "\(records)/r202")
        try program.must("crm", "update", "contacts", "p203@example.com", "city=Oslo", "firstname=")
        try program.must("sync")
        there = try server.contacts()
        #expect(try program.contacts()["p201@example.com"]?["phone"] == "+46 1")
        #expect(try program.status("people")["deleted_in_app"] as? Int == 1)
        #expect(there["p203@example.com"]?["city"] as? String == "Oslo")
        #expect(there["p203@example.com"]?["firstname"] == nil)
        #expect(there["p203@example.com"]?["cake"] as? String == "carrot")
        #expect(try program.writes() == 0)
    }

    @Test func `gets back whole what a deletion took away`() throws {
        let records = "/buckets/crm/collections/contacts/records"
        try program.write(
            "tandem.yaml",
            program.read("tandem.yaml").replacing(
                "blanks: clear", with: "blanks: clear, deletions: propagate"))
        try server.call(
            "PUT", "\(records)/r1",
            [
                "email": "a@example.com", "firstname": "Ann", "cake": "carrot",
                "tags": ["x", "y"], "size": 3,
            ])
        try program.must("sync", "people")
        try program.must("crm", "delete", "contacts", "a@example.com")
        try program.must("sync", "people")
        #expect(try server.contacts().isEmpty)
        try program.must("resync-deleted", "--in", "app", "--all")
        try program.must("sync", "people")
        let back = try #require(try server.contacts()["a@example.com"])
        #expect(back["firstname"] as? String == "Ann" && back["cake"] as? String == "carrot")
        #expect(back["tags"] as? [String] == ["x", "y"] && back["size"] as? Int == 3)
        #expect(try program.contacts()["a@example.com"] != nil)
    }

    /// The server forgets everything and counts from below: nothing is deleted because of that.
    @Test func `stops when the server has lost its memory`() throws {
        try program.write(
            "in.csv", "email\n" + (0..<60).map { "p\($0)@example.com\n" }.joined())
        try program.must("crm", "import", "contacts", "in.csv")
        try program.must("sync", "people")
        server.stop()
        #expect(try program.run(["sync", "people"]).code == 1)
        try server.start()
        let result = try program.run(["sync", "people", "--full"])
        #expect(result.code == 1)
        #expect(result.err.contains("empty"), "\(result.err)")
        #expect(try program.contacts().count == 60)
    }

    @Test func `shows each call that a check makes, and no secret`() throws {
        let records = "/buckets/crm/collections/contacts/records"
        try server.call("PUT", "\(records)/r1", ["email": "a@example.com", "city": "s3cret pass"])
        let out = try program.must("check", "--record", "calls")
        for call in ["account", "list", "changes", "single"] {
            #expect(out.contains("  \(call) "), "\(out)")
            let text = try program.read("calls/people-\(call)-1.json")
            #expect(text.contains("\"status\" : 200"))
            #expect(!text.contains("s3cret pass") && !text.contains("czNjcmV0"), "\(text)")
        }
        #expect(!out.contains("s3cret"))
        // A call that its description has wrong is named, with what the app said.
        let shipped = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../mappings/kinto")
        try FileManager.default.createDirectory(
            at: program.file("own"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: shipped, to: program.file("own/kinto"))
        try program.write(
            "own/kinto/app.yaml",
            program.read("own/kinto/app.yaml").replacing(
                "/records/{id}\", record", with: "/recrods/{id}\", record"))
        try program.write("tandem.yaml", "mappings: own\n" + program.read("tandem.yaml"))
        let result = try program.run(["check"])
        #expect(result.code == 1)
        #expect(result.out.contains("recrods"), "\(result.out)")
    }

    @Test func `says that a password is wrong`() throws {
        try configure(password: "wrong")
        let result = try program.run(["check"])
        #expect(result.code == 1)
        #expect(result.out.contains("does not say whose account it is"), "\(result.out)")
        #expect(result.out.contains("Correct the credentials"))
    }
}
