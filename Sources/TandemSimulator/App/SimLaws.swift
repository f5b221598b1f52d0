package import AdapterKit
import TandemModel

extension LawSubject {
    /// A simulated app without faults; seeds draw how it lists, what it answers and how its creates
    /// are made safe.
    package static func simulated(seed: UInt64) -> LawSubject {
        var random = SplitMix(seed: seed)
        var profile = SimProfile(random: &random)
        profile.faults = []
        profile.granularity = 1
        profile.skew = 0
        let clock = SimClock()
        let server = SimServer(name: "lawful", seed: seed, clock: clock, profile: profile)
        let app = SimApp(server: server) { (_, _) throws(AppError) in
            clock.advance(milliseconds: 1)
        }
        let save: LawSubject.Save = { work in
            server.with { state, now in state.savedUntil = now + 20_000 }
            try await work()
            server.with { state, _ in state.savedUntil = 0 }
        }
        return LawSubject(
            app, texts: ("title", "town"),
            values: { number in
                [
                    "mail": "p\(number)@example.com", "first": "First \(number)", "last": "Last",
                    "title": "Title", "town": "Town",
                ]
            }, now: { clock.now }, wait: { clock.advance(milliseconds: $0 * 1_000) },
            save: profile.style == .listing ? save : nil)
    }
}
