/// One content line of a vCard, unfolded, with the bytes it came from.
struct VCardLine {
    /// The line as it stood in the card, folded, with its line ends; what is not changed goes
    /// out as it came.
    private(set) var raw: String
    /// `item1` of `item1.EMAIL`.
    let group: String?
    /// Upper case.
    let name: String
    /// Upper-case names; a bare word of older cards counts as a type.
    let parameters: [(name: String, value: String)]
    private let head: String
    /// The value as vCard writes it, with its escapes; what was quoted-printable is decoded.
    private(set) var value: String

    /// - Throws: ``VCard/Broken`` if the line has no name or no colon, or an encoding that cannot be read.
    init(raw: String, unfolded: String) throws(VCard.Broken) {
        // Scalars, not characters: a colon may be followed by a mark that combines with it.
        let scalars = unfolded.unicodeScalars
        var isQuoted = false
        let colon = scalars.firstIndex { scalar in
            if scalar == "\"" { isQuoted.toggle() }
            return scalar == ":" && !isQuoted
        }
        var parts = colon.map { Self.split(String(unfolded[..<$0]), at: ";") } ?? []
        let path = parts.first?.split(separator: ".", maxSplits: 1) ?? []
        guard let colon, let last = path.last else {
            throw VCard.Broken(reason: "the line `\(unfolded.prefix(40))` has no name and value")
        }
        self.raw = raw
        head = String(unfolded[..<colon])
        parts.removeFirst()
        // In upper or lower case, it is the same.
        group = path.count == 2 ? path[0].lowercased() : nil
        name = last.uppercased()
        parameters = parts.map { part in
            let sides = part.split(separator: "=", maxSplits: 1)
            return sides.count == 2
                ? (sides[0].uppercased(), String(sides[1]).filter { $0 != "\"" })
                : ("TYPE", part)
        }
        value = String(scalars[scalars.index(after: colon)...])
        guard isQuotedPrintable else { return }
        guard let plain = QuotedPrintable.text(value, charset: parameter("CHARSET")) else {
            throw VCard.Broken(
                reason:
                    "\(name) is quoted-printable in `\(parameter("CHARSET") ?? "UTF-8")` and no text"
            )
        }
        value = plain
    }

    /// A new line, such as `TEL;TYPE=CELL`.
    init(head: String, value: String) {
        self.init(known: head, value: value)
    }

    private init(known head: String, value: String) {
        self.head = head
        self.value = value
        group = nil
        let parts = Self.split(head, at: ";")
        name = parts[0]
        parameters = parts.dropFirst().map { part in
            let sides = part.split(separator: "=", maxSplits: 1)
            return (String(sides[0]), sides.count == 2 ? String(sides[1]) : "")
        }
        raw = Self.folded("\(head):\(value)")
    }

    /// The types of the line, lower case: `TYPE=work,voice` and `TYPE=work;TYPE=voice` alike.
    var types: Set<String> {
        let lists = parameters.filter { $0.name == "TYPE" }.map(\.value)
        return Set(lists.flatMap { $0.lowercased().split(separator: ",").map(String.init) })
    }

    /// How much the line is preferred: 1 most, 101 not at all (RFC 6350 §5.3; `pref` in 3.0).
    var preference: Int {
        if let text = parameters.first(where: { $0.name == "PREF" })?.value {
            return Int(text) ?? 1
        }
        return types.contains("pref") ? 1 : 101
    }

    /// The first value of a parameter.
    func parameter(_ name: String) -> String? {
        parameters.first { $0.name == name }?.value
    }

    /// Some programs write 3.0 as they wrote 2.1; there it may also stand without a name.
    private var isQuotedPrintable: Bool {
        parameters.contains {
            ["ENCODING", "TYPE"].contains($0.name) && $0.value.uppercased() == "QUOTED-PRINTABLE"
        }
    }

