import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// How a pair is written down.
extension PairTable {
    func arguments(_ pair: Pair) -> [SQLValue] {
        let words = pair.state.words
        return [
            .optional(pair.crmID?.number), .optional(pair.appID?.text),
            .integer(pair.appPresence.rawValue), .optional(pair.appVersion),
            .text(FlatJSON.text(pair.appValues)),
            .text(FlatJSON.text(pair.appRefusals.mapValues(\.line))),
            .text(pair.appKeys.map { "\($0.kind)\t\($0.value)" }.joined(separator: "\n")),
            .optional(pair.appCreatedAt?.milliseconds), .text(FlatJSON.text(pair.crmBase)),
            .text(FlatJSON.text(pair.appBase)), .integer(pair.wasReconciled ? 1 : 0),
            .text(pair.state.kind.rawValue), .optional(words.category), .optional(words.reason),
            .optional(words.message), .optional(words.otherID), .integer(Int64(pair.attempts)),
            .optional(pair.workAt?.milliseconds), .optional(pair.changedAt?.milliseconds),
            .optional(pair.syncedAt?.milliseconds), .integer(pair.generation),
            .integer(pair.needsDeletionCheck ? 1 : 0), .optional(pair.recheckAt?.milliseconds),
            .integer(pair.appChanged ? 1 : 0), .optional(pair.intent?.key),
            .optional(pair.intent.map { FlatJSON.text($0.values) }),
            .optional(pair.intent?.at.milliseconds),
            .optional(pair.staleReadGuard.map { FlatJSON.text($0.old) }),
            .optional(pair.staleReadGuard?.until.milliseconds),
            .integer(pair.isDeletionApproved ? 1 : 0),
            .integer(pair.isForeign ? 1 : 0), .integer(pair.isFindable ? 1 : 0),
            pair.unacknowledgedWrite.isEmpty
                ? .null : .text(FlatJSON.text(pair.unacknowledgedWrite)),
            .optional(pair.awaiting.map { FlatJSON.text($0.sent) }),
            .optional(pair.awaiting?.version),
            pair.ignored.isEmpty ? .null : .text(FlatJSON.text(pair.ignored)),
            .integer(pair.isUnlisted ? 1 : 0), .optional(pair.intent?.status.rawValue),
            .integer(pair.repeats),
            pair.refused.isEmpty ? .null : .text(FlatJSON.text(pair.refused.mapValues(\.line))),
            .optional(pair.rewound.map { FlatJSON.text($0) }),
            .integer(pair.hasCreationTime ? 1 : 0),
            pair.accepted.isEmpty ? .null : .text(FlatJSON.text(pair.accepted)),
            .integer(pair.isRewritten ? 1 : 0),
        ]
    }

