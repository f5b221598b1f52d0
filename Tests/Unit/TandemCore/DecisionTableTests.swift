import Foundation
import TandemCore
import TandemModel
import Testing

@Suite struct `Deciding every case` {
    static let columns = FieldSettings.all

    @Test(arguments: columns)
    func `a field that neither side moved is not written (I2)`(_ settings: FieldSettings) {
        for one in FieldCase.all where one.crm.base != nil && one.app.base != nil {
            guard one.crm.now == one.crm.base, one.app.now == one.app.base else { continue }
            let decision = FieldDecision(crm: one.crm, app: one.app, limits: settings.limits)
            #expect(decision.target == nil, "\(one)")
        }
    }

    @Test(arguments: columns)
    func `a side that alone moved is never written over (I7)`(_ settings: FieldSettings) {
        var reached = 0
        for one in FieldCase.all {
            guard let crm = one.crm.now, let app = one.app.now, let crmBase = one.crm.base,
                let appBase = one.app.base, (crm != crmBase) != (app != appBase)
            else { continue }
            let decision = FieldDecision(crm: one.crm, app: one.app, limits: settings.limits)
            #expect(decision.target != (crm != crmBase ? .crm : .app), "\(one)")
            reached += decision.target == nil ? 0 : 1
        }
        #expect(reached > 5)
    }

    @Test(arguments: columns)
    func `what a write takes away was seen or is kept as lost (I1)`(_ settings: FieldSettings) {
        for one in FieldCase.all {
            let decision = FieldDecision(crm: one.crm, app: one.app, limits: settings.limits)
            guard let target = decision.target else { continue }
            let reading = decision.reading(target)
            let wasSeen = reading.now == reading.base && one.crm.base == one.app.base
            #expect(
                reading.now?.isEmpty == true || wasSeen || decision.lost == reading.now, "\(one)")
        }
    }

    @Test(arguments: columns)
    func `nothing is written against the direction (I8)`(_ settings: FieldSettings) {
        for one in FieldCase.all {
            let decision = FieldDecision(crm: one.crm, app: one.app, limits: settings.limits)
            if let target = decision.target {
                #expect(settings.direction.allows(writingTo: target), "\(one)")
            }
        }
    }

    @Test(arguments: columns)
    func `swapping the sides swaps the result (I15)`(_ settings: FieldSettings) {
        for one in FieldCase.all {
            let plain = FieldDecision(crm: one.crm, app: one.app, limits: settings.limits)
            let mirror = FieldDecision(
                crm: one.app, app: one.crm, limits: settings.swapped.limits)
            #expect(plain.kind == mirror.kind && plain.target == mirror.target?.other, "\(one)")
        }
    }

    @Test(arguments: columns)
    func `a decision that was carried out never comes back`(_ settings: FieldSettings) {
        for one in FieldCase.all {
            let decision = FieldDecision(crm: one.crm, app: one.app, limits: settings.limits)
            guard decision.target != nil, let value = decision.value else { continue }
            let settled = FieldDecision.Reading(base: value, now: value)
            let again = FieldDecision(crm: settled, app: settled, limits: settings.limits)
            #expect(again.kind == .settled, "\(one)")
        }
    }

    /// The plan of a record is the sum of the decisions of its fields, in any order (I13, I14).
    @Test(arguments: [BlankRule.keep, .clear])
    func `two fields do not bear on each other`(_ blanks: BlankRule) throws {
        let planner = Planner(PlanCase.settings(blanks: blanks))
        var turned = PlanCase.settings(blanks: blanks)
        turned.mapping.fields.reverse()
        for first in FieldCase.all {
            for second in FieldCase.all where first != second {
                let view = Self.view(first, second)
                let plan = planner.plan(view)
                #expect(plan == Planner(turned).plan(view))
                let limits = FieldSettings(direction: .both, winner: .crm, blanks: blanks).limits
                let alone = FieldDecision(crm: first.crm, app: first.app, limits: limits)
                #expect(plan.decisions["one"] == alone)
            }
        }
    }

    private static func view(_ first: FieldCase, _ second: FieldCase) -> PairView {
        func values(_ pick: (FieldCase) -> String?) -> Values {
            var values: Values = [:]
            values["one"] = pick(first)
            values["two"] = pick(second)
            return values
        }
        return PairView(
            crm: .present(values(\.crm.now)), app: .present(values(\.app.now)),
            crmBase: values(\.crm.base), appBase: values(\.app.base), wasReconciled: true)
    }

    @Test func `deletes happen only where a rule asks for them and nothing was edited (I9)`() {
        var deletes = 0
        for (crm, app, wasReconciled) in DecisionTable.sides {
            for direction in Direction.allCases {
                for rule in DeletionRule.allCases {
                    let plan = Planner(PlanCase.settings(direction: direction, deletions: rule))
                        .plan(PlanCase.view(crm, app, wasReconciled: wasReconciled))
                    for case .delete(let side) in plan.actions {
                        deletes += 1
                        #expect(
                            rule == .propagate && wasReconciled && direction.allows(writingTo: side)
                        )
                        #expect((side == .crm ? app : crm) == "deleted")
                        #expect((side == .crm ? crm : app) == "present")
                    }
                }
            }
        }
        #expect(deletes == 4)
    }

    /// The tables are kept as text, so that a change of a decision is seen where it is reviewed.
    ///
    /// Run with `UPDATE_GOLDEN=1` to write them anew.
    @Test(arguments: ["fields", "spellings", "records"])
    func `the decision tables are as they were reviewed`(_ name: String) throws {
        let tables = [
            "fields": DecisionTable.fields, "spellings": DecisionTable.spellings,
            "records": DecisionTable.records,
        ]
        let text = try #require(tables[name])
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Golden/\(name).txt")
        if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        let golden = try String(contentsOf: file, encoding: .utf8)
        let changed = zip(
            text.split(separator: "\n", omittingEmptySubsequences: false),
            golden.split(separator: "\n", omittingEmptySubsequences: false)
        ).first { $0 != $1 }
        #expect(text == golden, "first difference: \(changed.map { "\($0)\n\($1)" } ?? "length")")
    }
}
