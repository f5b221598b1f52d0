import TandemCore
import TandemDatabase
package import TandemModel

/// Unique values that go round among several records in one transaction, each giving up what the next one
/// takes: exchanged addresses, chains and rings of them.
extension CRMWriter {
    /// Other records that have a unique value which these values would give to a record.
    ///
    /// - Throws: As ``update(_:_:)`` for values that do not fit.
    package func owners(of values: Values, for id: RecordID, _ object: ObjectName) throws
        -> [RecordID]
    {
        // Most writes hold none.
        if !keys(of: values, object).contains(where: \.isUnique) { return [] }
        let old = try living(id)
        let new = old.properties.merging(
            AddressSet(old.object)?.whole(values, over: old.properties) ?? values
        ) { $1 }
        let taken = keys(of: new, old.object).filter(\.isUnique)
        return try Set(taken.compactMap { try owner(of: $0, old.object) }).subtracting([id])
            .sorted { $0.number < $1.number }
    }

    /// Lets others take the unique values of a record that gets other ones in this transaction.
    ///
    /// Until it ends, ``claim(_:)`` has to be called for the record, or the transaction be undone.
    package func release(_ id: RecordID) throws {
        let old = try living(id)
        try remove(keys(of: old.properties, old.object).filter(\.isUnique), of: id, old.object)
    }

    /// Ends ``release(_:)``: the record owns all unique values again that it has.
    ///
    /// - Throws: ``CRMError/duplicateEmail(_:of:)``, ``CRMError/duplicateValue(_:_:of:)`` if it did not give
    ///   up one that another record took.
    package func claim(_ id: RecordID) throws {
        let record = try living(id)
        let keys = keys(of: record.properties, record.object).filter(\.isUnique)
        try requireFree(keys, for: id, in: record.object)
        let missing = try keys.filter { try owner(of: $0, record.object) == nil }
        try add(missing, of: id, record.object)
    }
}
