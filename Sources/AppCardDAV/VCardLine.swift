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
    private(set) var value: String

    /// - Returns: `nil` if the line has no name or no colon.
    init?(raw: String, unfolded: String) {
        // Scalars, not characters: a colon may be followed by a mark that combines with it.
        let scalars = unfolded.unicodeScalars
        var isQuoted = false
        let colon = scalars.firstIndex { scalar in
            if scalar == "\"" { isQuoted.toggle() }
            return scalar == ":" && !isQuoted
        }
        guard let colon, colon != unfolded.startIndex else { return nil }
        self.raw = raw
        head = String(unfolded[..<colon])
        value = String(scalars[scalars.index(after: colon)...])
        var parts = Self.split(head, at: ";")
        let path = parts.removeFirst().split(separator: ".", maxSplits: 1)
        guard let last = path.last else { return nil }
        group = path.count == 2 ? String(path[0]) : nil
        name = last.uppercased()
        parameters = parts.map { part in
            let sides = part.split(separator: "=", maxSplits: 1)
            return sides.count == 2
                ? (sides[0].uppercased(), String(sides[1]).filter { $0 != "\"" })
                : ("TYPE", part)
        }
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

    mutating func set(_ value: String) {
        guard value != self.value else { return }
        self.value = value
        raw = Self.folded("\(head):\(value)")
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
        guard head != self.head,
            let line = VCardLine(
                raw: Self.folded("\(head):\(value)"), unfolded: "\(head):\(value)")
        else { return }
        self = line
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
