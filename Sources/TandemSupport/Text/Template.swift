extension String {
    /// What stands between the braces of each `{name}`.
    package var places: [String] {
        var places: [String] = []
        _ = filling { name in
            places.append(name)
            return nil
        }
        return places
    }

    /// The text with each `{name}` filled in, once: what is filled in is never looked at again.
    ///
    /// - Parameter value: What a name stands for; a place for which it gives `nil` stays as it is.
    /// - Returns: The text with what the places stand for.
    package func filling(_ value: (String) -> String?) -> String {
        var filled = ""
        var rest = self[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            filled += rest[..<open]
            let name = String(rest[rest.index(after: open)..<close])
            filled += value(name) ?? String(rest[open...close])
            rest = rest[rest.index(after: close)...]
        }
        return filled + rest
    }
}
