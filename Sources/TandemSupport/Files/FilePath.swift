extension String {
    /// A path as its folder, with the slash at its end or blank for the present one, and the file's name.
    package var folderAndName: (folder: String, name: String) {
        let cut = lastIndex(of: "/").map { index(after: $0) } ?? startIndex
        return (String(self[..<cut]), String(self[cut...]))
    }
}
