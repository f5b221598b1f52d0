package import TandemSupport

/// One record as an app holds it, in the app's own field names.
package struct AppRecord: Hashable, Sendable {
    package let id: AppRecordID
    /// The app's version token (an ETag, a revision); a hint that spares reading, never proof.
    package let version: String?
    /// An absent field was not read; `""` was read and is blank.
    package let values: [AppField: String]
    package let createdAt: Timestamp?
    package let modifiedAt: Timestamp?

    package init(
        id: AppRecordID, version: String?, values: [AppField: String],
        createdAt: Timestamp? = nil, modifiedAt: Timestamp? = nil
    ) {
        self.id = id
        self.version = version
        self.values = values
        self.createdAt = createdAt
        self.modifiedAt = modifiedAt
    }
}

/// What became of one record that was asked for by id.
package enum AppReading: Hashable, Sendable {
    case present(AppRecord)
    /// Proven absent: the app itself said that it has no such record (404, 410).
    case gone
    /// The record is of a kind that is not synced, such as a distribution list: left alone.
    case foreign(version: String?)
    /// The record is there, but cannot be understood, or must not be seen.
    case unreadable(Refusal, version: String?)
}

/// One step of a listing.
package struct ChangePage: Hashable, Sendable {
    /// Records that came with their values.
    package var records: [AppRecord]
    /// Records that only showed id and version; those whose version is news are read one by one.
    package var sightings: [ListedVersion]
    /// Records the app says are gone; each is asked for again before it is believed.
    package var gone: [AppRecordID]
    /// Records that are present but not understood, with the reason.
    package var unreadable: [Unreadable]
    /// What is there and could be any record, because nothing says which one it is.
    ///
    /// A listing with
    /// something of this kind proves of no record that it is missing.
    package var unidentified: [Unidentified]
    /// The fields that the app has now, such as the columns of a file; `nil` if it does not say.
    package var fields: Set<AppField>?
    /// What a person should know of the listing: one sentence.
    package var notice: String?
    /// Where a listing can go on after this page, if this page is recorded.
    package var cursor: Cursor?
    /// Records that move while the listing runs can slip through it.
    ///
    /// Its pages go by number, or where the app leads, in an order that does not stay. Set on the last
    /// page, if there were several.
    package var mayHaveDrifted: Bool
    /// Set on the last page of a listing that went through everything there is: if it identified
    /// every record, it can show that one is missing.
    package var isCompleteListing: Bool

    package struct ListedVersion: Hashable, Sendable {
        package let id: AppRecordID
        /// `nil` for a change of which the version tells nothing: the record is read in any case.
        package let version: String?
        package init(id: AppRecordID, version: String?) {
            self.id = id
            self.version = version
        }
    }

    package struct Unreadable: Hashable, Sendable {
        package let id: AppRecordID
        package let version: String?
        package let refusal: Refusal
        package init(id: AppRecordID, version: String?, refusal: Refusal) {
            self.id = id
            self.version = version
            self.refusal = refusal
        }
    }

    /// A row or element without an id, with too many cells to be understood, or with the id of another.
    package struct Unidentified: Hashable, Sendable {
        package let location: AppLocation
        /// What keeps it from being identified.
        package let reason: String
        package init(_ location: AppLocation, _ reason: String) {
            self.location = location
            self.reason = reason
        }
    }

    package init(
        records: [AppRecord] = [], sightings: [ListedVersion] = [], gone: [AppRecordID] = [],
        unreadable: [Unreadable] = [], unidentified: [Unidentified] = [],
        fields: Set<AppField>? = nil, cursor: Cursor? = nil, mayHaveDrifted: Bool = false,
        isCompleteListing: Bool = false
    ) {
        self.records = records
        self.sightings = sightings
        self.gone = gone
        self.unreadable = unreadable
        self.unidentified = unidentified
        self.fields = fields
        self.cursor = cursor
        self.mayHaveDrifted = mayHaveDrifted
        self.isCompleteListing = isCompleteListing
    }
}

