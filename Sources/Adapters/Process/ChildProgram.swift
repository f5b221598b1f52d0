import Foundation
import Glibc
import TandemModel
import TandemSupport

/// How a program is run, and what it may use.
package struct ProgramSettings: Hashable, Sendable {
    /// The program and its arguments; no shell is between.
    package let command: [String]
    /// Where it runs.
    package let folder: String
    /// How long it may say nothing while it is waited for.
    package let timeoutSeconds: Int
    /// How much memory its process may have, in MiB; its own children are not counted.
    package let memoryMiB: Int
    /// The longest line that it may write, in bytes.
    package let lineLimit: Int

    /// What it is called in errors.
    var name: String { command.joined(separator: " ") }

    package init(
        command: [String], folder: String, timeoutSeconds: Int = 60, memoryMiB: Int = 1_024,
        lineLimit: Int = 16 << 20
    ) {
        self.command = command
        self.folder = folder
        self.timeoutSeconds = timeoutSeconds
        self.memoryMiB = memoryMiB
        self.lineLimit = lineLimit
    }
}

/// Why a program cannot be spoken to any more.
struct ProgramFailure: Error {
    let text: String
    /// The end of what it wrote on its standard error.
    let complaints: String

    /// What it means for the app that the program reaches.
    func appError(_ settings: ProgramSettings) -> AppError {
        let said = complaints.isEmpty ? text : "\(text); it said: \(complaints)"
        return .tryLater(.appUnavailable, "\(settings.name): \(said)", afterSeconds: nil)
    }
}

/// A program that runs beside us and is spoken to in lines.
///
/// Used by one actor, which may block: a call waits until the program answers, says nothing for
/// too long, ends, or uses more than it may.
final class ChildProgram {
    private let settings: ProgramSettings
    private let process = Process()
    /// Our ends of its standard input, output and error.
    private let input: Int32
    private let output: FileHandle
    private let errors: FileHandle
    private var unread: [UInt8] = []
    /// How far ``unread`` is known to hold no end of a line.
    private var searched = 0
    private var complaints: [UInt8] = []
    private var hasEnded = false

    private static let complaintLimit = 2_000
    private static let tickMilliseconds: Int32 = 200
    private static let farewellSeconds = 10

