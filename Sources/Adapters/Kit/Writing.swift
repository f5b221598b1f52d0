package import TandemModel
import TandemSupport

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
