/// Why a record could not be brought into agreement; each has one remedy a person can act on.
package enum FailureCategory: String, Hashable, Sendable, CaseIterable, Codable {
    case authentication, permission
    case requiredField = "required-field"
    case invalidValue = "invalid-value"
    case optionUnknown = "option-unknown"
    case duplicateInApp = "duplicate-in-app"
    case notFound = "not-found"
    case versionConflict = "version-conflict"
    case associationMissing = "association-missing"
    case mapping
    case changedByServer = "changed-by-server"
    case rateLimit = "rate-limit"
    case appUnavailable = "app-unavailable"
    case unknownOutcome = "unknown-outcome"
    case loop
    case `internal`

    /// Whether time alone may cure it.
    ///
    /// The others wait until the record or the settings change, or until `tandem retry`.
    package var isTransient: Bool {
        switch self {
        case .rateLimit, .appUnavailable, .versionConflict, .unknownOutcome: true
        case .authentication, .permission, .requiredField, .invalidValue, .optionUnknown,
            .duplicateInApp, .notFound, .associationMissing, .mapping, .changedByServer, .loop,
            .internal:
            false
        }
    }

    /// One sentence that tells a person what to do.
    package var remedy: String {
        switch self {
        case .authentication: "Correct the credentials of the connection, then `tandem retry`."
        case .permission: "Give the app's account the right to do this, then `tandem retry`."
        case .requiredField: "Fill the field that the message names; the record is tried again."
        case .invalidValue: "Correct the value that the message names; the record is tried again."
        case .optionUnknown:
            "Add the option to the mapping or to the app, or change the value, then `tandem retry`."
        case .duplicateInApp:
            "Merge or delete one of the two records, or give one of them another value; it is tried again."
        case .notFound: "Look the record up in the app; if it is gone, run `tandem sync --full`."
        case .versionConflict: "Nothing to do: the record is read and planned again."
        case .associationMissing: "Sync the record that this one refers to."
        case .mapping: "Correct the mapping that the message names, then `tandem retry`."
        case .changedByServer:
            "Look at the record in the app; change the value so that the app keeps it, or `tandem accept` the field."
        case .rateLimit: "Nothing to do: the app's limit passes and the record is tried again."
        case .appUnavailable: "Nothing to do: the record is tried again when the app answers."
        case .unknownOutcome:
            "Nothing to do if the app can be asked; else look in the app, then `tandem retry`."
        case .loop: "Switch off whatever changes the field back, then `tandem retry`."
        case .internal: "Report it with its message as a fault of Tandem, then `tandem retry`."
        }
    }
}

/// One refused record or field: what is wrong with it and where.
package struct Refusal: Error, Hashable, Sendable {
    package let category: FailureCategory
    package let message: String
    /// The record that stands in the way, if the app or the store named one.
    package let otherID: String?

    package init(_ category: FailureCategory, _ message: String, otherID: String? = nil) {
        self.category = category
        self.message = message
        self.otherID = otherID
    }
}

/// A failure of a whole call to an app, named by what has to happen next.
package enum AppError: Error, Hashable, Sendable {
    /// The same call may succeed later: a timeout, a 429, a server error. `afterSeconds` is the
    /// app's own word (Retry-After) if it gave one.
    case tryLater(FailureCategory, String, afterSeconds: Int64?)
    /// A person must change something first; the sync pauses until then.
    case askOperator(FailureCategory, String, remedy: String)
    /// The cursor means nothing to the app any more: list everything from the start.
    case cursorExpired(String)
    /// A position of the app that only grows is behind the one that was read: an older copy of its data was
    /// put back, or another server answers.
    case wentBack(String)

    package var category: FailureCategory {
        switch self {
        case .tryLater(let category, _, _), .askOperator(let category, _, _): category
        case .cursorExpired, .wentBack: .appUnavailable
        }
    }

    package var message: String {
        switch self {
        case .tryLater(_, let message, _), .askOperator(_, let message, _): message
        case .cursorExpired(let message), .wentBack(let message): message
        }
    }

    /// What happened and what to do, for people.
    package var sentences: String { "\(message). \(remedy)" }

    package var remedy: String {
        switch self {
        case .askOperator(_, _, let remedy): remedy
        case .tryLater(_, _, .some(let seconds)):
            "Nothing to do: the next attempt is in \(seconds) s."
        case .tryLater, .cursorExpired, .wentBack: "It may pass by itself; every cycle tries again."
        }
    }
}