    /// Starts the program.
    ///
    /// - Throws: ``ProgramFailure`` if there is no such program or it cannot be started.
    init(_ settings: ProgramSettings, arguments: [String] = []) throws(ProgramFailure) {
        self.settings = settings
        // A socket, because writing to a pipe that nobody reads would end us, not the call.
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
            throw ProgramFailure(text: "no socket for a program", complaints: "")
        }
        input = ends[0]
        _ = fcntl(input, F_SETFD, FD_CLOEXEC)
        _ = fcntl(input, F_SETFL, O_NONBLOCK)
        let theirs = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        let (out, err) = (Pipe(), Pipe())
        (output, errors) = (out.fileHandleForReading, err.fileHandleForReading)
        let name = settings.command[0]
        let isPath = name.contains("/") && !name.hasPrefix("/")
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            [isPath ? "\(settings.folder)/\(name)" : name] + settings.command.dropFirst()
            + arguments
        process.currentDirectoryURL = URL(filePath: settings.folder)
        process.standardInput = theirs
        process.standardOutput = out
        process.standardError = err
        do { try process.run() } catch {
            close(input)
            throw ProgramFailure(text: "cannot start `\(name)`: \(error)", complaints: "")
        }
    }

    deinit {
        close(input)
        if process.isRunning { kill(process.processIdentifier, SIGTERM) }
    }

    /// The end of what the program wrote on its standard error, on one line.
    var lastComplaints: String {
        let text = String(decoding: complaints.suffix(500), as: UTF8.self)
        return text.split(whereSeparator: \.isNewline).suffix(6).joined(separator: " | ")
    }

    /// Sends one line and its end.
    ///
    /// - Throws: ``ProgramFailure`` if the program does not take it.
    func send(_ line: [UInt8]) throws(ProgramFailure) {
        var rest = (line + [UInt8(ascii: "\n")])[...]
        let deadline = ContinuousClock.now + .seconds(settings.timeoutSeconds)
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes {
                Glibc.send(input, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                rest = rest.dropFirst(sent)
            } else if errno == EAGAIN || errno == EINTR {
                try wait(until: deadline, isWriting: true)
            } else {
                throw failure("the program takes no input: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Says that nothing more is coming.
    func endInput() { shutdown(input, Int32(SHUT_WR)) }

    /// The next line without its end; `nil` if the program closed its output.
    ///
    /// - Throws: ``ProgramFailure`` if it says nothing for too long, or uses more than it may.
    func line() throws(ProgramFailure) -> [UInt8]? {
        let deadline = ContinuousClock.now + .seconds(settings.timeoutSeconds)
        while true {
            if let end = unread[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(unread[..<end])
                unread.removeFirst(end + 1)
                searched = 0
                return line
            }
            searched = unread.count
            if unread.count > settings.lineLimit {
                throw failure("the program wrote a line of more than \(settings.lineLimit) bytes")
            }
            if hasEnded {
                // The last line may have no end.
                defer { (unread, searched) = ([], 0) }
                return unread.isEmpty ? nil : unread
            }
            try wait(until: deadline, isWriting: false)
        }
    }

    /// The next line as the JSON document that it is; `nil` if the program closed its output.
    ///
    /// - Throws: ``ProgramFailure`` as ``line()``, and for a line that is no JSON.
    func message() throws(ProgramFailure) -> JSON? {
        guard let line = try line() else { return nil }
        if let message = JSON(parsing: line) { return message }
        let start = String(decoding: line.prefix(200), as: UTF8.self)
        throw failure("the program wrote a line that is no JSON: \(start)")
    }

    /// All lines until the program closes its output, as one document.
    ///
    /// - Throws: ``ProgramFailure`` as ``line()``, and for more than a line may have.
    func everything() throws(ProgramFailure) -> [UInt8] {
        var document: [UInt8] = []
        while let line = try line() {
            document += line + [UInt8(ascii: "\n")]
            if document.count > settings.lineLimit {
                throw failure("the program wrote more than \(settings.lineLimit) bytes")
            }
        }
        return document
    }

    /// Why a program that closed its output is of no use any more.
    func ended(with status: Int32) -> ProgramFailure {
        failure("the program ended with status \(status)")
    }

    /// The status that the program ended with.
    ///
    /// One that closed its output and stays is ended.
    func end() -> Int32 {
        let deadline = ContinuousClock.now + .seconds(Self.farewellSeconds)
        while process.isRunning && ContinuousClock.now < deadline {
            if complains(waitMilliseconds: 50) { takeComplaints(isPatient: true) }
        }
        if complains(waitMilliseconds: 0) { takeComplaints(isPatient: false) }
        stop()
        return process.terminationReason == .exit ? process.terminationStatus : -1
    }

    /// Ends the program: politely, then at once.
    func stop() {
        endInput()
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGTERM)
        for _ in 0..<20 where process.isRunning { usleep(50_000) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    private func failure(_ text: String) -> ProgramFailure {
        ProgramFailure(text: text, complaints: lastComplaints)
    }

    /// Waits for the program for a moment, and takes what it wrote.
    private func wait(until deadline: ContinuousClock.Instant, isWriting: Bool)
        throws(ProgramFailure)
    {
        if ContinuousClock.now >= deadline {
            throw failure("the program said nothing for \(settings.timeoutSeconds) s")
        }
        if let memory = memoryMiB, memory > settings.memoryMiB {
            stop()
            throw failure(
                "the program used \(memory) MiB of memory; it may use \(settings.memoryMiB)")
        }
        let wanted = Int16(POLLIN)
        var polled = [
            pollfd(fd: hasEnded ? -1 : output.fileDescriptor, events: wanted, revents: 0),
            pollfd(fd: errors.fileDescriptor, events: wanted, revents: 0),
            pollfd(fd: isWriting ? input : -1, events: Int16(POLLOUT), revents: 0),
        ]
        guard poll(&polled, 3, Self.tickMilliseconds) > 0 else { return }
        if polled[0].revents != 0 {
            let bytes = Self.read(output.fileDescriptor)
            hasEnded = bytes?.isEmpty ?? false
            unread += bytes ?? []
        }
        if polled[1].revents != 0 { takeComplaints(isPatient: polled[0].revents == 0) }
    }

    /// Takes what it said on its standard error, which it could not go on without.
    ///
    /// - Parameter isPatient: Rests if there is nothing: of a closed one a poll returns at once.
    private func takeComplaints(isPatient: Bool) {
        let bytes = Self.read(errors.fileDescriptor) ?? []
        if bytes.isEmpty && isPatient { usleep(10_000) }
        complaints = Array((complaints + bytes).suffix(Self.complaintLimit))
    }

    /// Whether it says something on its standard error now.
    private func complains(waitMilliseconds: Int32) -> Bool {
        var polled = pollfd(fd: errors.fileDescriptor, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, waitMilliseconds) > 0
    }

    /// What can be read now; empty at the end, `nil` if the read was interrupted.
    private static func read(_ file: Int32) -> [UInt8]? {
        let size = 1 << 16
        var isInterrupted = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let read = Glibc.read(file, buffer.baseAddress, size)
            isInterrupted = read < 0 && errno == EINTR
            count = max(0, read)
        }
        return isInterrupted ? nil : bytes
    }

    /// The resident memory of the process (proc(5), statm).
    private var memoryMiB: Int? {
        let path = "/proc/\(process.processIdentifier)/statm"
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        let pages = String(decoding: data, as: UTF8.self).split(separator: " ").dropFirst().first
        return pages.flatMap { Int($0) }.map { ($0 * Int(getpagesize())) >> 20 }
    }
}
