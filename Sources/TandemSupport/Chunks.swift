extension Collection where Index == Int {
    /// Slices of at most `size` elements, in order.
    package func chunks(of size: Int) -> [SubSequence] {
        stride(from: startIndex, to: endIndex, by: size).map {
            self[$0..<Swift.min($0 + size, endIndex)]
        }
    }
}
