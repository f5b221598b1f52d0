import FoundationEssentials
import Glibc
import TandemCSV
import TandemModel
import TandemSupport

/// A file that we replaced while somebody had it open: what is saved into it goes nowhere unless we look.
///
/// The file that a save of ours replaced stays beside it for a while, under a second name, with a copy of what
/// was in it. What differs then was saved by somebody, and is carried into the file that took its place.
extension CSVAdapter {
    /// The two files that are kept for one that was replaced; hidden, because nobody is to open them.
    private struct Kept {
        let replaced: String
        let copy: String

        private static let mark = ".tandem-replaced."

        init(_ path: String, inode: String) {
            let (folder, name) = path.folderAndName
            replaced = "\(folder).\(name)\(Self.mark)\(inode)"
            copy = replaced + ".copy"
        }

        /// Those of one file.
        static func all(of path: String) -> [Kept] {
            let (folder, name) = path.folderAndName
            let head = ".\(name)\(mark)"
            let names =
                (try? FileManager.default.contentsOfDirectory(
                    atPath: folder.isEmpty ? "." : folder)) ?? []
            return names.filter { $0.hasPrefix(head) && !$0.hasSuffix(".copy") }.sorted().map {
                Kept(path, inode: String($0.dropFirst(head.count)))
            }
        }

        func remove() {
            unlink(replaced)
            unlink(copy)
        }
    }

    /// Keeps the file that is about to be replaced, whose content is `content`.
    func keepReplaced(_ path: String, _ content: [UInt8], _ stamp: FileStamp) throws {
        if stamp.inode == 0 { return }
        let kept = Kept(path, inode: "\(stamp.inode)")
        kept.remove()
        try Self.write(content, to: kept.copy, like: stamp)
        // A file system without second names keeps nothing; the check just before the rename remains.
        if link(path, kept.replaced) != 0 { kept.remove() }
    }

    /// Carries what somebody saved into replaced files over, and lets go of those that nobody touched.
    ///
    /// - Throws: ``AppError/askOperator(_:_:remedy:)`` if such a file cannot be read; it stays.
    func takeLateSaves() async throws(AppError) {
        let path = Self.target(of: path)
        for kept in Kept.all(of: path)
        where FileStamp(kept.replaced).ageSeconds >= Double(restSeconds) {
            guard let now = FileManager.default.contents(atPath: kept.replaced).map(Array.init),
                let then = FileManager.default.contents(atPath: kept.copy).map(Array.init)
            else { continue }
            if now != then, !now.isEmpty {
                if EditorLock.holder(of: path) != nil { continue }
                try await carry(now, over: then, from: kept.replaced)
            }
            kept.remove()
        }
    }

    private func carry(_ now: [UInt8], over then: [UInt8], from replaced: String)
        async throws(AppError)
    {
        let late: CSVTable
        let base: CSVTable
        do throws(AppError) {
            late = try CSVTable(now, encoding, path: replaced, naming: fields(of:))
            base = try CSVTable(then, encoding, path: replaced, naming: fields(of:))
        } catch {
            throw .askOperator(
                .invalidValue,
                "somebody saved \(replaced) after it was replaced, and it cannot be read: \(error.message)",
                remedy: "Carry over by hand what is in it, and delete it.")
        }
        let (lateRows, baseRows) = (named(late), named(base))
        let isClear =
            lateRows.unidentified.count <= baseRows.unidentified.count
            && lateRows.unreadable.count <= baseRows.unreadable.count
        guard isClear else {
            throw .askOperator(
                .invalidValue,
                "somebody saved \(replaced) after it was replaced, with rows that nothing names",
                remedy: "Carry over by hand what is in it, and delete it.")
        }
        for _ in 0..<Self.attempts {
            // Half of what somebody saves now would stand for all of it.
            let state = await look()
            let stamp = state.stamp
            guard state.isAtRest, memory.withLock(\.unfinished) != stamp, let table = try table()
            else { throw beingSaved }
            var edit = CSVEdit(app: self, table: table)
            edit.take(late, over: base)
            guard edit.isChanged, let content = table.file(edit.content) else { return }
            if try replace(table, with: content, unless: stamp) { return }
        }
        throw beingSaved
    }
}
