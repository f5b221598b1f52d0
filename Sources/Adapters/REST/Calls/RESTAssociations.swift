import AdapterKit
import TandemModel
import TandemSupport

/// Fields that name other records and that calls of their own read and write.
extension RESTAdapter {
    private var associations: [(field: AppField, how: RESTDescription.Association)] {
        object.shape.associations.filter { fields.contains($0.key) }
            .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Records with the values of such fields.
    ///
    /// - Throws: ``AppError`` if one of the calls fails.
    func associated(_ records: [AppRecord]) async throws(AppError) -> [AppRecord] {
        var records = records
        for (field, how) in associations {
            let targets = try await targets(of: records.map(\.id), how)
            records = records.map { record in
                AppRecord(
                    id: record.id, version: record.version,
                    values: record.values.merging([field: targets[record.id] ?? ""]) { $1 },
                    createdAt: record.createdAt, modifiedAt: record.modifiedAt)
            }
        }
        return records
    }

    private func targets(of ids: [AppRecordID], _ how: RESTDescription.Association)
        async throws(AppError) -> [AppRecordID: String]
    {
        var targets: [AppRecordID: String] = [:]
        for chunk in ids.chunks(of: how.read.size) {
            var arguments = Arguments()
            arguments.ids = Array(chunk)
            let answer = try await connection.call(how.read.call, arguments)
            guard let found = answer.elements(how.read.records) else {
                throw unexpected(how.read.call, without: how.read.records.list)
            }
            for json in found {
                guard let from = json.at(how.from)?.field else { continue }
                let places = how.to.lazy.compactMap { FieldPath($0).value(in: json)?.field }
                targets[AppRecordID(from)] = places.first ?? ""
            }
        }
        return targets
    }

    /// The fields of a write that go into the record itself.
    func ownValues(_ values: [AppField: String]) -> [AppField: String] {
        values.filter { object.shape.associations[$0.key] == nil }
    }

    /// Makes the associations that a write wants, after the record is written.
    ///
    /// - Throws: ``AppError`` if one of the calls fails; the record then shows what is missing.
    func associate(_ id: AppRecordID, _ values: [AppField: String]) async throws(AppError) {
        for (field, how) in associations {
            guard let wanted = values[field] else { continue }
            let held = try await targets(of: [id], how)[id] ?? ""
            if held == wanted { continue }
            if !wanted.isEmpty { try await call(how.set, id, wanted) }
            if !held.isEmpty { try await call(how.clear, id, held) }
        }
    }

    private func call(_ call: RESTDescription.Call, _ id: AppRecordID, _ target: String)
        async throws(AppError)
    {
        var arguments = Arguments()
        arguments.texts = ["id": id.text, "value": target]
        _ = try await connection.call(call, arguments)
    }
}