    static func pair(_ row: any SQLRow) throws -> Pair {
        func values(_ column: Int) throws -> Values {
            guard let values = FlatJSON.values(row.text(column) ?? "{}") else {
                throw DatabaseFailure(.failed, "pair \(row.integer(0) ?? 0) is damaged")
            }
            return values
        }
        func moment(_ column: Int) -> Timestamp? {
            row.integer(column).map { Timestamp(milliseconds: $0) }
        }
        var pair = Pair()
        pair.id = row.integer(0) ?? 0
        pair.crmID = row.integer(1).map { RecordID($0) }
        pair.appID = row.text(2).map { AppRecordID($0) }
        pair.appPresence = Pair.AppPresence(rawValue: row.integer(3) ?? 0) ?? .absent
        pair.appVersion = row.text(4)
        pair.appValues = try values(5)
        pair.appRefusals = try values(6).mapValues { Refusal(line: $0) }
        pair.appKeys = (row.text(7) ?? "").split(separator: "\n").map { line in
            let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
            return MatchKey(kind: String(parts[0]), value: String(parts.last ?? ""))
        }
        pair.appCreatedAt = moment(8)
        pair.crmBase = try values(9)
        pair.appBase = try values(10)
        pair.wasReconciled = row.integer(11) == 1
        pair.state = PairState(
            row.text(12) ?? "", category: row.text(13), reason: row.text(14),
            message: row.text(15), otherID: row.text(16))
        pair.attempts = Int(row.integer(17) ?? 0)
        pair.workAt = moment(18)
        pair.changedAt = moment(19)
        pair.syncedAt = moment(20)
        pair.generation = row.integer(21) ?? 0
        pair.needsDeletionCheck = row.integer(22) == 1
        pair.recheckAt = moment(23)
        pair.appChanged = row.integer(24) == 1
        if let key = row.text(25), let at = moment(27) {
            // A store of before this was told apart has intents without answer only.
            guard let status = Pair.Intent.Status(rawValue: row.integer(38) ?? 0) else {
                throw DatabaseFailure(.failed, "pair \(pair.id): `intent_status` is damaged")
            }
            pair.intent = Pair.Intent(
                key: key, values: try values(26), at: at, status: status)
        }
        if let until = moment(29) {
            pair.staleReadGuard = Pair.StaleReadGuard(old: try values(28), until: until)
        }
        pair.isDeletionApproved = row.integer(30) == 1
        pair.isForeign = row.integer(31) == 1
        pair.isFindable = row.integer(32) == 1
        pair.unacknowledgedWrite = try values(33)
        if row.text(34) != nil {
            pair.awaiting = Pair.Awaiting(sent: try values(34), version: row.text(35))
        }
        pair.ignored = try values(36)
        pair.isUnlisted = row.integer(37) == 1
        pair.repeats = row.integer(39) ?? 0
        pair.refused = try values(40).mapValues { Refusal(line: $0) }
        if row.text(41) != nil { pair.rewound = try values(41) }
        pair.hasCreationTime = row.integer(42) == 1
        pair.accepted = try values(43)
        pair.isRewritten = row.integer(44) == 1
        return pair
    }
}

extension Refusal {
    /// `category message`, as kept in the pair.
    fileprivate var line: String { "\(category.rawValue) \(message)" }

    fileprivate init(line: String) {
        let parts = line.split(separator: " ", maxSplits: 1)
        let category = parts.first.flatMap { FailureCategory(rawValue: String($0)) }
        self.init(category ?? .internal, parts.count > 1 ? String(parts[1]) : "")
    }
}

extension PairState {
    /// The state's data, as the columns beside it.
    fileprivate var words: (category: String?, reason: String?, message: String?, otherID: String?)
    {
        switch self {
        case .inSync, .pending, .deletedInCRM, .deletedInApp: (nil, nil, nil, nil)
        case .failed(let refusal):
            (refusal.category.rawValue, nil, refusal.message, refusal.otherID)
        case .excluded(let reason): (nil, reason.rawValue, nil, nil)
        case .ambiguous(let candidates): (nil, nil, candidates, nil)
        case .awaitingApproval(.deletion(let side)): (nil, side.rawValue, nil, nil)
        case .awaitingApproval(.rewound): (nil, "rewound", nil, nil)
        case .awaitingApproval(.rewritten): (nil, "rewritten", nil, nil)
        }
    }

    fileprivate init(
        _ kind: String, category: String?, reason: String?, message: String?, otherID: String?
    ) {
        self =
            switch PairStateKind(rawValue: kind) ?? .pending {
            case .inSync: .inSync
            case .pending: .pending
            case .failed:
                .failed(
                    Refusal(
                        FailureCategory(rawValue: category ?? "") ?? .internal, message ?? "",
                        otherID: otherID))
            case .excluded: .excluded(ExclusionReason(rawValue: reason ?? "") ?? .filter)
            case .ambiguous: .ambiguous(message ?? "")
            case .deletedInCRM: .deletedInCRM
            case .deletedInApp: .deletedInApp
            case .awaitingApproval:
                .awaitingApproval(
                    Side(rawValue: reason ?? "").map { .deletion(in: $0) }
                        ?? (reason == "rewritten" ? .rewritten : .rewound))
            }
    }
}
