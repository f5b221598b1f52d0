import TandemCRM
import TandemDatabase
import TandemModel
import TandemSync

/// CRM users who merge records, split them again, and forget people.
extension SimWorld {
    func mergeInCRM() {
        inCRM("merged") { reader, writer in
            let all = try reader.records(of: object, after: RecordID(0), limit: 500)
            guard all.count > 1 else { return nil }
            let one = random.pick(all)
            let other = random.pick(all.filter { $0.id != one.id })
            let result = try writer.merge(one.id, other.id)
            count(.crmMerge)
            forget(values(of: [one, other]), but: values(of: [result]))
            watch.twins.removeAll { !$0.crm.filter { [one.id, other.id].contains($0) }.isEmpty }
            say("CRM user: records \(one.id) and \(other.id) become \(result.id)")
            return result.id
        }
    }

    func unmergeInCRM() {
        inCRM("unmerged") { reader, writer in
            let all = try reader.records(of: object, after: RecordID(0), limit: 500)
            let merged = try all.filter { try reader.merge(of: $0.id) != nil }
            guard !merged.isEmpty else { return nil }
            let result = random.pick(merged)
            let undone = try writer.unmerge(result.id)
            count(.crmUnmerge)
            let parts = try [undone.merge.primary, undone.merge.secondary]
                .compactMap { try reader.record($0) }
            // What was written since is listed for the user.
            forget(values(of: [result]), but: values(of: parts))
            return result.id
        }
    }

    func eraseInCRM() {
        var ids: Set<RecordID> = []
        defer { forgetConflicts(of: ids) }
        inCRM("forgotten for good") { reader, writer in
            let all = try reader.records(of: object, after: RecordID(0), limit: 500)
            guard !all.isEmpty else { return nil }
            let record = random.pick(all)
            let history = try reader.history(of: record.id)
            ids = Set(history.map(\.recordID))
            try writer.erase(record.id)
            count(.crmErase)
            forget(history.flatMap { $0.patch.values } + values(of: [record]), but: [])
            erased.formUnion(ids)
            return record.id
        }
    }

    /// With a record the conflict log loses what was kept of it there.
    private func forgetConflicts(of ids: Set<RecordID>) {
        let kept = try? userStore.database.read { connection in
            try storedNames.compactMap { try SyncTable(connection).state($0)?.id }
                .flatMap { try journal(of: $0, in: connection) }
                .filter { $0.crmID.map(ids.contains) ?? false }
                .flatMap { Array($0.before.values) }
        }
        forget(kept ?? [], but: [])
    }

    private func values(of records: [CRMRecord]) -> [String] {
        records.flatMap { $0.properties.values }.flatMap {
            ValueType.parts($0)
        }
    }

    /// The user saw these values and let go of them.
    private func forget(_ values: [String], but kept: [String]) {
        let kept = Set(kept.compactMap(Oracle.token))
        for value in values.sorted() where Oracle.token(value).map({ !kept.contains($0) }) ?? false
        {
            oracle.record(old: value, new: "", at: "a merge or a deletion")
        }
    }
}
