import Foundation
import Testing

/// A server that gives back credentials and sends escapes: neither leaves the program by any way out.
@Suite struct `Text of others` {
    private static let secret = "MARKED-SECRET-7f3a"
    private let program: Program
    private let server: VendorServer

    init() throws {
        program = try Program()
        server = try VendorServer("echo", in: program)
        try program.write(
            "mappings/echo/app.yaml",
            """
            title: Echo
            summary: gives back what it is told
            connection: {url: {required: true}, username: {required: true}, password: {required: true, secret: true}}
            basic: {username: "{username}", password: "{password}"}
            account: {get: /account, id: /id}
            message: /error
            objects:
              people:
                record: {id: /id, values: "", modified: /changed, version: /version}
                list: {get: "/people?after={after}", records: /results, next: /next}
                changes: {get: "/people?since={since}&after={after}", records: /results, next: /next, since: ms}
                deletions: sweep
                single: {get: "/people/{id}"}
                find: {get: "/people?email={value}", records: /results, fields: [email]}
                create: {post: /people, body: "{values}"}
                update: {patch: "/people/{id}", body: "{values}"}
                delete: {delete: "/people/{id}"}
                condition: {If-Match: "{version}"}
            """)
        try program.write(
            "mappings/echo/contacts.yaml",
            """
            object: contacts
            app-object: people
            fields:
              - {crm: email, app: email, type: email}
              - {crm: firstname, app: given}
              - {crm: city, app: city}
            """)
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections:
              app: {app: echo, url: "\(server.url)", username: somebody, password: \(Self.secret)}
            syncs: {people: {connection: app, object: contacts, default: crm}}
            """)
    }

    @Test func `go out of no door as they came in`() throws {
        var doors: [String: String] = [:]
        func pass(_ arguments: String...) throws {
            let result = try program.run(arguments)
            doors[arguments.joined(separator: " ")] = result.out + result.err
        }
        try pass("check")
        try pass("check", "--json")
        try pass("check", "--record", "trace")
        try pass("sync", "--full")
        try program.must("crm", "create", "contacts", "email=bob@x.example", "city=Bergen")
        try program.must("crm", "update", "contacts", "1", "city=Bergen")
        for command in ["sync", "status", "records", "report"] {
            try pass(command)
            try pass(command, "--json")
        }
        try pass("report", "--format", "csv", "--output", "report.csv")
        try pass("crm", "list", "contacts")
        try pass("crm", "show", "contacts", "1")
        let daemon = try program.start(["serve"])
        try program.write("log", "")
        daemon.standardOutput = try FileHandle(forWritingTo: program.file("log"))
        daemon.standardError = daemon.standardOutput
        try daemon.run()
        sleep(3)
        daemon.terminate()
        daemon.waitUntilExit()
        doors["log"] = try program.read("log")
        doors["report.csv"] = try program.read("report.csv")
        let trace = program.file("trace")
        for file in try FileManager.default.contentsOfDirectory(atPath: trace.path()) {
            doors["trace/\(file)"] = try program.read("trace/\(file)")
        }
        #expect(doors.count > 15)
        // What the server said did arrive, or nothing would be shown here.
        #expect(doors["records"]?.contains("MARKED-ESCAPE") == true, "\(doors["records"] ?? "")")
        let encoded = Data("somebody:\(Self.secret)".utf8).base64EncodedString()
        for (door, text) in doors.sorted(by: { $0.key < $1.key }) {
            #expect(!text.contains(Self.secret), "\(door): \(text)")
            #expect(!text.contains(encoded), "\(door): \(text)")
            #expect(!text.contains("MARKED-HEADER"), "\(door): \(text)")
            let escapes = text.unicodeScalars.filter { $0.value == 0x1B || $0.value == 0x07 }
            #expect(escapes.isEmpty, "\(door): \(text)")
        }
    }
}
