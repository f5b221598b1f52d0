package import TandemModel
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
    package var listedVersions: [ListedVersion]
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
        records: [AppRecord] = [], listedVersions: [ListedVersion] = [], gone: [AppRecordID] = [],
        unreadable: [Unreadable] = [], unidentified: [Unidentified] = [],
        fields: Set<AppField>? = nil, cursor: Cursor? = nil, mayHaveDrifted: Bool = false,
        isCompleteListing: Bool = false
    ) {
        self.records = records
        self.listedVersions = listedVersions
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
