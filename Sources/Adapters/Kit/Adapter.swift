package import TandemModel
package import TandemSupport

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
