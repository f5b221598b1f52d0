import FoundationEssentials
import Glibc
import TandemSupport

/// What tells one saved state of a file from the next; all zero if there is none.
struct FileStamp: Equatable {
    let inode: UInt64
    let size: Int64
    let modifiedNanoseconds: Int64
    /// When the file's content, name or rights last changed; nobody can set it back.
    let changedNanoseconds: Int64
    let permissions: UInt32
    let owner: UInt32
    let group: UInt32

    init(_ path: String) {
        var status = stat()
        let isThere = stat(path, &status) == 0
        func nanoseconds(_ time: timespec) -> Int64 {
            isThere ? Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec) : 0
        }
        inode = isThere ? UInt64(status.st_ino) : 0
        size = isThere ? Int64(status.st_size) : 0
        modifiedNanoseconds = nanoseconds(status.st_mtim)
        changedNanoseconds = nanoseconds(status.st_ctim)
        owner = isThere ? status.st_uid : getuid()
        group = isThere ? status.st_gid : getgid()
        permissions = isThere ? UInt32(status.st_mode & 0o777) : 0o600
    }

    /// For how many seconds nothing has changed, by the clock that stamps files.
    var ageSeconds: Double {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let nanoseconds = Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
        return Double(nanoseconds - max(changedNanoseconds, modifiedNanoseconds)) / 1e9
    }
}

/// Whether somebody may still be saving a file.
///
/// A program that saves in place truncates the file and writes it in pieces, with pauses.
struct FileState {
    let stamp: FileStamp
    /// Nothing has changed for so long that nobody is saving it any more.
    let isAtRest: Bool

    init(stamp: FileStamp, isAtRest: Bool) {
        self.stamp = stamp
        self.isAtRest = isAtRest
    }

    /// Two looks this far apart must show the same.
    private static let pauseSeconds = 2.0

    /// Looks at a file, and waits until its last change is two seconds old.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - seconds: How long it must have been as it is to be at rest; 0 for a file that is never
    ///   saved in pieces, for which nobody waits.
    init(_ path: String, atRestFor seconds: Int64) async {
        let first = FileStamp(path)
        let wait = seconds == 0 ? 0 : Self.pauseSeconds - first.ageSeconds
        // A file from the future is not waited for.
        if first.inode != 0, wait > 0, wait <= Self.pauseSeconds {
            try? await Task.sleep(for: .milliseconds(Int64(wait * 1_000) + 50))
        }
        stamp = FileStamp(path)
        isAtRest = stamp.inode == 0 || stamp.ageSeconds >= Double(seconds)
    }
}

/// The file that LibreOffice puts beside one that it has open: `.~lock.contacts.csv#`, with the user's
/// name first, fields separated by commas.
enum EditorLock {
    /// Older ones were left behind by an editor that ended badly.
    private static let staleSeconds = 86_400.0

    /// Who has the file open; `nil` for nobody.
    static func holder(of path: String) -> String? {
        let (folder, name) = path.folderAndName
        let lock = "\(folder).~lock.\(name)#"
        guard let data = FileManager.default.contents(atPath: lock),
            FileStamp(lock).ageSeconds < staleSeconds
        else { return nil }
        let fields = String(decoding: data, as: UTF8.self).split(
            separator: ",", omittingEmptySubsequences: false)
        let names = fields.prefix(3).map { $0.filter { $0 != "\n" } }.filter { !$0.isEmpty }
        return names.isEmpty ? "nobody is named" : names.joined(separator: ", ")
    }
}
