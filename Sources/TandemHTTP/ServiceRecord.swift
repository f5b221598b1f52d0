import CResolv
import Dispatch

/// Where a domain says that a service of it is (RFC 2782), asked of the system's name servers.
package struct ServiceRecord: Hashable, Sendable {
    /// A host name without a dot at its end.
    package let host: String
    package let port: Int
    /// From the TXT record beside it: where on the host to begin (RFC 6764 §4).
    package let path: String?

    /// Looks for `service`, such as `_carddavs._tcp`, at a domain; of several the one that the
    /// domain prefers.
    ///
    /// - Returns: `nil` if the domain says nothing, or that it has no such service.
    package static func find(_ service: String, at domain: String) async -> ServiceRecord? {
        let name = "\(service).\(domain)"
        let places = DNSAnswer(await answer(to: name, type: ns_t_srv))?.services ?? []
        // A lone dot means that there is decidedly no such service.
        guard let best = places.min(by: { $0.rank < $1.rank }), !best.host.isEmpty else {
            return nil
        }
        let texts = DNSAnswer(await answer(to: name, type: ns_t_txt))?.texts ?? []
        let path = texts.first { $0.hasPrefix("path=") }.map { String($0.dropFirst(5)) }
        return ServiceRecord(host: best.host, port: best.port, path: path)
    }

    /// The resolver blocks for as long as it waits, so it gets a thread that may.
    private static func answer(to name: String, type: __ns_type) async -> [UInt8] {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                var bytes = [UInt8](repeating: 0, count: 65_535)
                let length = res_query(
                    name, Int32(ns_c_in.rawValue), Int32(type.rawValue), &bytes, Int32(bytes.count))
                continuation.resume(returning: Array(bytes.prefix(Int(max(0, length)))))
            }
        }
    }
}

/// The records in the answer of a name server (RFC 1035 §4).
struct DNSAnswer {
    struct Service: Hashable {
        let host: String
        let port: Int
        /// Smaller comes first: by priority, then by weight.
        let rank: Int
    }

    private(set) var services: [Service] = []
    private(set) var texts: [String] = []
    private let bytes: [UInt8]
    private var place = 12

    /// - Returns: `nil` if the bytes are no answer, or are cut off.
    init?(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard let questions = number(at: 4), let answers = number(at: 6) else { return nil }
        for _ in 0..<questions {
            guard skipName() else { return nil }
            place += 4
        }
        for _ in 0..<answers {
            guard readRecord() else { return nil }
        }
    }

    private mutating func readRecord() -> Bool {
        guard skipName(), let type = number(at: place), let length = number(at: place + 8),
            place + 10 + length <= bytes.count
        else { return false }
        let data = place + 10
        place = data + length
        switch UInt32(type) {
        case ns_t_srv.rawValue:
            guard let priority = number(at: data), let weight = number(at: data + 2),
                let port = number(at: data + 4), let host = name(at: data + 6)
            else { return false }
            services.append(
                .init(host: host, port: port, rank: priority << 16 | (0xFFFF - weight)))
        case ns_t_txt.rawValue:
            var from = data
            while from < place {
                let end = from + 1 + Int(bytes[from])
                guard end <= place else { return false }
                texts.append(String(decoding: bytes[from + 1..<end], as: UTF8.self))
                from = end
            }
        default: break
        }
        return true
    }

    private func number(at place: Int) -> Int? {
        place + 1 < bytes.count ? Int(bytes[place]) << 8 | Int(bytes[place + 1]) : nil
    }

    private mutating func skipName() -> Bool {
        while place < bytes.count {
            let length = Int(bytes[place])
            if length >= 0xC0 {
                place += 2
                return true
            }
            place += 1 + length
            if length == 0 { return true }
        }
        return false
    }

    /// A name, which may go on elsewhere in the answer.
    private func name(at start: Int) -> String? {
        var labels: [String] = []
        var place = start
        // A name has at most 127 labels, and more steps than that go in a circle.
        for _ in 0..<256 {
            guard place < bytes.count else { return nil }
            let length = Int(bytes[place])
            if length == 0 { return labels.joined(separator: ".") }
            if length >= 0xC0 {
                guard let target = number(at: place) else { return nil }
                place = target & 0x3FFF
            } else {
                guard place + 1 + length <= bytes.count else { return nil }
                labels.append(
                    String(decoding: bytes[place + 1..<place + 1 + length], as: UTF8.self))
                place += 1 + length
            }
        }
        return nil
    }
}
