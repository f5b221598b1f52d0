package import TandemCore
import TandemDatabase
package import TandemModel

/// Records that are likely the same, with everything that speaks for it.
package struct DuplicateGroup: Hashable, Sendable {
    /// In ascending order of their ids: the oldest first.
    package let records: [CRMRecord]
    package let reasons: [DuplicateKey.Reason]
}

extension CRMReader {
    /// A key's hash and the record that has it: 16 bytes, so that a million records fit in memory.
    private struct Claim {
        let hash: UInt64
        let id: Int64
    }

    /// How many records of one group are shown; a key that more share is no sign of anything.
    package static var duplicateLimit: Int { 50 }

    /// Finds likely duplicates among the living contacts or companies, group by group, in the order
    /// of their oldest records.
    ///
    /// Reads every record once, and those of the groups once more. Memory: 16 bytes for each key,
    /// of which a record has about three.
    package func duplicates(of object: ObjectName, _ visit: (DuplicateGroup) throws -> Void) throws
    {
        var reasons: [[RecordID]: Set<DuplicateKey.Reason>] = [:]
        for ids in try suspects(object) {
            let records = try self.records(ids.map { RecordID($0) })
            // Equal hashes are a hint only.
            var sharing: [DuplicateKey: [RecordID]] = [:]
            for (id, record) in records.sorted(by: { $0.key < $1.key }) {
                for key in Set(DuplicateKey.keys(of: record.properties, object: object)) {
                    sharing[key, default: []].append(id)
                }
            }
            for (key, ids) in sharing where ids.count > 1 {
                reasons[ids, default: []].insert(key.reason)
            }
        }
        for (ids, why) in reasons.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let records = try self.records(ids)
            let order = DuplicateKey.Reason.allCases.filter(why.contains)
            try visit(DuplicateGroup(records: ids.compactMap { records[$0] }, reasons: order))
        }
    }

    /// The ids of records whose keys have equal hashes.
    private func suspects(_ object: ObjectName) throws -> [[Int64]] {
        var claims: [Claim] = []
        var last = RecordID(0)
        while case let batch = try records(of: object, after: last, limit: 1_000),
            let end = batch.last
        {
            for record in batch {
                for key in DuplicateKey.keys(of: record.properties, object: object) {
                    claims.append(Claim(hash: Self.hash(key), id: record.id.number))
                }
            }
            last = end.id
        }
        claims.sort { ($0.hash, $0.id) < ($1.hash, $1.id) }
        var groups: [[Int64]] = []
        var start = 0
        while start < claims.count {
            var end = start
            while end < claims.count, claims[end].hash == claims[start].hash { end += 1 }
            let ids = claims[start..<end].map(\.id)
            if ids.count > 1, ids.first != ids.last, ids.count <= Self.duplicateLimit {
                groups.append(ids)
            }
            start = end
        }
        return groups
    }

    /// FNV-1a: the same in every run.
    private static func hash(_ key: DuplicateKey) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in key.reason.rawValue.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        for byte in key.value.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return hash
    }
}
