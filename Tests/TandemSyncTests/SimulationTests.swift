import Foundation
import TandemSync
import TandemTesting
import Testing

/// A folder for store files, in memory where the system has such a place.
func scratchFolder() throws -> URL {
    let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"
    let folder = URL(filePath: base).appending(path: "tandem-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
}

@Suite struct `The hostile simulation` {
    /// Each seed is played twice: its two stories are equal, every invariant holds after it, and
    /// together the seeds meet every fault and every decision.
    @Test func `five hundred seeds keep every invariant and meet every fault`() async throws {
        let folder = try scratchFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let simulation = try Simulation(folder: folder.path())
        let suite = try await SimulationSuite.run(simulation, seeds: 1..<501)
        #expect(suite.seeds == 500)
        #expect(suite.problems == [])
        #expect(suite.unreached == [])
    }

    #if DEFECTS
        /// Puts a known mistake back into the engine and plays seeds until an invariant breaks.
        @Test(arguments: [
            (Defects.cursorBeforePage, "P5"), (.oneBaseForBoth, "P24"),
            (.believesStaleReads, "P26"), (.skipsEverySync, "P27"), (.basesOnLaterValues, "P33"),
            (.missingIsEmpty, "P36"), (.repeatsCreates, "P42"), (.ignoresBound, "P45"),
            (.guessesMatches, "P46"), (.createsBeforeObserving, "P52"), (.recreatesDeleted, "P58"),
            (.absenceIsDeletion, "P61"), (.writesUnconditionally, "P77"), (.dropsFailures, "P81"),
            (.namelessProvesAbsence, "P61"), (.trustsStateCursors, "P26"),
            (.unshownIsWritten, "P36"), (.unreadIsInSync, "P81"), (.oldFormIsTaken, "P24"),
            (.dropsSpellings, "P37"), (.absenceIsNoCreate, "P42"),
        ])
        func `finds the defect`(_ defect: Defects, _ pitfall: String) async throws {
            let folder = try scratchFolder()
            defer { try? FileManager.default.removeItem(at: folder) }
            let simulation = try Simulation(folder: folder.path(), defects: defect)
            var found: [String] = []
            for seed in UInt64(1)...400 where found.isEmpty {
                found = try await simulation.run(seed: seed).violations
            }
            #expect(!found.isEmpty, "\(pitfall) was put back and nothing broke")
        }
    #endif
}