    /// Sets the value, and takes away what the parameters say of the old one.
    ///
    /// - Parameters:
    ///   - value: As vCard writes it, with its escapes.
    ///   - stale: Names of parameters that belong to the old value, in upper case.
    mutating func set(_ value: String, without stale: Set<String> = []) {
        guard value != self.value else { return }
        var stale = stale
        if isQuotedPrintable { stale.formUnion(["ENCODING", "CHARSET", "QUOTED-PRINTABLE"]) }
        let parts = Self.split(head, at: ";").enumerated().filter { place, part in
            place == 0 || !stale.contains(part.prefix { $0 != "=" }.uppercased())
        }
        replace(head: parts.map(\.element).joined(separator: ";"), value: value)
    }

    private mutating func replace(head: String, value: String) {
        let text = "\(head):\(value)"
        // What has a name and a colon already is a line.
        if let line = try? VCardLine(raw: Self.folded(text), unfolded: text) { self = line }
    }

    /// Gives the line the mark of the preferred one (`PREF=1` in 4.0, `TYPE=pref` in 3.0), or takes it
    /// away; the rest of the line stays.
    mutating func prefer(_ isPreferred: Bool, isVersion4: Bool) {
        var parts = Self.split(head, at: ";").compactMap { part -> String? in
            let name = part.prefix { $0 != "=" }.uppercased()
            if name == "PREF" { return nil }
            guard name == "TYPE", let mark = part.firstIndex(of: "=") else { return part }
            let types = part[part.index(after: mark)...].filter { $0 != "\"" }.split(separator: ",")
            let rest = types.filter { $0.lowercased() != "pref" }
            if rest.count == types.count { return part }
            return rest.isEmpty ? nil : "TYPE=" + rest.joined(separator: ",")
        }
        if isPreferred { parts.append(isVersion4 ? "PREF=1" : "TYPE=pref") }
        let head = parts.joined(separator: ";")
        if head != self.head { replace(head: head, value: value) }
    }

    /// Folds at 75 octets, never inside a character (RFC 6350 §3.2).
    static func folded(_ line: String) -> String {
        var text = ""
        var octets = 0
        for scalar in line.unicodeScalars {
            let size = String(scalar).utf8.count
            if octets + size > 75 {
                text += "\r\n "
                octets = 1
            }
            text.unicodeScalars.append(scalar)
            octets += size
        }
        return text + "\r\n"
    }

    /// Splits at a separator that is neither quoted nor escaped.
    static func split(_ text: String, at separator: Unicode.Scalar) -> [String] {
        VCardText.split(text, at: separator, honorsQuotes: true)
    }
}

/// Text values (RFC 6350 §3.4, RFC 2426 §4).
enum VCardText {
    static func unescaped(_ text: String) -> String {
        guard text.unicodeScalars.contains("\\") else { return text }
        var result = String.UnicodeScalarView()
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if isEscaped {
                result.append(scalar == "n" || scalar == "N" ? "\n" : scalar)
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }

    static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var last: Unicode.Scalar = " "
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\", ";", ",": result.append(contentsOf: "\\\(scalar)".unicodeScalars)
            case "\n" where last == "\r": break
            case "\n", "\r": result.append(contentsOf: "\\n".unicodeScalars)
            default: result.append(scalar)
            }
            last = scalar
        }
        return String(result)
    }

    /// Splits a structured value at its semicolons; quotes have no meaning in values.
    static func components(_ value: String, at separator: Unicode.Scalar = ";") -> [String] {
        split(value, at: separator, honorsQuotes: false)
    }

    static func split(_ text: String, at separator: Unicode.Scalar, honorsQuotes: Bool) -> [String]
    {
        var parts = [String.UnicodeScalarView()]
        var isQuoted = false
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if honorsQuotes && scalar == "\"" && !isEscaped { isQuoted.toggle() }
            if scalar == separator && !isQuoted && !isEscaped {
                parts.append(String.UnicodeScalarView())
            } else {
                parts[parts.count - 1].append(scalar)
            }
            isEscaped = scalar == "\\" && !isEscaped
        }
        return parts.map { String($0) }
    }
}
