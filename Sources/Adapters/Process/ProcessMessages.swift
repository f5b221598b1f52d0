import AdapterKit
import FoundationEssentials
import TandemModel
import TandemSupport

// What Docs/process.md says, one initialiser or property for each thing.

extension AppCapabilities {
    init(process said: JSON) {
        func number(_ name: String, _ otherwise: Int64, _ range: ClosedRange<Int64>) -> Int {
            Int(min(max(said[name]?.integer ?? otherwise, range.lowerBound), range.upperBound))
        }
        func flag(_ name: String, _ otherwise: Bool) -> Bool { said[name]?.flag ?? otherwise }
        let safety: CreateSafety =
            switch said["create-safety"]?.text {
            case "client-id": .clientID
            case "lookup": .lookupByKey
            default: .search(lagSeconds: Int64(number("search-lag", 60, 0...86_400)))
            }
        self.init(
            conditionalWrites: flag("conditional-writes", false), createSafety: safety,
            readBatch: number("read-batch", 100, 1...5_000),
            writeBatch: number("write-batch", 50, 1...5_000),
            readLagSeconds: Int64(number("read-lag", 0, 0...86_400)),
            canDelete: flag("deletes", true), reportsDeletions: flag("reports-deletions", false),
            listsWholeRecords: flag("lists-whole-records", false),
            putsBackOriginals: flag("puts-back-originals", false),
            isReadOnly: flag("read-only", false))
    }
}

extension FieldSchema {
    init?(process said: JSON) {
        guard let name = said["name"]?.text, !name.isEmpty else { return nil }
        self.init(
            AppField(name), type: said["type"]?.text.flatMap(ValueType.init(rawValue:)),
            isWritable: said["writable"]?.flag ?? true, isRequired: said["required"]?.flag ?? false,
            options: (said["options"]?.elements ?? []).compactMap(\.field),
            maximumLength: said["max-length"]?.integer.map { Int($0) })
    }
}

extension JSON {
    /// `after` in seconds, from 0 to a day.
    var waitSeconds: Int64? { self["after"]?.integer.map { min(max($0, 0), 86_400) } }

    static func object(process values: [AppField: String]) -> JSON {
        .object(values.reduce(into: [:]) { $0[$1.key.text] = .text($1.value) })
    }
}

extension AppRecord {
    /// `nil` for what has no id.
    init?(process said: JSON) {
        guard let id = said["id"]?.field, !id.isEmpty else { return nil }
        func moment(_ name: String) -> Timestamp? {
            said[name]?.text.flatMap { Timestamp(rfc3339: $0) }
        }
        let values = (said["values"]?.members ?? [:]).reduce(into: [AppField: String]()) {
            $0[AppField($1.key)] = $1.value.fieldOrSet
        }
        self.init(
            id: AppRecordID(id), version: said["version"]?.field, values: values,
            createdAt: moment("created"), modifiedAt: moment("modified"))
    }
}

extension Refusal {
    init(process said: JSON) {
        let category = said["category"]?.text.flatMap(FailureCategory.init(rawValue:))
        self.init(
            category ?? .invalidValue, said["message"]?.field ?? "no reason given",
            otherID: said["other"]?.field)
    }
}

extension ChangePage {
    init(process said: JSON) {
        self.init(
            cursor: said["cursor"]?.field.map { Cursor($0) },
            mayHaveDrifted: !(said["stable"]?.flag ?? false),
            isCompleteListing: said["complete"]?.flag ?? false)
        for (place, record) in (said["records"]?.elements ?? []).enumerated() {
            if let record = AppRecord(process: record) {
                records.append(record)
            } else {
                addNameless("record", place)
            }
        }
        for (place, listed) in (said["seen"]?.elements ?? []).enumerated() {
            if let id = listed["id"]?.field, !id.isEmpty {
                listedVersions.append(
                    .init(id: AppRecordID(id), version: listed["version"]?.field))
            } else {
                addNameless("seen", place)
            }
        }
        for (place, bad) in (said["bad"]?.elements ?? []).enumerated() {
            if let id = bad["id"]?.field, !id.isEmpty {
                unreadable.append(
                    .init(
                        id: AppRecordID(id), version: bad["version"]?.field,
                        refusal: Refusal(process: bad)))
            } else {
                addNameless("bad", place)
            }
        }
        gone = (said["gone"]?.elements ?? []).compactMap(\.field).map { AppRecordID($0) }
    }

    private mutating func addNameless(_ list: String, _ place: Int) {
        let location = AppLocation("element \(place + 1) of `\(list)`")
        unidentified.append(.init(location, "\(location) has no id"))
    }
}

extension AppWrite {
    var process: [String: JSON] {
        func addressed(_ name: String, _ id: AppRecordID, _ version: String?) -> [String: JSON] {
            [name: .text(id.text), "version": version.map { .text($0) } ?? .null]
        }
        let values = ["values": JSON.object(process: values)]
        return switch kind {
        case .create(let key):
            ["create": .text(key)].merging(values) { $1 }
                .merging(original.map { ["original": .text($0)] } ?? [:]) { $1 }
        case .update(let id, let version):
            addressed("update", id, version).merging(values) { $1 }
        case .delete(let id, let version): addressed("delete", id, version)
        }
    }
}

extension WriteOutcome {
    init(process said: JSON) {
        if let record = said["written"].flatMap(AppRecord.init(process:)) {
            self = .written(record)
        } else if let record = said["exists"].flatMap(AppRecord.init(process:)) {
            self = .exists(record)
        } else if let id = said["accepted"]?.field {
            self =
                id.isEmpty
                ? .madeUnnamed("the program accepted a record without an id")
                : .accepted(AppRecordID(id), version: said["version"]?.field)
        } else if said["deleted"]?.flag == true {
            self = .deleted
        } else if said["conflict"]?.flag == true {
            self = .conflict
        } else if said["gone"]?.flag == true {
            self = .gone
        } else if let refusal = said["refused"] {
            self = .refused(Refusal(process: refusal))
        } else if let later = said["later"] {
            let refusal = Refusal(process: later)
            let category = later["category"] == nil ? .appUnavailable : refusal.category
            self = .notNow(category, refusal.message, afterSeconds: later.waitSeconds)
        } else {
            self = .unknown(said["unknown"]?.field ?? "the program gave no outcome")
        }
    }
}
