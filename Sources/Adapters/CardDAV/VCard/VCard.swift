import Foundation

/// A vCard 3.0 (RFC 2426) or 4.0 (RFC 6350), kept line by line.
///
/// Lines that nobody changes keep their bytes, order and folding: properties we do not know,
/// groups, parameters, photos. All end with CR LF (RFC 6350 §3.2), also where XML has made a bare LF of
/// that on the way.
struct VCard {
    /// What is wrong with a card.
    struct Broken: Error, Hashable {
        let reason: String
    }

    private(set) var lines: [VCardLine]
    let isVersion4: Bool

    /// - Throws: ``Broken`` for anything but one whole card of version 3.0 or 4.0.
    init(_ text: String) throws(Broken) {
        if let control = Self.control(in: text) {
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
    }

    /// The first character that no card may have: of ASCII below the blank only tab and line ends may be
    /// there (RFC 6350 §3.3).
    static func control(in text: String) -> Unicode.Scalar? {
        text.unicodeScalars.first {
            $0.value < 0x20 && !["\t", "\n", "\r"].contains($0) || $0.value == 0x7F
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
    var isGroup: Bool { isOfKind("group") }

    /// A company or other body, in 4.0 or as Apple marks it; not a person.
    var isOrganization: Bool {
        isOfKind("org")
            || lines.contains { $0.name == "X-ABSHOWAS" && $0.value.uppercased() == "COMPANY" }
    }

    private func isOfKind(_ kind: String) -> Bool {
        lines.contains {
            ["KIND", "X-ADDRESSBOOKSERVER-KIND"].contains($0.name) && $0.value.lowercased() == kind
        }
    }

    /// The names of the lines that are neither fields of ours nor renewed with each write, each with how
    /// many there are.
    var unmappedNames: Set<String> {
        let ours: Set = [
            "BEGIN", "END", "VERSION", "PRODID", "REV", "UID", "N", "FN", "EMAIL", "TEL", "ORG",
            "TITLE", "URL", "ADR", "BDAY", "NOTE", "CATEGORIES",
        ]
        return Set(
            Dictionary(grouping: lines, by: \.name).flatMap { name, lines in
                ours.contains(name)
                    ? [] : lines.indices.map { $0 == 0 ? name : "\(name) (\($0 + 1))" }
            })
    }

    /// Says when the card was written last, in the basic form that all servers read (RFC 6350 §6.7.4).
    mutating func stamp(_ moment: Date) {
        let time = moment.formatted(
            .iso8601.year().month().day().dateSeparator(.omitted).time(
                includingFractionalSeconds: false
            ).timeSeparator(.omitted).timeZone(separator: .omitted))
        if let index = first("REV") {
            set(index, time, without: ["VALUE"])
        } else {
            add("REV", time)
        }
    }

    func first(_ name: String, where fits: (VCardLine) -> Bool = { _ in true }) -> Int? {
        lines.indices.first { lines[$0].name == name && fits(lines[$0]) }
    }

    func all(_ name: String) -> [Int] { lines.indices.filter { lines[$0].name == name } }

    /// Sets the value of a line; `stale` names parameters that say something of the old one.
    mutating func set(_ index: Int, _ value: String, without stale: Set<String> = []) {
        lines[index].set(value, without: stale)
    }

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
            lines.append(try VCardLine(raw: raw, unfolded: unfolded))
        }
        for content in physicalLines(text) {
            // The blank may be followed by a mark that combines with it: scalars again.
            if let first = content.unicodeScalars.first, first == " " || first == "\t" {
                unfolded += String(content.unicodeScalars.dropFirst())
            } else if unfolded.hasSuffix("="), isQuotedPrintable(unfolded) {
                // A soft line break (RFC 2045 §6.7).
                unfolded = String(unfolded.dropLast()) + content
            } else {
                try flush()
                unfolded = String(content)
            }
            raw += content + "\r\n"
        }
        try flush()
        return lines
    }

    private static func isQuotedPrintable(_ line: String) -> Bool {
        line.prefix { $0 != ":" }.uppercased().contains("QUOTED-PRINTABLE")
    }

    /// The lines of a text without their ends, and without a byte order mark; only CR LF, LF and CR end
    /// one.
    private static func physicalLines(_ text: String) -> [Substring] {
        var lines: [Substring] = []
        var start = text.startIndex
        if text.unicodeScalars.first == "\u{FEFF}" {
            start = text.unicodeScalars.index(after: start)
        }
        var place = start
        while place < text.endIndex {
            let character = text[place]
            let next = text.index(after: place)
            if character == "\n" || character == "\r\n" || character == "\r" {
                lines.append(text[start..<place])
                start = next
            }
            place = next
        }
        if start < text.endIndex { lines.append(text[start...]) }
        return lines
    }
}
