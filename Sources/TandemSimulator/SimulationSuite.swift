/// Many seeds, and whether together they met everything they should.
package struct SimulationSuite: Sendable {
    package private(set) var seeds = 0
    package private(set) var faults: [Fault: Int] = [:]
    package private(set) var decisions: [String: Int] = [:]
    /// Broken invariants and unequal traces, with their seeds.
    package private(set) var problems: [String] = []

    /// Decisions that a suite of some hundred seeds must have met.
    package static let expectedDecisions = [
        "agreed", "carried", "filled", "first-meeting", "conflict", "held-by-direction",
        "held-by-blank", "held-by-rule", "create-in-crm", "create-in-app", "delete-in-crm",
        "delete-in-app", "forget", "bind-by-email", "rebind-by-email", "ambiguous", "alone",
        "duplicate-in-app", "excluded-no-email", "excluded-filter", "excluded-direction",
        "deleted-in-crm", "deleted-in-app", "version-conflict", "intent-lookup", "point-read",
        "cursor-expired", "failed-required-field", "failed-option-unknown", "failed-rate-limit",
        "failed-unknown-outcome", "failed-version-conflict", "failed-duplicate-in-app",
        "excluded-merged", "excluded-privacy", "sweep-put-off", "respelled", "create-unnamed",
        "create-held", "failed-mapping", "failed-invalid-value",
    ]

    /// Faults and decisions that never occurred.
    package var unreached: [String] {
        Fault.allCases.filter { faults[$0] == nil }.map(\.rawValue)
            + Self.expectedDecisions.filter { decisions[$0] == nil }
    }

    /// Plays every seed twice, two at a time, and compares the stories; `onSeed` is told what came
    /// of each, in no order.
    package static func run(
        _ simulation: Simulation, seeds: Range<UInt64>,
        onSeed: @escaping @Sendable (Simulation.Outcome) -> Void = { _ in }
    ) async throws -> SimulationSuite {
        try await withThrowingTaskGroup(of: SimulationSuite.self) { group in
            for lane in UInt64(0)..<2 {
                group.addTask {
                    var suite = SimulationSuite()
                    for seed in seeds where seed % 2 == lane {
                        let outcome = try await simulation.run(seed: seed)
                        suite.add(outcome, again: try await simulation.run(seed: seed))
                        onSeed(outcome)
                    }
                    return suite
                }
            }
            var all = SimulationSuite()
            for try await part in group { all.add(part) }
            return all
        }
    }

    private mutating func add(_ outcome: Simulation.Outcome, again: Simulation.Outcome) {
        seeds += 1
        faults.merge(outcome.faults) { $0 + $1 }
        decisions.merge(outcome.decisions) { $0 + $1 }
        problems += outcome.violations.map { "seed \(outcome.seed): \($0)" }
        if let (first, second) = zip(outcome.story, again.story).first(where: { $0 != $1 }) {
            problems.append("seed \(outcome.seed): I14: two stories: \(first) / \(second)")
        }
    }

    private mutating func add(_ other: SimulationSuite) {
        seeds += other.seeds
        faults.merge(other.faults) { $0 + $1 }
        decisions.merge(other.decisions) { $0 + $1 }
        problems += other.problems
    }

    /// How often everything was met, and every problem.
    package var summary: String {
        let met = Fault.allCases.map { "\($0.rawValue) \(faults[$0, default: 0])" }
        let decided = decisions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        return """
            faults met: \(met.joined(separator: ", "))
            decisions taken: \(decided.joined(separator: ", "))
            never met: \(unreached.isEmpty ? "none" : unreached.joined(separator: ", "))
            problems: \(problems.isEmpty ? "none" : "\n" + problems.sorted().joined(separator: "\n"))
            """
    }
}
