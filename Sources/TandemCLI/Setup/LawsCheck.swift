import AdapterKit
import Synchronization
import TandemModel
import TandemSupport

/// Holds the app of one sync to the adapter laws (`tandem check --laws`).
struct LawsCheck {
    let sync: SyncSettings
    let app: any Adapter

    /// A field that takes no more characters than this is not one for the laws of text.
    private static let shortest = 20

    struct Findings: Encodable {
        let laws: [Row]
        /// Test records that could not be taken away again.
        let left: [Left]
    }

    struct Row: Encodable {
        let law: String
        let verdict: String
        let detail: String
    }

    struct Left: Encodable {
        let id: String
        let reason: String
    }

    /// Holds the app to each law in turn.
    ///
    /// - Parameter note: Called after each law with its name.
    /// - Returns: A row for each law, and what stays in the app.
    /// - Throws: ``CommandFailure`` if the mapping has too few fields to write; ``AppError`` if the
    ///   app cannot be reached at all.
    func findings(note: (String) throws -> Void) async throws -> Findings {
        let left = Mutex<[Left]>([])
        let subject = try subject(await app.profile().fields) { id, reason in
            left.withLock { $0.append(Left(id: id.text, reason: reason)) }
        }
        var rows: [Row] = []
        for law in AppLaw.allCases {
            rows.append(try await row(law, subject))
            try note(law.rawValue)
        }
        return Findings(laws: rows, left: left.withLock { $0 })
    }

    private func row(_ law: AppLaw, _ subject: LawSubject) async throws -> Row {
        do {
            switch try await law.check(subject) {
            case .kept: return Row(law: law.rawValue, verdict: "kept", detail: "")
            case .notClaimed(let why):
                return Row(law: law.rawValue, verdict: "not claimed", detail: why)
            }
        } catch let broken as AppLaw.Broken {
            return Row(law: law.rawValue, verdict: "BROKEN", detail: broken.what)
        } catch let error as AppError {
            return Row(law: law.rawValue, verdict: "BROKEN", detail: error.message)
        }
    }

    /// Records with a text in every field of text that the mapping writes, and an address that
    /// belongs to nobody (RFC 2606).
    private func subject(
        _ schema: [FieldSchema], leave: @escaping @Sendable (AppRecordID, String) -> Void
    ) throws -> LawSubject {
        let writable = sync.mapping.fields.filter {
            $0.direction.allows(writingTo: .app) && $0.template == nil && $0.options.isEmpty
                && $0.association == nil
        }
        let said = Dictionary(schema.map { ($0.field, $0) }, uniquingKeysWith: { $1 })
        // What takes a few words only, or very short texts, shows nothing of how texts are kept.
        let texts = writable.filter { field in
            field.type == .string && field.namePart == nil
                && said[field.app]?.options.isEmpty ?? true
                && said[field.app]?.maximumLength ?? 100 >= Self.shortest
        }
        let free = texts.filter {
            !$0.isRequired && said[$0.app]?.isRequired != true && $0.crm != "name"
                && $0.crm != "lastname"
        }
        guard let first = free.first ?? texts.first, let last = free.last ?? texts.last else {
            throw CommandFailure.failed(
                "the laws need a field of text that the mapping of \(sync.name) writes and that takes "
                    + "any text; add a line for one, such as `{crm: city, app: …}`")
        }
        let limits = schema.filter { [first.app, last.app].contains($0.field) }
            .compactMap(\.maximumLength)
        let mark = AppContext.now.milliseconds
        return LawSubject(
            app, texts: (first.app, last.app), textLimit: limits.min() ?? 100,
            values: { number in
                writable.reduce(into: [:]) { values, field in
                    switch field.type {
                    case .string:
                        values[field.app] = said[field.app]?.options.first ?? "Law \(number)"
                    case .email: values[field.app] = TestRecord.address("\(number)-\(mark)")
                    default: break
                    }
                    if field.crm == "domain" {
                        values[field.app] = TestRecord.domain("\(number)-\(mark)")
                    }
                    if let length = said[field.app]?.maximumLength {
                        values[field.app] = values[field.app].map { String($0.prefix(length)) }
                    }
                }
            }, now: { AppContext.now }, wait: { try? await Task.sleep(for: .seconds($0)) },
            leave: leave)
    }
}
