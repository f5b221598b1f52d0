import FoundationEssentials

extension Collection<UInt8> {
    /// Base64 for addresses, without padding (RFC 4648 §5).
    package var base64URL: String {
        Data(self).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }
}
