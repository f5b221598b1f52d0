import TandemCore
import TandemModel

/// Every way one field can stand, and every setting that bears on it.
struct FieldCase: Hashable {
    let crm: FieldDecision.Reading
    let app: FieldDecision.Reading

    static let nows: [String?] = [nil, "", "a", "b"]
    static let bases = ["", "a", "b"]

    static let all: [FieldCase] = {
        var pairs: [(String?, String?)] = [(nil, nil)]
        for crm in bases { for app in bases { pairs.append((crm, app)) } }
        return pairs.flatMap { crmBase, appBase in
            nows.flatMap { crmNow in
                nows.map { appNow in
                    FieldCase(
                        crm: .init(base: crmBase, now: crmNow),
                        app: .init(base: appBase, now: appNow))
                }
            }
        }
    }()

    var swapped: FieldCase { FieldCase(crm: app, app: crm) }
}

/// The settings of one column of the table.
struct FieldSettings: Hashable {
    let direction: Direction
    let winner: Side
    let blanks: BlankRule

    static let all: [FieldSettings] = Direction.allCases.flatMap { direction in
        Side.allCases.flatMap { winner in
            BlankRule.allCases.map {
                FieldSettings(direction: direction, winner: winner, blanks: $0)
            }
        }
    }

    var limits: FieldDecision.Limits { limits(.string) }

    func limits(_ type: ValueType) -> FieldDecision.Limits {
        .init(type: type, direction: direction, rule: .overwrite, winner: winner, blanks: blanks)
    }

    var swapped: FieldSettings {
        let other: [Direction: Direction] = [.both: .both, .toCRM: .toApp, .toApp: .toCRM]
        return FieldSettings(
            direction: other[direction] ?? .both, winner: winner.other, blanks: blanks)
    }
}

extension FieldDecision {
    /// A sign for the golden table; `>` writes to the app, `<` to the CRM.
    var sign: String {
        let arrow = target == .app ? ">" : target == .crm ? "<" : ""
        let letter =
            switch kind {
            case .unread: "?"
            case .settled: "."
            case .agreed: "="
            case .carried: ""
            case .respelled: "s"
            case .filled: "f"
            case .firstMeeting: "m"
            case .conflict: "c"
            case .heldByDirection: "d"
            case .heldByBlank: "b"
            case .heldByRule: "r"
            }
        return letter + arrow
    }
}

/// The tables as text, as they are kept in `Golden`.
enum DecisionTable {
    static var fields: String {
        var text = """
            How one field is decided. Columns: direction/default/blanks. A value that was not read is -,
            a blank one is _. > writes to the app, < to the CRM; before it: f filled at the first
            meeting, m first meeting, c conflict. ? not read, . settled, = agreed by themselves,
            d held by the direction, b held because clearing is not carried.


            """
        let head = FieldSettings.all.map {
            "\($0.direction.rawValue)/\($0.winner.rawValue)/\($0.blanks.rawValue)"
        }
        text += "base     now      " + head.map { padded($0, 18) }.joined() + "\n"
        for one in FieldCase.all {
            let cells = FieldSettings.all.map { settings in
                padded(FieldDecision(crm: one.crm, app: one.app, limits: settings.limits).sign, 18)
            }
            let base = "\(sign(one.crm.base))  \(sign(one.app.base))"
            let now = "\(sign(one.crm.now))  \(sign(one.app.now))"
            text += trimmedEnd("\(padded(base, 9))\(padded(now, 9))\(cells.joined())") + "\n"
        }
        return text
    }

