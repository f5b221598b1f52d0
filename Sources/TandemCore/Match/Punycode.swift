/// Encodes internationalised domain labels (RFC 3492).
enum Punycode {
    /// The part behind `xn--` for a lower-case label with characters beyond ASCII.
    static func encoded(_ label: Substring) -> String {
        let points = label.unicodeScalars.map { Int($0.value) }
        let basic = points.filter { $0 < 128 }
        var output = basic.map { Character(UnicodeScalar(UInt8($0))) }
        if !basic.isEmpty { output.append("-") }
        var (code, delta, bias, handled) = (128, 0, 72, basic.count)
        while handled < points.count {
            guard let next = points.filter({ $0 >= code }).min() else { break }
            delta += (next - code) * (handled + 1)
            code = next
            for point in points {
                if point < code { delta += 1 }
                guard point == code else { continue }
                append(delta, bias: bias, to: &output)
                bias = adapted(delta, count: handled + 1, isFirst: handled == basic.count)
                delta = 0
                handled += 1
            }
            delta += 1
            code += 1
        }
        return String(output)
    }

    private static func append(_ delta: Int, bias: Int, to output: inout [Character]) {
        var rest = delta
        var step = 36
        while true {
            let threshold = min(max(step - bias, 1), 26)
            if rest < threshold { break }
            output.append(digit(threshold + (rest - threshold) % (36 - threshold)))
            rest = (rest - threshold) / (36 - threshold)
            step += 36
        }
        output.append(digit(rest))
    }

    private static func digit(_ value: Int) -> Character {
        Character(UnicodeScalar(UInt8(value < 26 ? 97 + value : 22 + value)))
    }

    private static func adapted(_ delta: Int, count: Int, isFirst: Bool) -> Int {
        var delta = isFirst ? delta / 700 : delta / 2
        delta += delta / count
        var bias = 0
        while delta > 455 {
            delta /= 35
            bias += 36
        }
        return bias + 36 * delta / (delta + 38)
    }
}
