/// What the simulated app and its world can do to us (PITFALLS.md §2).
package enum Fault: String, Hashable, Sendable, CaseIterable {
    // Values that the app rewrites or refuses, and users who spell them anew.
    case respelled
    case trims, changesCase = "changes-case", reformatsPhones = "reformats-phones", truncates
    case rejectsOption = "rejects-option", requiresField = "requires-field"
    case limitsLength = "limits-length", uniqueEmail = "unique-email"
    case automation, omitsField = "omits-field", readOnlyField = "read-only-field"
    case ignoresField = "ignores-field", fieldVanishes = "field-vanishes"
    // Fields that name another record.
    case danglingLink = "dangling-link", rejectsLink = "rejects-link"
    // Reading.
    case staleRead = "stale-read", undeclaredLag = "undeclared-lag", searchLag = "search-lag",
        coarseTime = "coarse-time"
    case equalTimes = "equal-times", clockSkew = "clock-skew", clockJump = "clock-jump"
    case pageDuplicate = "page-duplicate", pageDrift = "page-drift"
    case missingInListing = "missing-in-listing", resultCap = "result-cap"
    case cursorExpired = "cursor-expired", versionless, versionNoise = "version-noise"
    case readOutage = "read-outage", partialRead = "partial-read"
    case beingWritten = "being-written"
    case losesName = "loses-name", stateCursor = "state-cursor", putBack = "put-back"
    // Records that come and go.
    case crmMerge = "crm-merge", crmUnmerge = "crm-unmerge", crmErase = "crm-erase"
    case undelete, mergedAway = "merged-away", recreated, wiped
    // A unique value, or an id, that changes hands.
    case rewound
    case swapped, reusedID = "reused-id"
    case sharedMail = "shared-mail", mailsMoved = "mails-moved", oddMoment = "odd-moment"
    // Writing.
    case lostBefore = "lost-reply-before-commit", lostAfter = "lost-reply-after-commit"
    case partialBatch = "partial-batch", rateLimit = "rate-limit", retryAfter = "retry-after"
    case serverError = "server-error", tokenExpired = "token-expired"
    case permissionLost = "permission-lost", quotaForChanges = "quota-for-changes"
    case unnamedCreate = "unnamed-create"
    case searchedByMail = "searched-by-mail"
    // Our own side.
    case crashInStore = "crash-in-store", crashInApp = "crash-in-app"
    case editDuringCycle = "edit-during-cycle", settingsChanged = "settings-changed"
    case restart, renamedSync = "renamed-sync", storePutBack = "store-put-back"
    // What becomes of the fields that are sent along where records are written whole.
    case mangles
}
