import ArgumentParser
import FoundationEssentials
import Synchronization
import TandemModel
import TandemSimulator
import TandemSupport

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run the engine against the hostile simulated app and check the invariants.",
        discussion: """
            One seed is one world: its users, its faults, its crashes. With --seed the story of \
            that world is told; without, many seeds run and what they met is counted.
            """)

    @Option(help: "Play this seed and tell its story.")
    var seed: UInt64?

    @Option(help: "How many seeds to run, when none is named.")
    var seeds: UInt64 = 500

    @Option(help: "The first of them.")
    var from: UInt64 = 1

    @Option(help: "Rounds of users and cycles before the world becomes quiet.")
    var cycles = 10

    @Option(help: "Faults that every app has and that happen often, with commas between.")
    var stress: String?

    func validate() throws {
        guard (1...1_000).contains(cycles) else {
            throw ValidationError("--cycles takes 1 to 1000.")
        }
        guard (1...10_000_000).contains(seeds) else {
            throw ValidationError("--seeds takes 1 to 10000000.")
        }
        guard from <= .max - seeds else {
            throw ValidationError("--from and --seeds lead beyond the last seed, \(UInt64.max).")
        }
    }

    private func stressed() throws -> Set<Fault> {
        let known = Fault.allCases.map(\.rawValue)
        let faults = try (stress ?? "").split(separator: ",").map { name in
            guard let fault = Fault(rawValue: String(name)) else {
                throw ValidationError(
                    "--stress \(name)\(suggestion(for: String(name), in: known)): expected some of "
                        + known.joined(separator: ", "))
            }
            return fault
        }
        return Set(faults)
    }

    func run() async throws {
        let folder = try ScratchFolder()
        defer { folder.remove() }
        let simulation = try Simulation(
            folder: folder.path, rounds: cycles, emphasis: Emphasis(try stressed()))
        if let seed {
            let outcome = try await simulation.run(seed: seed)
            print(outcome.story.joined(separator: "\n"))
            print(
                outcome.violations.isEmpty
                    ? "All invariants hold." : outcome.violations.joined(separator: "\n"))
            if !outcome.violations.isEmpty { throw ExitCode(1) }
            return
        }
        let started = ContinuousClock.now
        let done = Mutex(0)
        let suite = try await SimulationSuite.run(simulation, seeds: from..<from + seeds) {
            outcome in
            for violation in outcome.violations {
                Terminal.complain("seed \(outcome.seed): \(violation)")
            }
            let count = done.withLock { count in
                count += 1
                return count
            }
            Terminal.progress("\(count) of \(seeds) seeds")
        }
        Terminal.progress("")
        let elapsed = started.duration(to: .now)
        let seconds =
            Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        print(suite.summary)
        print(
            "\(seeds) seeds, each twice, in \(Int(seconds)) s: \(Int(Double(seeds) / seconds)) seeds a second"
        )
        if !suite.problems.isEmpty { throw ExitCode(1) }
    }
}

/// A folder for files that nobody needs afterwards; in memory where the system has such a place.
struct ScratchFolder {
    let path: String

    init() throws {
        let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"
        path = "\(base)/tandem-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }
}