/// A listing under way: pages in order, `nil` after the last.
package protocol ChangeListing: AnyObject, Sendable {
    /// - Returns: The next page of at most a few hundred records; `nil` when there are no more.
    /// - Throws: ``AppError`` if the app cannot be read; pages given so far stay valid.
    func next() async throws(AppError) -> ChangePage?
}

/// One write to one app record.
package struct AppWrite: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Makes a record. A repeated key must not make a second one, as far as the app's
        /// ``CreateSafety`` reaches.
        case create(key: String)
        /// Changes the given fields and no others, if the record is still at `version`.
        case update(AppRecordID, version: String?)
        case delete(AppRecordID, version: String?)
    }
    package let kind: Kind
    package let values: [AppField: String]
    /// Of a create that brings back a record which we deleted: what ``Adapter/originals(of:)`` gave of it.
    ///
    /// What is in it and not in `values` is put back as far as the app lets.
    package let original: String?

    package init(_ kind: Kind, values: [AppField: String] = [:], original: String? = nil) {
        self.kind = kind
        self.values = values
        self.original = original
    }
}

/// What came of one write.
package enum WriteOutcome: Hashable, Sendable {
    /// Done; the record as the app holds it now. What it shows of a field is the app's form of what
    /// was sent; a field that it leaves out counts as not written.
    case written(AppRecord)
    /// Done, by writing the record whole, and read back: beside the fields that were to be written, the app
    /// keeps something else than it was sent, or it does not say whose doing a difference is.
    case rewritten(AppRecord, Rewriting)
    /// The create met the record that an earlier sending of it had made; nothing was written.
    case exists(AppRecord)
    /// The create was made, and the answer does not say under which id; the text says what it said.
    case madeUnnamed(String)
    /// Done; what the app made of it must be read back. The record has this version by the write,
    /// if the answer says so: a read that shows it shows our own write and nobody's edit.
    case accepted(AppRecordID, version: String? = nil)
    /// Done but for some fields, which the app refused; the rest must be read back.
    case acceptedPartly(AppRecordID, version: String?, refused: [AppField: Refusal])
    case deleted
    /// The record has changed since the version given; nothing was written.
    case conflict
    /// There is no such record; nothing was written.
    case gone
    /// Nothing was written, for a reason that lies in this record.
    case refused(Refusal)
    /// The reply was lost: the write may or may not have happened.
    case unknown(String)
    /// Nothing was written for a reason that passes (limit, outage).
    case notNow(FailureCategory, String, afterSeconds: Int64?)
}

/// How a record that was written whole came out otherwise than it was sent.
package struct Rewriting: Hashable, Sendable {
    /// Every field as it was sent, those that were not to be changed too.
    package let sent: [AppField: String]
    /// The record was read at the version that the write gave it, so the difference is the app's doing; else
    /// it may be somebody's edit.
    package let isOurs: Bool
    /// What is not mapped and is there no more, as words of a sentence.
    package let lost: String?

    package init(sent: [AppField: String], isOurs: Bool, lost: String? = nil) {
        self.sent = sent
        self.isOurs = isOurs
        self.lost = lost
    }
}

/// How repeating a create is kept from making a second record.
package enum CreateSafety: Hashable, Sendable {
    /// The id follows from our key: a repeat meets the first record and changes nothing.
    case clientID
    /// The app keeps our key with the record, and can be asked for it at once.
    case lookupByKey
    /// The app can only be searched by match keys; its index may lag this many seconds.
    case search(lagSeconds: Int64)
}

/// What an app says when it is asked for the record that a create may have made.
package enum CreateLookup: Hashable, Sendable {
    /// These may be it; one at least, and each shows what was asked for.
    case found([AppRecord])
    /// The app was asked for something that the record has, and has no such record (yet).
    case none
    /// The question could not be asked, or was not answered: nothing is known. The text says why.
    case unanswered(String)

    /// What a search gave that can be trusted to be one.
    package init(_ found: [AppRecord]) { self = found.isEmpty ? .none : .found(found) }

    package var records: [AppRecord] { if case .found(let records) = self { records } else { [] } }
}

