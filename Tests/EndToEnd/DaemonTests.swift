import Foundation
import Testing

@Suite struct `The daemon` {
    private let program: Program

    /// A poll of an hour: whatever arrives within seconds was woken by the change itself.
    init() throws {
        program = try Program()
        try program.write("sheets/contacts.csv", "id,email,phone\n1,ann@example.com,1\n")
        try configure("people: {connection: sheet, object: contacts}")
    }

    private func configure(_ syncs: String) throws {
        try program.write(
            "tandem.yaml",
            """
            window: 2h
            poll: 1h
            connections:
              sheet: {app: csv, folder: sheets, rest: 0s}
            syncs:
              \(syncs)
            """)
    }

    @Test func `wakes for a change in the CRM and leaves in order`() throws {
        let daemon = try program.serve()
        try program.wait(for: "the first sync") { try program.contacts()["ann@example.com"] != nil }
        let second = try program.run(["serve"])
        #expect(second.code == 1 && second.err.contains("another `tandem serve`"))
        try program.must("crm", "update", "contacts", "ann@example.com", "phone=42")
        try program.wait(for: "the change in the file") {
            try program.read("sheets/contacts.csv").contains("ann@example.com,42")
        }
        #expect(program.stop(daemon) == 0)
        let window = try #require(try program.status("people")["window"] as? [String: Any])
        #expect(window["kept"] as? Int == 1 && window["missed"] as? Int == 0)
        #expect(try program.run(["sync"]).code == 0)
    }

    @Test func `ends in order when its store is taken away`() throws {
        let daemon = try program.serve()
        try program.wait(for: "the first sync") { try program.contacts()["ann@example.com"] != nil }
        for suffix in ["", "-wal", "-shm"] {
            try FileManager.default.removeItem(at: program.file("tandem.db\(suffix)"))
        }
        // Whatever wakes it finds out.
        try program.write("sheets/contacts.csv", "id,email,phone\n1,ann@example.com,2\n")
        daemon.waitUntilExit()
        #expect(daemon.terminationStatus == 74)
        #expect(try program.read("log").contains("was removed or replaced"))
        #expect(!FileManager.default.fileExists(atPath: program.file("tandem.db").path()))
    }

    @Test func `ends although a program does not answer`() throws {
        try program.write(
            "silent.py",
            "import sys,time\nopen('asked','w')\nsys.stdin.readline()\ntime.sleep(50)\n")
        try program.write(
            "tandem.yaml",
            """
            connections:
              silent: {app: process, command: [python3, silent.py]}
            syncs:
              people: {connection: silent, object: contacts}
            """)
        let daemon = try program.serve()
        try program.wait(for: "the question") {
            FileManager.default.fileExists(atPath: program.file("asked").path())
        }
        kill(daemon.processIdentifier, SIGTERM)
        daemon.waitUntilExit()
        #expect(daemon.terminationStatus == 0)
        #expect(try program.read("log").contains("ended while an answer was waited for"))
    }

    @Test func `takes a new configuration and refuses a wrong one`() throws {
        let daemon = try program.serve()
        try program.wait(for: "the first sync") { try program.contacts()["ann@example.com"] != nil }
        try program.write("sheets/companies.csv", "id,name\n1,Acme\n")
        let good = try program.read("tandem.yaml")
        try program.write("tandem.yaml", good + "nonsense: 1\n")
        kill(daemon.processIdentifier, SIGHUP)
        try program.wait(for: "the refusal") { try program.read("log").contains("refused") }
        try program.write("tandem.yaml", good)
        try program.must("crm", "update", "contacts", "ann@example.com", "phone=43")
        try program.wait(for: "the old configuration at work") {
            try program.read("sheets/contacts.csv").contains("ann@example.com,43")
        }
        try configure(
            "people: {connection: sheet, object: contacts}\n  firms: {connection: sheet, object: companies}"
        )
        kill(daemon.processIdentifier, SIGHUP)
        try program.wait(for: "the new sync") {
            try program.status("firms")["in_sync"] as? Int == 1
        }
        #expect(program.stop(daemon) == 0)
    }

    @Test func `tells systemd that it is ready and alive`() throws {
        let listener = """
            import os,socket,sys
            s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind(sys.argv[1])
            f=open(sys.argv[2],'a')
            while True:
                f.write(s.recv(4096).decode()+'\\n');f.flush()
            """
        let socket = program.file("notify").path()
        let listening = Process()
        listening.executableURL = URL(filePath: "/usr/bin/env")
        listening.arguments = ["python3", "-c", listener, socket, program.file("heard").path()]
        try listening.run()
        defer { kill(listening.processIdentifier, SIGKILL) }
        try program.wait(for: "the listener") { FileManager.default.fileExists(atPath: socket) }
        let daemon = try program.serve(["NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "2000000"])
        try program.wait(for: "READY and WATCHDOG") {
            let heard = (try? program.read("heard")) ?? ""
            return heard.contains("READY=1") && heard.contains("WATCHDOG=1")
        }
        kill(daemon.processIdentifier, SIGHUP)
        try program.wait(for: "RELOADING") {
            try program.read("heard").contains("RELOADING=1\nMONOTONIC_USEC=")
        }
        #expect(program.stop(daemon) == 0)
    }

    /// The unit as it is shipped, but for the place of the program.
    @Test func `comes with a unit that systemd takes and rates as safe`() throws {
        let shipped = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../systemd/tandem.service")
        let unit = String(decoding: try Data(contentsOf: shipped), as: UTF8.self)
        try program.write(
            "tandem.service", unit.replacing("/usr/local/bin/tandem", with: Program.path.path()))
        let file = program.file("tandem.service").path()
        let verified = try analyze(["verify", file])
        #expect(verified.code == 0 && verified.out == "", "\(verified.out)")
        let rated = try analyze(["security", "--offline=true", file]).out
        let match = try #require(
            rated.firstMatch(of: #/exposure level for tandem.service: ([0-9.]+)/#))
        #expect((Double(match.1) ?? 10) < 2.0)
    }

    private func analyze(_ arguments: [String]) throws -> (code: Int32, out: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["systemd-analyze", "--no-pager"] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
