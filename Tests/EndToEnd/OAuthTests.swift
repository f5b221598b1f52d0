import Foundation
import Testing

/// A real OAuth 2 server (Authlib), with an API that only its tokens open.
private final class OAuthServer {
    private let process = Process()
    private let log: URL
    private(set) var url = ""

    init(_ arguments: [String], in folder: URL) throws {
        log = folder.appending(path: "server-\(UUID().uuidString).log")
        try Data().write(to: log)
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Servers/oauth_server.py").standardizedFileURL.path()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            [ProcessInfo.processInfo.environment["TANDEM_OAUTH"] ?? "python3", script] + arguments
        process.standardOutput = try FileHandle(forWritingTo: log)
        process.standardError = FileHandle.nullDevice
        try process.run()
        for _ in 0..<300 where url.isEmpty {
            let ready = try lines.first { $0.hasPrefix("ready ") }
            url = ready.map { String($0.dropFirst(6)) } ?? ""
            usleep(100_000)
        }
    }

    deinit { kill(process.processIdentifier, SIGKILL) }

    private var lines: [String] {
        get throws {
            String(decoding: try Data(contentsOf: log), as: UTF8.self).split(separator: "\n")
                .map(String.init)
        }
    }

    /// The requests for tokens so far: `token grant=refresh_token … error=-`.
    var requests: [String] {
        get throws { try lines.filter { $0.hasPrefix("token ") } }
    }

    /// The user takes every grant back.
    func revokeAll() throws { try browser("-X", "POST", "\(url)/revoke-all") }

}

@Suite final class `An app that gives access by OAuth` {
    private let program: Program

    init() throws { program = try Program() }