    /// How a field is decided whose values can be equal and spelled differently.
    static var spellings: String {
        var text = """
            How a phone number is decided; 1-2 and 12 are one number. Columns, signs: as for other fields,
            and s for the spelling of an equal value.


            """
        let head = FieldSettings.all.map {
            "\($0.direction.rawValue)/\($0.winner.rawValue)/\($0.blanks.rawValue)"
        }
        text += "base      now       " + head.map { padded($0, 18) }.joined() + "\n"
        let values = ["", "1-2", "12", "3"]
        for base in [("1-2", "12"), ("12", "12")] {
            for crm in values {
                for app in values {
                    let readings = (
                        FieldDecision.Reading(base: base.0, now: crm),
                        FieldDecision.Reading(base: base.1, now: app)
                    )
                    let cells = FieldSettings.all.map { settings in
                        let limits = settings.limits(.phone)
                        return padded(
                            FieldDecision(crm: readings.0, app: readings.1, limits: limits).sign, 18
                        )
                    }
                    let line =
                        padded("\(sign(base.0)) \(sign(base.1))", 10)
                        + padded("\(sign(crm)) \(sign(app))", 10) + cells.joined()
                    text += trimmedEnd(line) + "\n"
                }
            }
        }
        return text
    }

    static var records: String {
        var text = """
            What happens to a record as a whole. CRM and app side: absent, present, edited (present and
            changed since the sides agreed), deleted. `met`: the two have been in sync before.


            """
        for (crm, app, wasReconciled) in sides {
            for direction in Direction.allCases {
                for rule in DeletionRule.allCases {
                    let plan = Planner(PlanCase.settings(direction: direction, deletions: rule))
                        .plan(PlanCase.view(crm, app, wasReconciled: wasReconciled))
                    let line =
                        "\(padded(crm, 9))\(padded(app, 9))\(padded(wasReconciled ? "met" : "new", 5))"
                        + "\(padded(direction.rawValue, 8))\(padded(rule.rawValue, 11))\(words(plan))"
                    text += line + "\n"
                }
            }
        }
        return text
    }

    static let presences = ["absent", "present", "edited", "deleted"]

    static var sides: [(String, String, Bool)] {
        presences.flatMap { crm in
            presences.flatMap { app in [false, true].map { (crm, app, $0) } }
        }
    }

    private static func words(_ plan: Plan) -> String {
        let actions = plan.actions.map { action in
            switch action {
            case .create(let side, _): "create in \(side.rawValue)"
            case .write(let side, let values):
                "write \(values.keys.sorted().map(\.text).joined(separator: "+")) in \(side.rawValue)"
            case .delete(let side): "delete in \(side.rawValue)"
            case .forget: "forget"
            }
        }
        let state =
            if case .excluded(let reason) = plan.state { "excluded (\(reason.rawValue))" } else {
                plan.state.kind.rawValue
            }
        return (actions.isEmpty ? "nothing" : actions.joined(separator: ", ")) + " -> " + state
    }

    private static func sign(_ value: String?) -> String {
        value.map { $0.isEmpty ? "_" : $0 } ?? "-"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private static func trimmedEnd(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }
}

/// A record of two fields in every state.
enum PlanCase {
    static func settings(
        direction: Direction = .both, winner: Side = .crm, blanks: BlankRule = .keep,
        deletions: DeletionRule = .track
    ) -> SyncSettings {
        SyncSettings(
            name: "s", connection: "c", app: "test",
            mapping: ObjectMapping(
                object: "things", appObject: "things",
                fields: [FieldMapping("one", "1"), FieldMapping("two", "2")]),
            direction: direction, winner: winner, deletions: deletions, blanks: blanks)
    }

    static func view(_ crm: String, _ app: String, wasReconciled: Bool) -> PairView {
        let base: Values = wasReconciled ? ["one": "a", "two": "a"] : [:]
        return PairView(
            crm: presence(crm), app: presence(app), crmBase: base, appBase: base,
            wasReconciled: wasReconciled)
    }

    private static func presence(_ word: String) -> Presence {
        switch word {
        case "present": .present(["one": "a", "two": "a"])
        case "edited": .present(["one": "b", "two": "a"])
        case "deleted": .deleted
        default: .absent
        }
    }
}
