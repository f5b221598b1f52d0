import Glibc

/// A file that appears when it is complete, or not at all.
final class AtomicFile {
    private let path: String
    private let temporary: String
    private let descriptor: Int32
    private var isCommitted = false

    /// - Throws: ``CommandFailure`` if the folder cannot be written to.
    init(_ path: String) throws {
        self.path = path
        temporary = path + ".part"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure.failed("cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }

    func write(_ text: String) { Descriptor.write(text, to: descriptor) }

    func commit() throws {
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
            throw CommandFailure.failed("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        isCommitted = true
    }

    deinit {
        close(descriptor)
        if !isCommitted { unlink(temporary) }
    }
}
