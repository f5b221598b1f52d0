extension Array where Element: Sendable {
    /// Applies `work` to each element, at most `limit` at a time; results in order.
    package func mapped<Value: Sendable>(
        atMost limit: Int, _ work: @escaping @Sendable (Element) async -> Value
    ) async -> [Value] {
        await withTaskGroup(of: (Int, Value).self) { group in
            var next = 0
            func start() {
                guard next < count else { return }
                let (place, element) = (next, self[next])
                group.addTask { (place, await work(element)) }
                next += 1
            }
            for _ in 0..<limit { start() }
            var values: [(Int, Value)] = []
            for await value in group {
                values.append(value)
                start()
            }
            return values.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
