import FoundationEssentials
import Glibc
import TandemSupport

/// A file that appears when it is complete, or not at all.
final class AtomicFile {
    private let path: String
    private let temporary: String
    private let descriptor: Int32
    private var isCommitted = false
    /// The `errno` of the first write that failed.
    private var failure: Int32?

    /// Makes the folder that files go into, and those that it is in.
    ///
    /// - Throws: ``CommandFailure`` if it is not there and cannot be made.
    static func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure.failed(
                "the folder \(path) cannot be made; name another, or one that is there")
        }
    }

    /// - Throws: ``CommandFailure`` if the folder cannot be written to.
    init(_ path: String) throws {
        self.path = path
        temporary = path + ".part"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure.failed("cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Writes more text; what goes wrong is said by ``commit()``.
    func write(_ text: String) {
        if failure == nil { failure = writeAll(Array(text.utf8), to: descriptor) }
    }

    /// - Throws: ``CommandFailure`` if any of the text could not be written; nothing of the file is left.
    func commit() throws {
        if failure == nil, fsync(descriptor) != 0 || rename(temporary, path) != 0 {
            failure = errno
        }
        if let failure {
            throw CommandFailure.failed(
                "cannot write \(path): \(String(cString: strerror(failure))); nothing of it is left"
            )
        }
        isCommitted = true
    }

    deinit {
        close(descriptor)
        if !isCommitted { unlink(temporary) }
    }
}
