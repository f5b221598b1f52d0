import FoundationEssentials
import Glibc
import TandemCSV
import TandemModel

/// A file that we replaced while somebody had it open: what is saved into it goes nowhere unless we look.
///
/// The file that a save of ours replaced stays beside it for a while, under a second name, with a copy of what
/// was in it. What differs then was saved by somebody, and is carried into the file that took its place.
extension CSVApp {
    private static let replacedMark = ".tandem-replaced."
    private static let copyMark = ".tandem-copy."

    /// Keeps the file that is about to be replaced, whose content is `content`.
    func keepReplaced(_ path: String, _ content: [UInt8], _ stamp: FileStamp) throws {
        if stamp.inode == 0 { return }
        let (replaced, copy) = (
            path + Self.replacedMark + "\(stamp.inode)", path + Self.copyMark + "\(stamp.inode)"
        )
        unlink(replaced)
        try Self.write(content, to: copy, like: stamp)
        // A file system without second names keeps nothing; the check just before the rename remains.
        if link(path, replaced) != 0 { unlink(copy) }
    }

    /// Carries what somebody saved into replaced files over, and lets go of those that nobody touched.
    ///
    /// - Throws: ``AppError/askOperator(_:_:remedy:)`` if such a file cannot be read; it stays.
    func takeLateSaves() throws(AppError) {
        let path = Self.target(of: path)
        for inode in Self.kept(beside: path) {
            let (replaced, copy) = (path + Self.replacedMark + inode, path + Self.copyMark + inode)
            // Somebody may still be saving it; its second name has counted as a change, too.
            guard FileStamp(replaced).ageSeconds >= Double(restSeconds) else { continue }
            let now = FileManager.default.contents(atPath: replaced).map(Array.init) ?? []
            let then = FileManager.default.contents(atPath: copy).map(Array.init) ?? []
            if now != then, !now.isEmpty, !then.isEmpty {
                if EditorLock.holder(of: path) != nil { continue }
                try carry(now, over: then, from: replaced)
            }
            unlink(replaced)
            unlink(copy)
        }
    }

    private static func kept(beside path: String) -> [String] {
        let cut = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let folder = cut == path.startIndex ? "." : String(path[..<cut])
        let head = path[cut...] + replacedMark
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasPrefix(head) }.map { String($0.dropFirst(head.count)) }.sorted()
    }

    private func carry(_ now: [UInt8], over then: [UInt8], from replaced: String) throws(AppError) {
        let late: CSVTable
        let base: CSVTable
        do throws(AppError) {
            late = try CSVTable(now, path: replaced, naming: field(of:))
            base = try CSVTable(then, path: replaced, naming: field(of:))
        } catch {
            throw .askOperator(
                .invalidValue,
                "somebody saved \(replaced) after it was replaced, and it cannot be read: \(error.message)",
                remedy: "Carry over by hand what is in it, and delete it.")
        }
        for _ in 0..<Self.attempts {
            let stamp = FileStamp(path)
            guard let table = try table() else { return }
            var edit = CSVEdit(app: self, table: table)
            edit.take(late, over: base)
            if !edit.isChanged { return }
            if try replace(table, with: edit.content, unless: stamp) { return }
        }
        throw beingSaved
    }
}
