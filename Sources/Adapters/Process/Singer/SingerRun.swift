import Foundation
import TandemModel
import TandemSupport
import TandemTasks

/// One run of a tap.
actor SingerRun {
    private let executor = QueueExecutor("tandem-singer")
    private let settings: SingerAdapter.Settings
    private let stream: SingerStream?
    private let state: JSON?
    private var tap: ChildProgram?
    /// Holds the tap's files, secrets among them; gone when the run is.
    private let folder = FileManager.default.temporaryDirectory
        .appending(path: "tandem-tap-\(UUID().uuidString)")
    private var last: JSON?

    private static let page = 500

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    init(_ settings: SingerAdapter.Settings, _ stream: SingerStream?, state: JSON?) {
        self.settings = settings
        self.stream = stream
        self.state = state
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// One page of what the tap says.
    struct Part {
        var records: [JSON] = []
        /// The state behind the last of the records.
        var state: JSON?
        var isEnd = false
    }

    /// Asks the tap for its catalog.
    func discover() throws(AppError) -> SingerStream {
        let tap = try start(["--discover"])
        let document: [UInt8]
        do { document = try tap.everything() } catch { throw error.appError(settings.program) }
        try end(tap)
        guard let catalog = JSON(parsing: document) else {
            throw .askOperator(
                .mapping, "\(settings.program.name) writes no catalog when it is asked to discover",
                remedy: "Run it by hand with --discover and correct its settings.")
        }
        return try SingerStream(
            catalog, stream: settings.stream, replicationKey: settings.replicationKey)
    }

    /// Reads on until there is a page, or the tap is done.
    func next() throws(AppError) -> Part {
        let tap = try running()
        var part = Part()
        do {
            while part.records.count < Self.page {
                guard let message = try tap.message() else {
                    try end(tap)
                    part.isEnd = true
                    break
                }
                take(message, &part)
            }
        } catch let error as ProgramFailure {
            throw error.appError(settings.program)
        } catch let error as AppError {
            throw error
        } catch {
            throw .tryLater(.internal, "\(error)", afterSeconds: nil)
        }
        part.state = last
        return part
    }

    private func take(_ message: JSON, _ part: inout Part) {
        switch message["type"]?.text {
        case "RECORD" where stream?.names.contains(message["stream"]?.text ?? "") == true:
            if let record = message["record"] { part.records.append(record) }
        case "STATE": last = message["value"]
        default: break
        }
    }

    private func running() throws(AppError) -> ChildProgram {
        if let tap { return tap }
        var arguments = [
            "--\(settings.catalogOption)", try file("catalog", stream?.catalog ?? .null),
        ]
        if let state { arguments += ["--state", try file("state", state)] }
        let started = try start(arguments)
        tap = started
        return started
    }

    private func start(_ arguments: [String]) throws(AppError) -> ChildProgram {
        let path = try file("config", .object(settings.config))
        do {
            let tap = try ChildProgram(settings.program, arguments: ["--config", path] + arguments)
            tap.endInput()
            return tap
        } catch { throw error.appError(settings.program) }
    }

    private func end(_ tap: ChildProgram) throws(AppError) {
        let status = tap.end()
        if status != 0 { throw tap.ended(with: status).appError(settings.program) }
    }

    private func file(_ name: String, _ content: JSON) throws(AppError) -> String {
        let path = folder.appending(path: name + ".json").path()
        do {
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            try Data(content.bytes).write(to: URL(filePath: path))
        } catch {
            throw .tryLater(.appUnavailable, "cannot write \(path): \(error)", afterSeconds: nil)
        }
        return path
    }
}
