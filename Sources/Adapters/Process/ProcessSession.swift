import FoundationEssentials
import TandemModel
package import TandemSupport
import TandemTasks

/// One program that is asked one thing at a time; started when it is first needed, and again
/// after it ended, later each time.
package actor ProcessSession {
    private let executor = QueueExecutor("tandem-process")
    private let settings: ProgramSettings
    /// What the program is told first.
    private let greeting: JSON
    private var program: ChildProgram?
    private var answerToGreeting = JSON.null
    private var lastRequest: Int64 = 0
    /// How often in a row the program had to be given up.
    private var failures = 0
    private var restartAt: ContinuousClock.Instant?

    /// The version of the protocol that is spoken (Docs/process.md).
    static let version: Int64 = 1
    private static let longestPauseSeconds = 300

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    package init(_ settings: ProgramSettings, greeting: JSON) {
        self.settings = settings
        self.greeting = greeting
    }

    /// What became of a request that was not answered well.
    enum Failure: Error {
        /// The program was not asked.
        case notAsked(AppError)
        /// The program was asked and did not answer; it may have done what it was asked.
        case unanswered(AppError)
        /// The program's own answer.
        case answered(AppError)

        var error: AppError {
            switch self {
            case .notAsked(let error), .unanswered(let error), .answered(let error): error
            }
        }
    }

    /// Starts the program if it does not run, and gives its answer to the greeting.
    func hello() throws(Failure) -> JSON {
        _ = try running()
        return answerToGreeting
    }

    /// Asks the program, and gives the `result` of its answer.
    func call(_ method: String, _ parameters: [String: JSON]) throws(Failure) -> JSON {
        let program = try running()
        do { return try ask(program, method, .object(parameters)) } catch {
            if case .answered = error { throw error }
            giveUp()
            throw error
        }
    }

    private func running() throws(Failure) -> ChildProgram {
        if let program { return program }
        if let restartAt, restartAt > .now {
            let seconds = ContinuousClock.now.duration(to: restartAt).components.seconds + 1
            throw .notAsked(
                .tryLater(
                    .appUnavailable, "\(name) had to be given up \(failures) times in a row",
                    afterSeconds: seconds))
        }
        let started: ChildProgram
        do { started = try ChildProgram(settings) } catch {
            giveUp()
            throw .notAsked(error.appError(settings))
        }
        program = started
        do { answerToGreeting = try ask(started, "hello", greeting) } catch {
            giveUp()
            throw .notAsked(error.error)
        }
        guard answerToGreeting["protocol"]?.integer == Self.version else {
            giveUp()
            let spoken = answerToGreeting["protocol"]?.field ?? "none"
            throw .notAsked(
                .askOperator(
                    .mapping, "\(name) speaks protocol \(spoken), and Tandem \(Self.version)",
                    remedy: "Bring the program to protocol \(Self.version)."))
        }
        failures = 0
        return started
    }

    private var name: String { settings.name }

    private func giveUp() {
        program?.stop()
        program = nil
        let pause = min(1 << min(failures, 20), Self.longestPauseSeconds)
        failures += 1
        // The first start after a failure is free: a program may end between two cycles.
        restartAt = failures > 1 ? .now + .seconds(pause) : nil
    }

    private func ask(_ program: ChildProgram, _ method: String, _ parameters: JSON)
        throws(Failure) -> JSON
    {
        lastRequest += 1
        let request = JSON.object([
            "id": .number(Decimal(lastRequest)), "method": .text(method), "params": parameters,
        ])
        do {
            try program.send(request.bytes)
            while let message = try program.message() {
                if message["log"] != nil { continue }
                guard message["id"]?.integer == lastRequest else { continue }
                if let problem = message["error"] { throw Failure.answered(error(problem)) }
                return message["result"] ?? .null
            }
            throw program.ended(with: program.end())
        } catch let error as Failure {
            throw error
        } catch let error as ProgramFailure {
            throw .unanswered(error.appError(settings))
        } catch {
            throw .unanswered(.tryLater(.internal, "\(error)", afterSeconds: nil))
        }
    }

    private func error(_ problem: JSON) -> AppError {
        let message = "\(name): \(problem["message"]?.field ?? "an error without a message")"
        let category = problem["category"]?.text.flatMap(FailureCategory.init(rawValue:))
        switch problem["kind"]?.text {
        case "cursor-expired": return .cursorExpired(message)
        case "operator":
            return .askOperator(
                category ?? .internal, message,
                remedy: problem["remedy"]?.text ?? "See what the program says.")
        default:
            return .tryLater(
                category ?? .appUnavailable, message, afterSeconds: problem.waitSeconds)
        }
    }
}
