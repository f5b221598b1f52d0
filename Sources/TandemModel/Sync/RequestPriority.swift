/// How soon an app must be asked, where its limits leave little room.
package enum RequestPriority: Hashable, Sendable {
    /// Changes, which people wait for.
    case interactive
    /// What may come after them: first syncs, listings of everything, retries.
    case background

    /// Of what is being done: the engine sets it round the calls of an ``Adapter``, whose adapter may heed
    /// it; it goes with the task and its children.
    @TaskLocal package static var current = RequestPriority.interactive
}
