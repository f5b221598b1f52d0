import TandemModel
import TandemTesting

/// Holds the app of one sync to the adapter laws (`tandem check --laws`).
struct LawsCheck {
    let sync: SyncSettings
    let app: any App

    struct Row: Encodable {
        let law: String
        let verdict: String
        let detail: String
    }

    /// - Returns: A row for each law.
    /// - Throws: ``CommandFailure`` if the mapping has too few fields to write; ``AppError`` if the
    ///   app cannot be reached at all.
    func rows() async throws -> [Row] {
        try await app.prepare()
        let subject = try subject(await app.profile().fields)
        var rows: [Row] = []
        for law in AppLaw.allCases {
            do {
                switch try await law.check(subject) {
                case .kept: rows.append(Row(law: law.rawValue, verdict: "kept", detail: ""))
                case .notClaimed(let why):
                    rows.append(Row(law: law.rawValue, verdict: "not claimed", detail: why))
                }
            } catch let broken as AppLaw.Broken {
                rows.append(Row(law: law.rawValue, verdict: "BROKEN", detail: broken.what))
            } catch let error as AppError {
                rows.append(Row(law: law.rawValue, verdict: "BROKEN", detail: error.message))
            }
        }
        return rows
    }

    /// Records with a text in every field of text that the mapping writes, and an address that
    /// belongs to nobody (RFC 2606).
    private func subject(_ schema: [FieldSchema]) throws -> LawSubject {
        let writable = sync.mapping.fields.filter {
            $0.direction.allows(writingTo: .app) && $0.template == nil && $0.options.isEmpty
                && $0.association == nil
        }
        let texts = writable.filter { $0.type == .string && $0.namePart == nil }
        let free = texts.filter { !$0.isRequired && $0.crm != "name" && $0.crm != "lastname" }
        guard let first = free.first, let last = free.last, first.app != last.app else {
            throw CommandFailure.failed(
                "the laws need two text fields that the mapping of \(sync.name) writes and the app "
                    + "does not require; add lines for two, such as `{crm: city, app: …}`")
        }
        let limits = schema.filter { [first.app, last.app].contains($0.field) }
            .compactMap(\.maximumLength)
        let mark = World.now.milliseconds
        return LawSubject(
            app, texts: (first.app, last.app), textLimit: limits.min() ?? 100,
            values: { number in
                writable.reduce(into: [:]) { values, field in
                    switch field.type {
                    case .string: values[field.app] = "Law \(number)"
                    case .email: values[field.app] = "law-\(number)-\(mark)@example.invalid"
                    default: break
                    }
                    if field.crm == "domain" {
                        values[field.app] = "law-\(number)-\(mark).example.invalid"
                    }
                }
            }, now: { World.now }, wait: { try? await Task.sleep(for: .seconds($0)) })
    }
}
