import TandemModel

/// Remembers every edit of every user, to find out afterwards whether one was lost (I1).
///
/// Each edit writes a value with a number of its own. An edit is *answered* when somebody who
/// saw it wrote something else over it, deleted the record, or left it behind in a merge.
struct Oracle {
    private(set) var open: [String: String] = [:]
    /// How many have written over what they saw.
    private var answers: [String: Int] = [:]

    /// Somebody who saw `old` wrote `new` at `place`.
    mutating func record(old: String, new: String, at place: String) {
        let (before, now) = (Self.tokens(old), Self.tokens(new))
        for token in before where !now.contains(token) {
            open[token] = nil
            answers[token, default: 0] += 1
        }
        // Who spells a value anew says nothing that was not said. Who puts back a value takes back what one
        // wrote over it; where a second one did, too, it is what that one saw, and no sync can tell.
        for token in now where !before.contains(token) && answers[token, default: 0] < 2 {
            open[token] = place
        }
    }

    /// Nobody can be asked for what went away with the only copy of it.
    mutating func lose(_ token: String) { open[token] = nil }

    /// The numbers in the parts of a value that a merge may have gathered from several.
    static func tokens(_ value: String) -> [String] {
        value.split(separator: ";").compactMap { token(String($0)) }
    }

    /// The number in a value: the digits behind a `t`, or a run of at least six digits.
    static func token(_ value: String) -> String? {
        // A moment is not numbered.
        if value.hasSuffix("Z") && value.contains("T") { return nil }
        var digits = ""
        var isMarked = false
        for character in value.lowercased() + " " {
            if character.isASCII && character.isNumber {
                digits.append(character)
            } else if isMarked && !digits.isEmpty {
                return digits
            } else if digits.count >= 6 {
                return String(digits.suffix(7))
            } else if character != " " || isMarked {
                isMarked = character == "t"
                digits = ""
            }
        }
        return nil
    }
}
