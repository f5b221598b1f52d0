import FoundationEssentials
import Glibc

/// Tells systemd how the service is (sd_notify(3)); does nothing when systemd did not ask.
struct Notify: Sendable {
    private let path: String?

    init() { path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"] }

    /// How often the watchdog wants a sign of life, halved as the manual advises; `nil` for never.
    var watchdogSeconds: Double? {
        ProcessInfo.processInfo.environment["WATCHDOG_USEC"].flatMap { Double($0) }.map { $0 / 2e6 }
    }

    func send(_ state: String) {
        guard let path, !path.isEmpty else { return }
        let socket = Glibc.socket(
            AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // An `@` stands for the zero byte of an abstract address.
        let bytes = path.hasPrefix("@") ? [0] + Array(path.utf8.dropFirst()) : Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let message = Array(state.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = sendto(socket, message, message.count, Int32(MSG_NOSIGNAL), pointer, length)
            }
        }
    }

    /// The clock that systemd compares a reload with.
    static var monotonicMicroseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1_000
    }
}
