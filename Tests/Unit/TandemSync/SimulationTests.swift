import AdapterKit
import Foundation
import TandemModel
import TandemSimulator
import TandemSync
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
        /// A known mistake, the pitfall it is, and the faults that bring it to light.
        struct Mistake: CustomTestStringConvertible {
            let defect: Defects
            let pitfall: String
            let emphasis: Emphasis
            var testDescription: String { "\(pitfall), \(defect.rawValue.trailingZeroBitCount)" }

            init(_ defect: Defects, _ pitfall: String, _ emphasis: Emphasis = Emphasis()) {
                self.defect = defect
                self.pitfall = pitfall
                self.emphasis = emphasis
            }
        }

        static let mistakes = [
            Mistake(.cursorBeforePage, "P5", Emphasis([.crashInStore])),
            Mistake(.oneBaseForBoth, "P24", Emphasis([.reformatsPhones])),
            Mistake(.believesStaleReads, "P26", Emphasis([.staleRead])),
            Mistake(.skipsEverySync, "P27"),
            Mistake(.basesOnLaterValues, "P33", Emphasis([.editDuringCycle])),
            Mistake(.missingIsEmpty, "P36", Emphasis([.omitsField])),
            Mistake(
                .repeatsCreates, "P42", Emphasis([.lostAfter], safety: .search(lagSeconds: 20))),
            Mistake(.ignoresBound, "P45", Emphasis([.recreated])),
            Mistake(.guessesMatches, "P46"),
            Mistake(.createsBeforeObserving, "P52"),
            Mistake(.recreatesDeleted, "P58", Emphasis([.recreated])),
            Mistake(.absenceIsDeletion, "P61", Emphasis([.missingInListing], style: .listing)),
            Mistake(.writesUnconditionally, "P77", Emphasis([.editDuringCycle])),
            Mistake(.dropsFailures, "P81", Emphasis([.partialBatch])),
            Mistake(.namelessProvesAbsence, "P61", Emphasis([.losesName])),
            Mistake(
                .trustsStateCursors, "P26", Emphasis([.stateCursor, .putBack], style: .listing)),
            Mistake(.unshownIsWritten, "P36", Emphasis([.omitsField])),
            Mistake(.unreadIsInSync, "P81", Emphasis([.fieldVanishes])),
            Mistake(.oldFormIsTaken, "P24", Emphasis([.ignoresField])),
            Mistake(
                .oneListingProvesAbsence, "P61", Emphasis([.pageDrift], style: .listing)),
            Mistake(.rewindIsEdit, "P26", Emphasis([.rewound], style: .feed)),
            Mistake(.keepsNoOriginals, "I1"), Mistake(.movesOneByOne, "I3", Emphasis([.swapped])),
            Mistake(.idsAreEternal, "P70", Emphasis([.reusedID])),
            Mistake(
                .silenceIsNo, "P42",
                Emphasis([.searchedByMail, .lostAfter], safety: .search(lagSeconds: 20))),
            Mistake(.returnIsNoNews, "P36", Emphasis([.fieldVanishes], style: .feed)),
            Mistake(.sentIsBase, "P24", Emphasis([.truncates, .staleRead])),
            Mistake(.forgetsIgnored, "I4", Emphasis([.ignoresField])),
            Mistake(.trustsRewoundVersions, "P26", Emphasis([.rewound], style: .feed)),
            Mistake(.editsOverRewound, "I1", Emphasis([.rewound], style: .feed)),
            Mistake(.forgetsPredecessor, "I3", Emphasis([.renamedSync])),
            Mistake(.givesIDsAgain, "I11", Emphasis([.storePutBack])),
            Mistake(.takenHoldsRecord, "I3", Emphasis([.sharedMail])),
            Mistake(.trustsHalfSaved, "P61", Emphasis([.beingWritten], style: .listing)),
            Mistake(.dropsSpellings, "P37", Emphasis([.respelled])),
            Mistake(.rewritingIsEdit, "P24", Emphasis([.mangles])),
            Mistake(
                .absenceIsNoCreate, "P42",
                Emphasis([.unnamedCreate], safety: .search(lagSeconds: 20))),
        ]

        /// Puts a known mistake back into the engine and plays seeds until an invariant breaks.
        @Test(arguments: mistakes) func `finds the defect`(_ mistake: Mistake) async throws {
            let folder = try scratchFolder()
            defer { try? FileManager.default.removeItem(at: folder) }
            let simulation = try Simulation(
                folder: folder.path(), defects: mistake.defect, emphasis: mistake.emphasis)
            let sound = try Simulation(folder: folder.path(), emphasis: mistake.emphasis)
            var isFound = false
            for seed in UInt64(1)...400 where !isFound {
                let broken = try await simulation.run(seed: seed).violations
                // It is the mistake that breaks this world: without it, it holds.
                if !broken.isEmpty {
                    isFound = try await sound.run(seed: seed).violations.isEmpty
                }
            }
            #expect(isFound, "\(mistake.pitfall) was put back and nothing broke by it")
        }
    #endif
}
