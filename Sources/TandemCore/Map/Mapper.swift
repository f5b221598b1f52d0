package import TandemModel
import TandemSupport

/// An app's record in CRM names, and the fields that could not be understood.
package struct MappedRecord: Hashable, Sendable {
    package let values: Values
    package let refusals: [PropertyName: Refusal]
}

/// Fields ready to be written to the app, and those that cannot be.
package struct AppFields: Hashable, Sendable {
    package var fields: [AppField: String] = [:]
    package var refusals: [PropertyName: Refusal] = [:]
}

extension ObjectMapping {
    /// Reads an app record in CRM names and canonical form.
    ///
    /// A field the app did not give stays missing; one that does not fit its type or has an
    /// unknown option is missing, too, with its refusal: a value that is not understood is no
    /// change. The rest of the record is not touched by it.
    package func crmValues(of app: [AppField: String]) -> MappedRecord {
        var values: Values = [:]
        var refusals: [PropertyName: Refusal] = [:]
        for field in fields {
            guard let raw = app[field.app] else { continue }
            switch field.crmValue(of: raw) {
            case .success(let value): values[field.crm] = value
            case .failure(let refusal): refusals[field.crm] = refusal
            }
        }
        return MappedRecord(
            values: AddressSet(object)?.listedOnce(values) ?? values, refusals: refusals)
    }

    /// The mapped part of a CRM record: every mapped property, blank if it has no value, and
    /// what the templates make of them.
    package func view(of properties: Values) -> Values {
        var values: Values = [:]
        for field in fields {
            values[field.crm] =
                field.template.map { Self.rendered($0, with: properties) }
                ?? properties[field.crm] ?? ""
        }
        return values
    }

    /// Turns values in CRM names into fields of the app.
    ///
    /// - Parameters:
    ///   - changes: What is to be written.
    ///   - current: What the app holds, in CRM names; gives name parts that do not change.
    ///   - isCreate: A create must fill every required field.
    /// - Returns: The fields that can be written, and a refusal for each that cannot.
    package func appFields(for changes: Values, current: Values, isCreate: Bool) -> AppFields {
        var result = AppFields()
        for field in fields {
            guard let value = changes[field.crm] else {
                if isCreate && field.isRequired { result.refusals[field.crm] = field.missing }
                continue
            }
            if field.isRequired && value.isEmpty {
                result.refusals[field.crm] = field.missing
            } else if field.namePart != nil {
                result.fields[field.app] =
                    fullName(field.app, in: current.merging(changes) { $1 }) ?? value
            } else if value.isEmpty || field.options.isEmpty {
                result.fields[field.app] = value
            } else if let option = field.options[value] {
                result.fields[field.app] = option
            } else {
                result.refusals[field.crm] = Refusal(
                    .optionUnknown, "\(field.crm): the app has no option for `\(value)`")
            }
        }
        return result
    }

    /// The values that match keys are made of: the mapped ones and the app's extra key fields.
    package func matchValues(_ mapped: Values, app: [AppField: String]) -> Values {
        var values = mapped
        for (property, keyFields) in matchKeys {
            let texts = keyFields.compactMap { app[$0] }.filter { !$0.isEmpty }
            guard !texts.isEmpty else { continue }
            if property == "email" {
                let all =
                    texts + [values["email"], values["hs_additional_emails"]].compactMap(\.self)
                values["hs_additional_emails"] = all.joined(separator: ";")
            } else if values[property, default: ""].isEmpty {
                values[property] = texts[0]
            }
        }
        return values
    }

    /// The full name that an app field stands for; `nil` if one of its parts is not known.
    package func fullName(_ app: AppField, in values: Values) -> String? {
        let parts = [NamePart.first, .last].compactMap { part in
            fields.first { $0.app == app && $0.namePart == part }
        }
        let texts = parts.compactMap { values[$0.crm] }
        guard texts.count == parts.count else { return nil }
        return texts.flatMap { $0.split(separator: " ") }.joined(separator: " ")
    }

    /// The same values with names split as those of the app are: of `Garcia Lopez`, only the last word
    /// is the last name.
    package func splitLikeApp(_ values: Values) -> Values {
        var split = values
        for field in fields {
            guard let part = field.namePart, let name = fullName(field.app, in: values) else {
                continue
            }
            split[field.crm] = field.part(part, of: name)
        }
        return split
    }

    /// Fills `{property}` places; blanks left by empty properties are folded.
    private static func rendered(_ template: String, with values: Values) -> String {
        template.filling { values[PropertyName($0)] ?? "" }
            .split(separator: " ").joined(separator: " ")
    }
}

extension FieldMapping {
    fileprivate var missing: Refusal {
        Refusal(.requiredField, "\(crm): the app requires `\(app)` and it is empty")
    }

    fileprivate func crmValue(of raw: String) -> Result<String, Refusal> {
        if let namePart { return .success(part(namePart, of: raw)) }
        if !options.isEmpty && !raw.isEmpty {
            // The smallest CRM option, should two stand for one app option.
            let option = options.filter { $0.value == raw }.keys.min()
            return option.map { .success($0) }
                ?? .failure(Refusal(.optionUnknown, "\(crm): no option is mapped to `\(raw)`"))
        }
        guard let value = type.canonical(raw) else {
            return .failure(Refusal(.invalidValue, "\(crm): `\(raw)` is no \(type.rawValue)"))
        }
        return .success(value)
    }

    /// The last word is the last name, what stands before it the first name.
    fileprivate func part(_ part: NamePart, of name: String) -> String {
        let words = name.split(separator: " ")
        guard let last = words.last, words.count > 1 else { return part == .first ? name : "" }
        return part == .last ? String(last) : words.dropLast().joined(separator: " ")
    }
}
