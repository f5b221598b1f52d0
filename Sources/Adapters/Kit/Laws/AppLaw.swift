package import TandemModel
package import TandemSupport

/// A promise that every adapter keeps; ``check(_:)`` holds an adapter to it.
///
/// The laws are what ``Adapter`` says, made of records that they write, change and delete themselves;
/// no other record is touched. `tandem check --laws` runs them against somebody's app.
package enum AppLaw: String, CaseIterable, Sendable {
    /// Two profiles of one account name the same account.
    case tellsWhoItIs = "tells who it is"
    /// A complete listing shows a new record, and its values.
    case listsWhatIsMade = "lists what is made"
    /// A listing from the cursor before shows new, changed and changed-again records.
    case tellsChanges = "tells changes"
    /// What is made while a listing runs is in it or in the next one.
    case losesNothingBetweenListings = "loses nothing between listings"
    /// A deleted record is reported gone, or a complete listing leaves it out and proves that.
    case tellsDeletions = "tells deletions"
    /// A read gives a present record, says of a deleted one that it is gone, and mixes up nothing.
    case readsByID = "reads by id"
    /// A cursor of somebody else is refused, or answered with everything; never with nothing.
    case refusesForeignCursors = "refuses foreign cursors"
    /// An update changes the fields that it names and no others.
    case changesNoOtherField = "changes no other field"
    /// Quotes, accents and emoji come back as they were sent, line ends too unless they are refused.
    case keepsText = "keeps text"
    /// A field that is cleared is read as blank, not as a word for it.
    case clearsFields = "clears fields"
    /// A write against an old version is a conflict and changes nothing.
    case refusesStaleWrites = "refuses stale writes"
    /// What a create made can be found by its key and values.
    case findsWhatACreateMade = "finds what a create made"
    /// A create that is sent twice makes one record, where the app promises that.
    case repeatsNoCreate = "repeats no create"
    /// A batch has one outcome for each write, in order, whatever became of the others.
    case answersEachWrite = "answers each write"
    /// Changing or deleting what is gone says so.
    case survivesMissingRecords = "survives missing records"
    /// While somebody saves what the app holds, nothing that is not there yet counts as gone, and nothing of
    /// the save is lost.
    case waitsForSaves = "waits for saves"

    package enum Verdict: Hashable, Sendable {
        case kept
        /// The app does not claim what the law is about.
        case notClaimed(String)
    }

    /// The law is broken; the text says by what.
    package struct Broken: Error, CustomStringConvertible {
        package let law: AppLaw
        package let what: String
        package var description: String { "the app does not keep “\(law.rawValue)”: \(what)" }
    }

    /// Whether checking the law writes into the app.
    package var writes: Bool { self != .tellsWhoItIs && self != .refusesForeignCursors }

    /// Holds an app to the law.
    ///
    /// Records that were made for it are deleted again, also if the law is broken; the subject is told
    /// which ones stay.
    ///
    /// - Throws: ``Broken`` if the app does not keep it; ``AppError`` if it cannot be reached.
    package func check(_ subject: LawSubject) async throws -> Verdict {
        if writes && subject.app.capabilities.isReadOnly { return .notClaimed("it is read only") }
        let bench = LawBench(self, subject)
        let result: Result<Verdict, any Error>
        do { result = .success(try await verdict(bench)) } catch { result = .failure(error) }
        await bench.clean()
        return try result.get()
    }

    private func verdict(_ bench: LawBench) async throws -> Verdict {
        switch self {
        case .tellsWhoItIs: try await bench.tellsWhoItIs()
        case .listsWhatIsMade: try await bench.listsWhatIsMade()
        case .tellsChanges: try await bench.tellsChanges()
        case .losesNothingBetweenListings: try await bench.losesNothingBetweenListings()
        case .tellsDeletions: return try await bench.tellsDeletions()
        case .readsByID: try await bench.readsByID()
        case .refusesForeignCursors: try await bench.refusesForeignCursors()
        case .changesNoOtherField: try await bench.changesNoOtherField()
        case .keepsText: try await bench.keepsText()
        case .clearsFields: try await bench.clearsFields()
        case .refusesStaleWrites: return try await bench.refusesStaleWrites()
        case .findsWhatACreateMade: try await bench.findsWhatACreateMade()
        case .repeatsNoCreate: return try await bench.repeatsNoCreate()
        case .answersEachWrite: try await bench.answersEachWrite()
        case .survivesMissingRecords: return try await bench.survivesMissingRecords()
        case .waitsForSaves: return try await bench.waitsForSaves()
        }
        return .kept
    }
}

/// An app to be held to the laws, and what must be known to write records into it.
package struct LawSubject: Sendable {
    package let app: any Adapter
    /// The fields of a new record; each number gives another record that nobody takes for a real
    /// one.
    package let values: @Sendable (_ number: Int) -> [AppField: String]
    /// Two different fields of ``values`` that take any text and may be blank.
    package let texts: (AppField, AppField)
    /// The longest text that they take.
    package let textLimit: Int
    package let now: @Sendable () -> Timestamp
    /// Lets so many seconds pass.
    package let wait: @Sendable (_ seconds: Int64) async -> Void
    /// Told of each record that could not be taken away again, and why.
    package let leave: @Sendable (_ id: AppRecordID, _ reason: String) -> Void
    /// Has somebody begin to save what the app holds, and end when `work` is done; `nil` where a person
    /// cannot.
    package let save: Save?

    package typealias Save = @Sendable (_ work: () async throws -> Void) async throws -> Void

    package init(
        _ app: any Adapter, texts: (AppField, AppField), textLimit: Int = 100,
        values: @escaping @Sendable (_ number: Int) -> [AppField: String],
        now: @escaping @Sendable () -> Timestamp,
        wait: @escaping @Sendable (_ seconds: Int64) async -> Void,
        leave: @escaping @Sendable (_ id: AppRecordID, _ reason: String) -> Void = { _, _ in },
        save: Save? = nil
    ) {
        self.app = app
        self.values = values
        self.texts = texts
        self.textLimit = textLimit
        self.now = now
        self.wait = wait
        self.leave = leave
        self.save = save
    }
}