    private func configure(
        _ server: OAuthServer, grant: String = "authorization-code",
        client: String = "tandem-public", secret: String = ""
    ) throws {
        let authentication = secret.isEmpty ? "none" : "basic"
        try program.write(
            "mappings/people/app.yaml",
            """
            title: People
            summary: an API behind OAuth
            connection: {url: {required: true}, client-id: {required: true}, client-secret: {default: ""}}
            oauth:
              grant: \(grant)
              authorize: "{url}/authorize"
              token: "{url}/token"
              device: "{url}/device_authorization"
              client-id: "{client-id}"
              client-secret: "{client-secret}"
              client-auth: \(authentication)
              scopes: [contacts.read]
            account: {get: /me, id: /client}
            message: [/error_description, /error]
            objects:
              contacts:
                record: {id: /id, values: ""}
                list: {get: "/contacts?offset={after}", records: /contacts, next: /next, start: "0"}
                changes: {get: "/contacts?offset={after}&since={since}", records: /contacts, next: /next, start: "0"}
                single: {get: "/contacts/{id}"}
                create: {post: "/contacts/{key-id}", body: "{values}"}
                update: {patch: "/contacts/{id}", body: "{values}"}
                delete: {delete: "/contacts/{id}"}
            """)
        try program.write(
            "mappings/people/contacts.yaml",
            """
            object: contacts
            app-object: contacts
            fields:
              - {crm: email, app: email, type: email}
              - {crm: firstname, app: name}
            """)
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections:
              people: {app: people, url: "\(server.url)", client-id: \(client), client-secret: "\(secret)"}
            syncs: {people: {connection: people, object: contacts, direction: to-crm}}
            """)
    }

    @Test func `lets in after consent in the browser, and keeps no token in the open`() throws {
        let server = try OAuthServer([], in: program.folder)
        try configure(server)
        let before = try program.run(["sync"])
        #expect(before.code == 1)
        #expect(before.err.contains("Run `tandem connect people`"), "\(before.err)")
        let connected = try program.connect("people")
        #expect(connected.code == 0, "\(connected.out)")
        #expect(connected.out.contains("people is connected"))
        // A preview works on a copy of the store, and with the tokens of the store itself.
        #expect(try program.must("sync", "--dry-run").contains("7 actions"))
        try program.must("sync")
        #expect(try program.contacts().count == 7)
        #expect(try server.requests.count == 1)

        let key = try FileManager.default.attributesOfItem(
            atPath: program.file("tandem.db.key").path())
        #expect(key[.posixPermissions] as? Int == 0o600)
        // Whoever has the store and not the key has no access.
        try program.write("tandem.db.key", Data(repeating: 7, count: 32).base64EncodedString())
        let other = try program.run(["sync"])
        #expect(other.code == 1 && other.err.contains("the key does not open"), "\(other.err)")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o644], ofItemAtPath: program.file("tandem.db.key").path())
        #expect(try program.run(["sync"]).err.contains("can be read by others"))
    }

    /// A token is renewed a minute before its end, which ends the one before; several processes
    /// need one at the same time.
    @Test func `renews tokens that rotate, one at a time`() throws {
        let server = try OAuthServer(["--expires", "61"], in: program.folder)
        try configure(server)
        #expect(try program.connect("people").code == 0)
        usleep(1_500_000)
        let processes = try (0..<4).map { _ in try program.start(["check"]) }
        for process in processes {
            process.standardOutput = FileHandle.nullDevice
            try process.run()
        }
        for process in processes {
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
        try program.must("sync")
        let requests = try server.requests
        #expect(requests.filter { $0.contains("refresh_token") }.count >= 1)
        #expect(requests.allSatisfy { $0.contains("error=-") }, "\(requests)")
    }

    @Test func `says once what to do when access was taken back, and goes on after it`() throws {
        let server = try OAuthServer([], in: program.folder)
        try configure(server)
        #expect(try program.connect("people").code == 0)
        try program.must("sync")
        try server.revokeAll()
        let refused = try program.run(["sync", "--full"])
        #expect(refused.code == 1)
        #expect(refused.err.contains("Run `tandem connect people`"), "\(refused.err)")
        #expect(try program.connect("people").code == 0)
        try program.must("sync", "--full")
    }

    @Test func `lets a program in by itself, and a person from another machine`() throws {
        let server = try OAuthServer([], in: program.folder)
        try configure(
            server, grant: "client-credentials", client: "tandem",
            secret: "tandem-test-secret-of-32-bytes-ok")
        try program.must("sync")
        #expect(try program.contacts().count == 7)
        try configure(server, grant: "client-credentials", client: "tandem", secret: "wrong")
        for file in ["tandem.db", "tandem.db.ids"] {
            try FileManager.default.removeItem(at: program.file(file))
        }
        let refused = try program.run(["sync"])
        #expect(refused.code == 1 && refused.err.contains("client-secret"), "\(refused.err)")

        try configure(server, grant: "device")
        let connected = try program.connect("people")
        #expect(connected.code == 0, "\(connected.out)")
        #expect(connected.out.contains("/device"))
        try program.must("sync")
    }

    @Test func `takes no for an answer`() throws {
        let server = try OAuthServer(["--consent", "form"], in: program.folder)
        try configure(server)
        let process = try program.start(["connect", "people"])
        try program.write("connect.out", "")
        let handle = try FileHandle(forWritingTo: program.file("connect.out"))
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        try program.wait(for: "the address") {
            try program.read("connect.out").contains("Waiting")
        }
        let address = try #require(
            try program.read("connect.out").firstMatch(of: #/http\S+authorize\S+/#))
        // Somebody else's answer is not taken for the browser's.
        let port = try #require(
            String(address.0).firstMatch(of: #/127\.0\.0\.1%3A(\d+)%2Fcallback/#))
        #expect(
            try browser("http://127.0.0.1:\(port.1)/callback?code=stolen&state=guessed")
                .contains("not the answer"))
        try browser("-d", "answer=no", String(address.0))
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(try program.read("connect.out").contains("access was refused"))
    }
}
