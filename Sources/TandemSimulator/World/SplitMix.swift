/// A small seeded random source (Steele, Lea, Flood: SplitMix64): one seed, one sequence.
package struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// True with the given probability.
    package mutating func chance(_ probability: Double) -> Bool {
        Double(next() >> 11) / Double(UInt64(1) << 53) < probability
    }

    package mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    /// - Precondition: `items` is not empty.
    package mutating func pick<Item>(_ items: [Item]) -> Item { items[below(items.count)] }
}
