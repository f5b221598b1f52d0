import Foundation
import Testing

/// Rules of the tree that the compiler does not check.
@Suite struct `The tree` {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../..").standardizedFileURL

    /// The sources of a target, with the folders in it.
    private static func sources(_ target: String) throws -> [(name: String, text: String)] {
        let folder = root.appending(path: "Sources/\(target)")
        let found = try #require(FileManager.default.enumerator(atPath: folder.path()))
        return try found.compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") }.map {
            name in
            let data = try Data(contentsOf: folder.appending(path: name))
            return ("\(target)/\(name)", String(decoding: data, as: UTF8.self))
        }
    }

    /// The core sees no clock, no chance, no files; `AppContext` and the adapters hand them in.
    @Test(arguments: ["TandemSupport", "TandemModel", "TandemCore", "TandemCRM", "TandemSync"])
    func `keeps the world out of the engine`(_ target: String) throws {
        let files = try Self.sources(target)
        #expect(files.count > 3)
        for (name, text) in files {
            for word in [
                "Date()", "UUID()", ".random(in", "Task.sleep", "import Foundation\n",
                "FileManager",
            ] {
                #expect(!text.contains(word), "\(name) has \(word)")
            }
        }
    }

    @Test(arguments: ["TandemSupport", "TandemModel", "TandemCore"])
    func `imports nothing into the core`(_ target: String) throws {
        for (name, text) in try Self.sources(target) {
            let imports = text.split(separator: "\n").filter {
                $0.contains(#/^(package )?import /#)
            }
            .compactMap { $0.split(separator: " ").last }
            let allowed: Set<Substring> = [
                "FoundationEssentials", "Glibc", "TandemSupport", "TandemModel",
            ]
            #expect(allowed.isSuperset(of: imports), "\(name): \(imports)")
            #expect(!text.contains(" async "), "\(name)")
        }
    }

    /// A pitfall, an invariant or a section that the sources name is in a document of this tree.
    @Test func `names nothing that its documents do not have`() throws {
        func document(_ name: String) throws -> String {
            try String(
                contentsOf: Self.root.appending(path: "Docs/\(name)"), encoding: .utf8)
        }
        let pitfalls = try document("PITFALLS.md")
        var count = 0
        for target in try FileManager.default.contentsOfDirectory(
            atPath: Self.root.appending(path: "Sources").path())
        {
            for (name, text) in try Self.sources(target) {
                for found in text.matches(of: #/\b(P[0-9]{1,3})\b[:),. ]/#) {
                    #expect(pitfalls.contains("| \(found.1) |"), "\(name): \(found.1)")
                    count += 1
                }
                for found in text.matches(of: #/\b(I[0-9]{1,2}): /#) {
                    #expect(pitfalls.contains("**\(found.1) "), "\(name): \(found.1)")
                    count += 1
                }
                for found in text.matches(of: #/([A-Z]+\.md) §([0-9]+)/#) {
                    let sections = try document(String(found.1))
                    #expect(sections.contains("\n## \(found.2). "), "\(name): \(found.0)")
                    count += 1
                }
            }
        }
        #expect(count > 50)
    }
}
