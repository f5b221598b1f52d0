/// Finds the known word that a misspelled one most likely stands for.
///
/// - Returns: The nearest by edit distance, if it is near enough to be worth saying: at most a
///   third of its letters differ, or two of a short word.
package func nearest(to word: String, in known: some Sequence<String>) -> String? {
    let target = Array(word.lowercased())
    let ranked = known.map { ($0, distance(target, Array($0.lowercased()))) }
    guard let best = ranked.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }) else { return nil }
    return best.1 <= max(2, best.0.count / 3) ? best.0 : nil
}

/// A half sentence for error texts: ` (did you mean `x`?)`, or nothing.
package func suggestion(for word: String, in known: some Sequence<String>) -> String {
    nearest(to: word, in: known).map { " (did you mean `\($0)`?)" } ?? ""
}

/// The Levenshtein distance, with one row of memory.
private func distance(_ left: [Character], _ right: [Character]) -> Int {
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, b) in right.enumerated() {
            let substituted = diagonal + (a == b ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[right.count]
}
