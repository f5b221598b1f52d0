extension String {
    /// The text without white space at its ends.
    package var trimmed: String {
        // Most values begin and end with a letter or digit, which needs no look at Unicode.
        if let first = utf8.first, let last = utf8.last, first.isVisibleASCII, last.isVisibleASCII {
            return self
        }
        let start = unicodeScalars.firstIndex { !$0.properties.isWhitespace }
        guard let start else { return "" }
        let end = unicodeScalars.lastIndex { !$0.properties.isWhitespace } ?? start
        return String(unicodeScalars[start...end])
    }
}

extension UInt8 {
    /// A letter, digit or mark of ASCII: no white space, no control character.
    package var isVisibleASCII: Bool { (0x21...0x7E).contains(self) }
}
