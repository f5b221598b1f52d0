/// Limits that stop a sync before it writes, because what was observed looks like an accident.
package struct SafetyLimits: Hashable, Sendable {
    /// Deletions above this share of the linked pairs, and above this number, need a person.
    package var deletedShare = 0.2
    package var deletedRecords = 25
    /// The same for changes in the app.
    package var changedShare = 0.8
    package var changedRecords = 25

    package init() {}

    /// What looks like an accident.
    package enum SafetyStop: String, Hashable, Sendable, CaseIterable {
        case suddenlyEmpty = "app-empty"
        case massDeletion = "mass-deletion"
        case everythingChanged = "everything-changed"
        case otherAccount = "other-account"
        case firstActivation = "first-activation"
        case rewound

        /// One sentence for the person who has to decide.
        package func explanation(_ records: Int, of linked: Int) -> String {
            switch self {
            case .suddenlyEmpty: "the app is suddenly empty; \(linked) linked records are missing"
            case .massDeletion: "\(records) of \(linked) linked records are missing"
            case .everythingChanged: "\(records) of \(linked) linked records changed at once"
            case .rewound:
                "the app went back in time, as after a restored backup; once this is acknowledged, what went "
                    + "back waits for `tandem approve` or `tandem reject`, and the rest is synced"
            case .otherAccount: "another account answers at the app's address"
            case .firstActivation:
                "the first run would write \(records) records, more than the limit of \(linked)"
            }
        }
    }

    /// Judges missing records.
    ///
    /// - Parameters:
    ///   - missing: Linked app records that are proven gone and not yet recorded as such.
    ///   - linked: Linked pairs whose app record was there before.
    ///   - appIsEmpty: No record of the app is left that is not missing.
    /// - Returns: `nil` if nothing is unusual.
    package func judge(missing: Int, linked: Int, appIsEmpty: Bool) -> SafetyStop? {
        if appIsEmpty && missing > 1 && missing == linked { return .suddenlyEmpty }
        let isMass = missing > deletedRecords && Double(missing) > deletedShare * Double(linked)
        return isMass ? .massDeletion : nil
    }

    /// Judges changed records; `nil` if nothing is unusual.
    package func judge(changed: Int, linked: Int) -> SafetyStop? {
        let isMass = changed > changedRecords && Double(changed) > changedShare * Double(linked)
        return isMass ? .everythingChanged : nil
    }
}