/// What an app can do; the engine chooses by this and by nothing else.
package struct AppCapabilities: Hashable, Sendable {
    /// Writes can be made conditional on the version.
    package var conditionalWrites: Bool
    package var createSafety: CreateSafety
    /// Records in one read call and in one write call.
    package var readBatch: Int
    package var writeBatch: Int
    /// For how long after a write a read may still show the old values.
    package var readLagSeconds: Int64
    package var canDelete: Bool
    /// Listings since a cursor name deleted records, or every listing is complete; otherwise the
    /// app is listed from the start now and then.
    package var reportsDeletions: Bool
    /// A listed record has every field that a read of it would have.
    package var listsWholeRecords: Bool
    /// Records can be searched for by what a new one would have (``Adapter/search(_:)``).
    package var canSearch: Bool
    /// A create is refused that may be a record which no listing could identify.
    package var checksCreates: Bool
    /// A create puts back what is in ``AppWrite/original``.
    package var putsBackOriginals: Bool
    /// Nothing can be written; every write is refused.
    package var isReadOnly: Bool

    package init(
        conditionalWrites: Bool, createSafety: CreateSafety, readBatch: Int = 100,
        writeBatch: Int = 50, readLagSeconds: Int64 = 0, canDelete: Bool = true,
        reportsDeletions: Bool = true, listsWholeRecords: Bool = false,
        canSearch: Bool = false, checksCreates: Bool = false, putsBackOriginals: Bool = false,
        isReadOnly: Bool = false
    ) {
        self.conditionalWrites = conditionalWrites
        self.createSafety = createSafety
        self.readBatch = readBatch
        self.writeBatch = writeBatch
        self.readLagSeconds = readLagSeconds
        self.canDelete = canDelete
        self.reportsDeletions = reportsDeletions
        self.listsWholeRecords = listsWholeRecords
        self.canSearch = canSearch
        self.checksCreates = checksCreates
        self.putsBackOriginals = putsBackOriginals
        self.isReadOnly = isReadOnly
    }
}

/// What an app says of one of its fields.
package struct FieldSchema: Hashable, Sendable {
    package let field: AppField
    /// `nil` if the app does not say, or knows a type that no property has.
    package let type: ValueType?
    package let isWritable: Bool
    /// A record without it is refused.
    package let isRequired: Bool
    /// The values it takes; empty for any.
    package let options: [String]
    /// In characters; `nil` for no limit that is known.
    package let maximumLength: Int?

    package init(
        _ field: AppField, type: ValueType? = nil, isWritable: Bool = true,
        isRequired: Bool = false, options: [String] = [], maximumLength: Int? = nil
    ) {
        self.field = field
        self.type = type
        self.isWritable = isWritable
        self.isRequired = isRequired
        self.options = options
        self.maximumLength = maximumLength
    }
}

/// What an app says of itself when asked.
package struct AppProfile: Hashable, Sendable {
    /// Stays the same for one account and differs for another one behind the same address.
    package let account: String
    /// For people: server, collection, number of fields.
    package let summary: String
    /// The fields a record has; empty if the app takes any name.
    package let fields: [FieldSchema]
    /// Mapped fields that the app does not have: a mistake at first, and later a field that it has lost.
    package let lacking: AppError?

    package init(
        account: String, summary: String, fields: [FieldSchema], lacking: AppError? = nil
    ) {
        self.account = account
        self.summary = summary
        self.fields = fields
        self.lacking = lacking
    }
}

