extension Sequence<UInt8> {
    /// The bytes as hexadecimal digits, two for each, in small letters.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        let bytes = flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
