import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel

/// Unique values that the app moved among several of its records: in the CRM they move together or not at
/// all, because one after the other each would find its value taken.
extension PlanStep {
    /// Another record that has what a pair is to get, and its pair.
    private struct Owner {
        let pair: Pair
        let record: CRMRecord
    }

    /// One of the records did not give up its value.
    private struct Kept: Error {}

    /// More records than this do not exchange their values at once.
    private static let exchangeLimit = 200

    /// Writes values to a pair's CRM record, and to the records that own some of them what the app says
    /// that those have instead.
    ///
    /// - Returns: `nil` if nobody gives up a value, and nothing was written; otherwise as
    ///   ``write(_:to:)``.
    mutating func exchange(_ values: Values, of pair: inout Pair) throws -> Bool? {
        guard exchanged.isEmpty, let owners = try owners(of: values, pair), !owners.isEmpty else {
            return nil
        }
        let before = (self, pair)
        do {
            return try tx.connection.nested {
                let records = owners.map(\.record.id) + [pair.crmID].compactMap(\.self)
                for record in records { try tx.writer.release(record) }
                exchanged = Set(owners.map(\.pair.id))
                let isOpen = try write(values, to: &pair)
                for owner in owners { try carryOut(owner.pair, record: owner.record) }
                do { for record in records { try tx.writer.claim(record) } } catch is CRMError {
                    throw Kept()
                }
                done.formUnion(exchanged)
                exchanged = []
                return isOpen
            }
        } catch is Kept {
            (self, pair) = before
            return nil
        }
    }

    /// The records that must change for a pair to get these values; `nil` if one of them is not to be
    /// changed by this sync.
    private func owners(of values: Values, _ pair: Pair) throws -> [Owner]? {
        guard let id = pair.crmID else { return nil }
        var owners: [Owner] = []
        var known: Set<RecordID> = [id]
        var open = [(id, values)]
        while let (id, values) = open.popLast() {
            let accepted = checked(try links.incoming(values).properties).0
            for owner in try tx.writer.owners(of: accepted, for: id, cycle.sync.object)
            where known.insert(owner).inserted {
                guard owners.count < Self.exchangeLimit, let other = try tx.pairs.pair(crm: owner),
                    let record = try tx.crm.record(owner),
                    let wanted = Planner(cycle.sync).plan(try view(of: other, record).0)
                        .values(writtenTo: .crm)
                else { return nil }
                owners.append(Owner(pair: other, record: record))
                open.append((owner, wanted))
            }
        }
        return owners
    }
}
