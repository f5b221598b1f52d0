import Glibc

/// Writes all bytes to an open file.
///
/// - Parameters:
///   - bytes: What is written.
///   - descriptor: The file.
/// - Returns: The `errno` of the write that failed, and `nil` if none did.
package func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    var rest = bytes[...]
    while !rest.isEmpty {
        let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if written < 0 && errno != EINTR { return errno }
        if written > 0 { rest = rest.dropFirst(written) }
    }
    return nil
}
