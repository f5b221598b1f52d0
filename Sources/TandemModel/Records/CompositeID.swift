extension AppRecordID {
    /// The id of a record that several values name together: `a|b`; one value is its own id.
    ///
    /// A bar or a backslash in a value has a backslash before it, so that no two keys are one.
    package init(parts: [String]) {
        guard parts.count > 1 else {
            self.init(parts.first ?? "")
            return
        }
        let escaped = parts.map {
            $0.replacing("\\", with: "\\\\").replacing("|", with: "\\|")
        }
        self.init(escaped.joined(separator: "|"))
    }

    /// The values that the id was made of; `nil` if they are not `count`.
    package func parts(_ count: Int) -> [String]? {
        guard count > 1 else { return [text] }
        var parts: [String] = [""]
        var isEscaped = false
        for character in text {
            if isEscaped || (character != "|" && character != "\\") {
                parts[parts.count - 1].append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                parts.append("")
            }
        }
        return parts.count == count ? parts : nil
    }
}
