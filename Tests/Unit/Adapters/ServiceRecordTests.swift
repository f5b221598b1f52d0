import Foundation
import Testing

@testable import TandemHTTP

/// Answers of name servers, byte by byte as RFC 1035 §4 lays them out.
@Suite struct `DNS answers` {
    private func header(_ answers: UInt8) -> [UInt8] {
        [0, 1, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0]
    }

    private func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    /// A record about the name of the question, which stands at byte 12.
    private func record(_ type: UInt8, _ data: [UInt8]) -> [UInt8] {
        [0xC0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, UInt8(data.count)] + data
    }

    private var question: [UInt8] { name("_carddavs._tcp.example.com") + [0, 33, 0, 1] }

    @Test func `name services by priority and weight, with compressed hosts`() throws {
        // "example.com" of the question begins at byte 12 + 10 + 5.
        let compressed: [UInt8] = [0, 10, 0, 5, 0x20, 0xFB, 3] + Array("dav".utf8) + [0xC0, 27]
        let second: [UInt8] = [0, 10, 0, 9, 1, 187] + name("heavy.example.com")
        let third: [UInt8] = [0, 20, 0, 9, 1, 187] + name("late.example.com")
        let bytes =
            header(3) + question + record(33, third) + record(33, compressed) + record(33, second)
        let services = try #require(DNSAnswer(bytes)).services.sorted { $0.rank < $1.rank }
        #expect(
            services.map(\.host) == ["heavy.example.com", "dav.example.com", "late.example.com"])
        #expect(services.map(\.port) == [443, 8443, 443])
    }

    @Test func `carry texts`() throws {
        let text = Array("path=/dav/".utf8)
        let bytes = header(1) + question + record(16, [UInt8(text.count)] + text)
        #expect(try #require(DNSAnswer(bytes)).texts == ["path=/dav/"])
    }

    @Test func `that are cut off or go in circles are none`() {
        let whole = header(1) + question + record(33, [0, 1, 0, 1, 1, 187] + name("a.example.com"))
        #expect(DNSAnswer(whole) != nil)
        for length in 0..<whole.count { #expect(DNSAnswer(Array(whole.prefix(length))) == nil) }
        let place = UInt8(12 + question.count + 12 + 6)
        #expect(
            DNSAnswer(header(1) + question + record(33, [0, 1, 0, 1, 1, 187, 0xC0, place])) == nil)
    }
}
