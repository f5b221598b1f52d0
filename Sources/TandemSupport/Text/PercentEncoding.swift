extension String {
    /// As a part of an address: all but letters, digits, `-_.~` (RFC 3986 §2.3) and what is kept
    /// becomes percent signs with hexadecimal digits.
    package func percentEncoded(keeping kept: String = "") -> String {
        utf8.map { byte in
            let isPlain =
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || "-_.~".utf8.contains(byte) || kept.utf8.contains(byte)
            if isPlain { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count == 1 ? "0" : "") + digits
        }.joined()
    }
}
