import Dispatch

/// Runs an actor on a queue of its own, so that a call that blocks (a database, a pipe) keeps
/// nobody else waiting.
package final class QueueExecutor: SerialExecutor {
    private let queue: DispatchQueue

    package init(_ name: String) { queue = DispatchQueue(label: name) }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
