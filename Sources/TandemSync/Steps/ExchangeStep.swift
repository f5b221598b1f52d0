import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel

/// Unique values that the app moved among several of its records: in the CRM they move together or not at
/// all, because one after the other each would find its value taken.
extension PlanStep {
    /// Another record that has what a pair is to get, its pair, and what it is to get itself.
    private struct Owner {
        let pair: Pair
        let record: CRMRecord
        let wanted: Values
    }

    /// One of the records did not give up its value.
    private struct Kept: Error {}

    private static let additional: PropertyName = "hs_additional_emails"

    /// More records than this do not exchange their values at once.
    private static let exchangeLimit = 200

    /// Writes values to a pair's CRM record, and to the records that own some of them what the app says
    /// that those have instead.
    ///
    /// `accepted` is what the CRM takes of the values.
    ///
    /// - Returns: `nil` if nobody gives up a value, and nothing was written; otherwise as
    ///   ``write(_:to:)``.
    mutating func exchange(_ values: Values, _ accepted: Values, of pair: inout Pair) throws
        -> Bool?
    {
        guard !isExchanging, !cycle.tuning.defects.has(.movesOneByOne), let id = pair.crmID,
            let owners = try owners(of: accepted, pair), !owners.isEmpty
        else {
            return nil
        }
        let before = (self, pair)
        do {
            return try tx.connection.nested {
                let records = owners.map(\.record.id) + [id]
                for record in records { try tx.writer.release(record) }
                isExchanging = true
                firsts = firstAddresses(owners.map { ($0.record.id, $0.wanted) } + [(id, accepted)])
                let isOpen = try write(values, to: &pair)
                for owner in owners { try applyPlan(owner.pair, record: owner.record) }
                do { for record in records { try tx.writer.claim(record) } } catch is CRMError {
                    throw Kept()
                }
                done.formUnion(owners.map(\.pair.id))
                (isExchanging, firsts) = (false, [:])
                return isOpen
            }
        } catch is Kept {
            (self, pair) = before
            return nil
        }
    }

    /// Whose first address an address becomes when records get these values.
    private func firstAddresses(_ wanted: [(RecordID, Values)]) -> [String: RecordID] {
        wanted.reduce(into: [:]) { firsts, wanted in
            guard let address = wanted.1["email"], !address.isEmpty else { return }
            firsts[address.lowercased()] = wanted.0
        }
    }

    /// In an exchange, nobody keeps as a second address what becomes the first one of another record; that
    /// fails the field, as for any address that has an owner.
    func giveWay(
        _ accepted: inout Values, _ refusals: inout [PropertyName: Refusal], of id: RecordID
    ) {
        guard isExchanging, let list = accepted[Self.additional] else { return }
        let kept = ValueType.parts(list).filter { address in
            guard let owner = firsts[address.lowercased()], owner != id else { return true }
            refusals[Self.additional] = CRMError.duplicateEmail(address, of: owner).refusal
            return false
        }
        accepted[Self.additional] = kept.joined(separator: ";")
    }

    /// The records that must change for a pair to get these values; `nil` if one of them is not to be
    /// changed by this sync.
    private func owners(of values: Values, _ pair: Pair) throws -> [Owner]? {
        guard let id = pair.crmID else { return nil }
        var owners: [Owner] = []
        var known: Set<RecordID> = [id]
        var open = [(id, values)]
        while let (id, values) = open.popLast() {
            for owner in try tx.writer.owners(of: values, for: id, cycle.sync.object)
            where known.insert(owner).inserted {
                guard owners.count < Self.exchangeLimit, let other = try tx.pairs.pair(crm: owner),
                    let record = try tx.crm.record(owner),
                    let plan = Planner(cycle.sync).plan(try view(of: other, record).0)
                        .values(writtenTo: .crm)
                else {
                    // A further address that somebody keeps is left out of the list, and stops nobody.
                    let needed = values.filter { $0.key != Self.additional }
                    let keepers = try tx.writer.owners(of: needed, for: id, cycle.sync.object)
                    if keepers.contains(owner) { return nil }
                    known.remove(owner)
                    continue
                }
                let wanted = checked(try links.incoming(plan).properties).0
                owners.append(Owner(pair: other, record: record, wanted: wanted))
                open.append((owner, wanted))
            }
        }
        return owners
    }
}
