import Foundation
import Testing

/// The built program, run as users run it, in a folder of its own.
final class Program {
    struct Result {
        let code: Int32
        let out: String
        let err: String
    }

    let folder: URL

    init() throws {
        folder = URL(filePath: "/tmp").appending(path: "tandem-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// The program stands beside the test bundle.
    static let path: URL = {
        let bundle = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        return bundle.appending(path: "tandem")
    }()

    func file(_ name: String) -> URL { folder.appending(path: name) }

    func write(_ name: String, _ text: String) throws {
        let url = file(name)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    func read(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: file(name)), as: UTF8.self)
    }

    /// Starts the program without waiting for it.
    func start(_ arguments: [String], environment: [String: String] = [:]) throws -> Process {
        let process = Process()
        process.executableURL = Self.path
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        return process
    }

    /// Runs the program to its end; output goes through files, so that no pipe can fill up.
    @discardableResult
    func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Result {
        let process = try start(arguments, environment: environment)
        let names = ["out", "err"].map { "\($0)-\(UUID().uuidString)" }
        for name in names { try write(name, "") }
        process.standardOutput = try FileHandle(forWritingTo: file(names[0]))
        process.standardError = try FileHandle(forWritingTo: file(names[1]))
        try process.run()
        process.waitUntilExit()
        let result = Result(
            code: process.terminationStatus, out: try read(names[0]), err: try read(names[1]))
        for name in names { try FileManager.default.removeItem(at: file(name)) }
        return result
    }

    /// Runs another program of this machine in the folder.
    func tool(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(arguments)")
    }

    /// Runs the program, expects success, and gives what it printed.
    @discardableResult
    func must(_ arguments: String...) throws -> String {
        let result = try run(arguments)
        try #require(result.code == 0, "\(arguments): \(result.code) \(result.out) \(result.err)")
        return result.out
    }

    /// Runs a command with `--json` and reads its document.
    func json(_ arguments: String...) throws -> [String: Any] {
        let result = try run(arguments + ["--json"])
        let object = try JSONSerialization.jsonObject(with: Data(result.out.utf8))
        return try #require(object as? [String: Any], "\(result.out) \(result.err)")
    }

    /// The properties of every living contact, by email address.
    func contacts() throws -> [String: [String: String]] {
        let document = try json("crm", "list", "contacts", "--limit", "100000")
        let records = try #require(document["results"] as? [[String: Any]])
        var contacts: [String: [String: String]] = [:]
        for record in records {
            let properties = record["properties"] as? [String: String] ?? [:]
            contacts[properties["email"]?.lowercased() ?? "\(record["id"] ?? "")"] = properties
        }
        return contacts
    }

    /// The id of the record of which a property has this value.
    func id(_ object: String, _ value: String) throws -> String {
        let records = try #require(
            try json("crm", "list", object)["results"] as? [[String: Any]])
        let found = records.first { record in
            (record["properties"] as? [String: String] ?? [:]).values.contains(value)
        }
        return try #require(found?["id"] as? String)
    }

    /// The ids of what a record is associated with.
    func linked(_ object: String, _ id: String, _ other: String) throws -> [String] {
        let document = try json("crm", "show", object, id)
        let all = document["associations"] as? [String: [[String: Any]]] ?? [:]
        return (all[other] ?? []).compactMap { $0["id"] as? String }
    }

    /// Runs a cycle of the syncs, or of all; how many records it wrote on either side.
    func writes(_ arguments: [String] = [], codes: [Int32] = [0]) throws -> Int {
        let result = try run(["sync", "--json"] + arguments)
        #expect(codes.contains(result.code), "\(result.out) \(result.err)")
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(result.out.utf8)) as? [String: Any])
        let syncs = try #require(document["syncs"] as? [[String: Any]])
        let keys = ["created_in_crm", "updated_in_crm", "created_in_app", "updated_in_app"]
        return syncs.flatMap { sync in keys.map { sync[$0] as? Int ?? 0 } }.reduce(0, +)
    }

    /// Holds the app of a sync to the adapter laws; how many it keeps, none being broken.
    func lawsKept(by sync: String) throws -> Int {
        let result = try run(["check", "--laws", sync, "--yes"])
        #expect(result.code == 0, "\(result.out) \(result.err)")
        return result.out.split(separator: "\n").filter { $0.contains(" kept") }.count
    }

    func status(_ sync: String) throws -> [String: Any] {
        let document = try json("status", sync)
        let syncs = try #require(document["syncs"] as? [[String: Any]])
        return try #require(syncs.first)
    }
}

/// The program as a daemon.
extension Program {
    /// Starts the daemon with no signal blocked: a child of a test would inherit the test's mask.
    func serve(_ environment: [String: String] = [:]) throws -> Process {
        let unmask =
            "import os,signal,sys;signal.pthread_sigmask(signal.SIG_SETMASK,[]);os.execv(sys.argv[1],sys.argv[1:])"
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", unmask, Program.path.path(), "serve"]
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = FileHandle.nullDevice
        try write("log", "")
        process.standardError = try FileHandle(forWritingTo: file("log"))
        try process.run()
        return process
    }

    /// Waits until something holds; fails the test after a minute.
    func wait(for what: String, _ holds: () throws -> Bool) throws {
        for _ in 0..<600 {
            if try holds() { return }
            usleep(100_000)
        }
        Issue.record("never came: \(what)\n\((try? read("log")) ?? "")")
    }

    /// Runs `tandem connect`, and does in a browser what it asks for.
    func connect(_ connection: String) throws -> (code: Int32, out: String) {
        let process = try start(["connect", connection])
        try write("connect.out", "")
        let handle = try FileHandle(forWritingTo: file("connect.out"))
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        try wait(for: "the address") {
            try read("connect.out").contains("Waiting") || !process.isRunning
        }
        let address = try read("connect.out").firstMatch(of: #/http\S+redirect_uri\S+/#)
        if let address { try browser(String(address.0)) }
        process.waitUntilExit()
        return (process.terminationStatus, try read("connect.out"))
    }

    func stop(_ daemon: Process) -> Int32 {
        kill(daemon.processIdentifier, SIGTERM)
        daemon.waitUntilExit()
        return daemon.terminationStatus
    }
}

/// What a browser does; what it shows.
@discardableResult
func browser(_ arguments: String...) throws -> String {
    let curl = Process()
    curl.executableURL = URL(filePath: "/usr/bin/env")
    curl.arguments = ["curl", "-sSL"] + arguments
    let pipe = Pipe()
    curl.standardOutput = pipe
    try curl.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    curl.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
}

/// What another HTTP client does, and how it ends; `input` goes through a file of the scratch folder.
func curl(_ arguments: [String], input: String?, scratch: URL) throws -> (code: Int32, out: String)
{
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["curl", "-sS"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    if let input {
        let file = scratch.appending(path: "input-\(UUID().uuidString)")
        try Data(input.utf8).write(to: file)
        process.standardInput = try FileHandle(forReadingFrom: file)
        try FileManager.default.removeItem(at: file)
    }
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
}

/// A port of loopback that nobody has, below those that the kernel gives to outgoing connections
/// (ip(7), `ip_local_port_range`): a server that is stopped finds its own again.
func freePort() throws -> Int {
    for _ in 0..<100 {
        let port = Int.random(in: 20_000..<32_000)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isFree = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, length) == 0
            }
        }
        if isFree { return port }
    }
    throw NoPort()
}

private struct NoPort: Error {}
