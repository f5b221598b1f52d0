package import TandemModel
package import TandemSupport

/// What one cycle did.
package struct CycleReport: Hashable, Sendable {
    package let sync: SyncName
    package var run: Int64 = 0
    package var startedAt: Timestamp
    package var endedAt: Timestamp
    package var read = 0
    package var createdInCRM = 0
    package var updatedInCRM = 0
    package var createdInApp = 0
    package var updatedInApp = 0
    package var deletedInCRM = 0
    package var deletedInApp = 0
    package var failed = 0
    /// How often each kind of decision was taken; for the reach of simulations.
    package var decisions: [String: Int] = [:]
    /// What a person should know though the cycle goes on: one sentence each.
    package var notices: [String] = []
    /// Why the cycle ended early; `nil` if it went through.
    package var stop: Stop?

    /// What ends a cycle before its time.
    package enum Stop: Hashable, Sendable {
        case isOff
        /// Another process runs this sync.
        case isBusy
        /// The store has pairs of the same records under another name.
        case hasPredecessor(SyncTable.Orphan)
        /// A safety limit found something that a person must judge.
        case finding(String)
        /// The process is to end.
        case isStopping
        case app(AppError)
    }

    package init(sync: SyncName, startedAt: Timestamp) {
        self.sync = sync
        self.startedAt = startedAt
        endedAt = startedAt
    }

    package var writes: Int {
        createdInCRM + updatedInCRM + createdInApp + updatedInApp + deletedInCRM + deletedInApp
    }

    /// Takes in what a second pass over the same sync did.
    package mutating func add(_ second: CycleReport) {
        (run, endedAt, stop) = (second.run, second.endedAt, second.stop)
        notices = second.notices
        read += second.read
        createdInCRM += second.createdInCRM
        updatedInCRM += second.updatedInCRM
        createdInApp += second.createdInApp
        updatedInApp += second.updatedInApp
        deletedInCRM += second.deletedInCRM
        deletedInApp += second.deletedInApp
        failed += second.failed
        decisions.merge(second.decisions, uniquingKeysWith: +)
    }

    mutating func count(_ decision: String) { decisions[decision, default: 0] += 1 }
}
