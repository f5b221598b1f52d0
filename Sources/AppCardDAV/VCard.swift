/// A vCard 3.0 (RFC 2426) or 4.0 (RFC 6350), kept line by line.
///
/// Lines that nobody changes keep their bytes, order and folding: properties we do not know,
/// groups, parameters, photos.
struct VCard {
    /// What is wrong with a card.
    struct Broken: Error, Hashable {
        let reason: String
    }

    private(set) var lines: [VCardLine]
    let isVersion4: Bool

    /// - Throws: ``Broken`` for anything but one whole card of version 3.0 or 4.0.
    init(_ text: String) throws(Broken) {
        // RFC 6350 §3.3: nothing of ASCII below the blank but tab and line ends.
        if let control = text.unicodeScalars.first(where: {
            $0.value < 0x20 && !["\t", "\n", "\r"].contains($0) || $0.value == 0x7F
        }) {
            throw Broken(
                reason: "it has the control character 0x\(String(control.value, radix: 16)) in it")
        }
        lines = try Self.contentLines(text)
        guard let first = lines.first, first.name == "BEGIN", first.value.uppercased() == "VCARD",
            let last = lines.last, last.name == "END", last.value.uppercased() == "VCARD"
        else { throw Broken(reason: "it does not begin with BEGIN:VCARD and end with END:VCARD") }
        guard lines.filter({ $0.name == "BEGIN" }).count == 1 else {
            throw Broken(reason: "it holds more than one card")
        }
        guard let version = lines.first(where: { $0.name == "VERSION" })?.value else {
            throw Broken(reason: "it has no VERSION")
        }
        guard ["3.0", "4.0"].contains(version) else {
            throw Broken(reason: "it is a vCard \(version); only 3.0 and 4.0 are read")
        }
        isVersion4 = version == "4.0"
        let encoded = lines.first { line in
            line.parameters.contains {
                $0.name == "ENCODING" && $0.value.uppercased() == "QUOTED-PRINTABLE"
                    || $0.name == "TYPE" && $0.value.uppercased() == "QUOTED-PRINTABLE"
            }
        }
        if let encoded {
            throw Broken(reason: "\(encoded.name) is quoted-printable, which \(version) forbids")
        }
    }

    /// A new, empty card.
    init(uid: String) {
        isVersion4 = false
        lines = [
            VCardLine(head: "BEGIN", value: "VCARD"), VCardLine(head: "VERSION", value: "3.0"),
            VCardLine(head: "UID", value: uid), VCardLine(head: "END", value: "VCARD"),
        ]
    }

    /// The card as bytes go out.
    var text: String { lines.map(\.raw).joined() }

    /// A distribution list, in 4.0 or in Apple's 3.0 dialect; not a person.
    var isGroup: Bool {
        lines.contains {
            ["KIND", "X-ADDRESSBOOKSERVER-KIND"].contains($0.name)
                && $0.value.lowercased() == "group"
        }
    }

    func first(_ name: String, where fits: (VCardLine) -> Bool = { _ in true }) -> Int? {
        lines.indices.first { lines[$0].name == name && fits(lines[$0]) }
    }

    func all(_ name: String) -> [Int] { lines.indices.filter { lines[$0].name == name } }

    mutating func set(_ index: Int, _ value: String) { lines[index].set(value) }

    /// Marks a line as the preferred one of its kind, or takes the mark away.
    mutating func prefer(_ index: Int, _ isPreferred: Bool) {
        lines[index].prefer(isPreferred, isVersion4: isVersion4)
    }

    /// Adds a line before the end.
    mutating func add(_ head: String, _ value: String) {
        lines.insert(VCardLine(head: head, value: value), at: lines.count - 1)
    }

    /// Removes a line, and the label of its group if nothing else is left in the group.
    mutating func remove(_ index: Int) {
        let group = lines.remove(at: index).group
        guard let group else { return }
        let rest = lines.indices.filter { lines[$0].group == group }
        if rest.allSatisfy({ lines[$0].name == "X-ABLABEL" }) {
            for index in rest.reversed() { lines.remove(at: index) }
        }
    }

    private static func contentLines(_ text: String) throws(Broken) -> [VCardLine] {
        var lines: [VCardLine] = []
        var raw = ""
        var unfolded = ""
        func flush() throws(Broken) {
            defer { (raw, unfolded) = ("", "") }
            if unfolded.allSatisfy(\.isWhitespace) { return }
            guard let line = VCardLine(raw: raw, unfolded: unfolded) else {
                throw Broken(reason: "the line `\(unfolded.prefix(40))` has no name and value")
            }
            lines.append(line)
        }
        for physical in physicalLines(text) {
            let content = physical.prefix { !["\r\n", "\n", "\r"].contains($0) }
            // The blank may be followed by a mark that combines with it: scalars again.
            if let first = content.unicodeScalars.first, first == " " || first == "\t" {
                unfolded += String(content.unicodeScalars.dropFirst())
            } else {
                try flush()
                unfolded = String(content)
            }
            raw += physical
        }
        try flush()
        return lines
    }

    /// The lines of a text with their ends; only CR LF, LF and CR end one.
    private static func physicalLines(_ text: String) -> [Substring] {
        var lines: [Substring] = []
        var start = text.startIndex
        var place = start
        while place < text.endIndex {
            let character = text[place]
            place = text.index(after: place)
            if character == "\n" || character == "\r\n" || character == "\r" {
                lines.append(text[start..<place])
                start = place
            }
        }
        if start < text.endIndex { lines.append(text[start...] + "\r\n") }
        return lines
    }
}