/// One object of one third-party account: records that can be listed, read and written.
///
/// Everything above this protocol is the same for every app; everything that differs between
/// apps stays below it. Records and calls are independent: a bad record never fails a call.
package protocol Adapter: Sendable {
    /// Holds from ``prepare()`` on.
    var capabilities: AppCapabilities { get }

    /// Makes ready for a cycle: an app that must be asked what it can do is asked here.
    ///
    /// - Throws: ``AppError`` if the app cannot be reached.
    func prepare() async throws(AppError)

    /// Goes on with the account that earlier readings found, as ``profile()`` gave it: an app that has the choice
    /// between several takes that one.
    ///
    /// - Returns: Whether it is that one; `true` also if only ``profile()`` can tell.
    /// - Throws: ``AppError`` if the app cannot be reached, or does not have it any more.
    func resume(_ account: String) async throws(AppError) -> Bool

    /// Connects and tells who is there. Changes nothing.
    func profile() async throws(AppError) -> AppProfile

    /// Whether the app said by itself that something changed since this was last asked.
    ///
    /// A hint that spares waiting for the next poll. Returns at once; an app that says nothing by
    /// itself has no news.
    func hasNews() async -> Bool

    /// Starts a listing of what changed since `cursor`, or of everything for `nil`.
    ///
    /// Each change made before the listing began and after `cursor` was taken appears at least
    /// once; a record may appear twice. Nothing is promised about order.
    /// - Throws: ``AppError/cursorExpired(_:)`` if the app no longer knows the cursor.
    func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing

    /// Makes sure that the app has not gone back behind a cursor, before everything is listed instead of what
    /// changed since.
    ///
    /// An app whose cursors may go back by themselves (a clock, a digest) has nothing to say; it may take from
    /// the cursor what there was before.
    /// - Throws: ``AppError/wentBack(_:)`` if it has; ``AppError`` if it cannot be asked.
    func confirm(_ cursor: Cursor) async throws(AppError)

    /// Reads records by id.
    ///
    /// - Parameter ids: At most ``AppCapabilities/readBatch``, each once.
    /// - Returns: One reading for each id. An id without an answer is left out and stays unknown.
    /// - Throws: ``AppError`` if the app cannot be read at all.
    func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading]

    /// Reads records whole, as the app itself keeps them, with what is not mapped: what a deletion takes
    /// away.
    ///
    /// - Parameter ids: At most ``AppCapabilities/readBatch``, each once.
    /// - Returns: A text for each record that is there: the card, the row or the document.
    /// - Throws: ``AppError`` if the app cannot be read.
    func originals(of ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: String]

    /// Looks for the record that a create with this key may have made.
    ///
    /// - Parameters:
    ///   - key: The key the create was sent with.
    ///   - values: The values it was sent with, for apps that can only search.
    ///   - since: When the create was first sent.
    /// - Returns: What the app says.
    /// - Throws: ``AppError`` if the app cannot be asked.
    func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup

    /// Looks for records that a create with these values would make once more.
    ///
    /// - Parameter values: What would be sent.
    /// - Returns: The records that show one of the values by which the app can be searched; none only if
    ///   it was asked for one.
    /// - Throws: ``AppError`` if the app cannot be asked.
    func search(_ values: [AppField: String]) async throws(AppError) -> CreateLookup

    /// Writes a batch of at most ``AppCapabilities/writeBatch``, no record twice.
    ///
    /// - Returns: One outcome per write, in the same order. A refused record is an outcome.
    /// - Throws: Only if no write of the batch can have reached the app.
    func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome]
}

extension Adapter {
    /// For an app whose records have nothing but the fields of a read.
    package func originals(of ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: String] {
        try await read(ids).compactMapValues { reading in
            if case .present(let record) = reading { FlatJSON.text(record.values) } else { nil }
        }
    }

    /// For an app that cannot be searched.
    package func search(_ values: [AppField: String]) async throws(AppError) -> CreateLookup {
        .unanswered("the app cannot be searched")
    }

    package func confirm(_ cursor: Cursor) async throws(AppError) {}
    package func resume(_ account: String) async throws(AppError) -> Bool { true }
    package func prepare() async throws(AppError) {}
    package func hasNews() async -> Bool { false }
}
