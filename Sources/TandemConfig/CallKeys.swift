/// What may be said of calls and of places in answers; ``CallReader`` reads it.
extension DescriptionKeys {
    static let methods = ["get", "post", "put", "patch", "delete"]

    static let call = DescriptionKeys(
        "every call",
        methods.map {
            .init($0, "one of them must", "The path, on `root`, of a call with this method.")
        } + [
            .init("body", "none", "What is sent, a template."),
            .init("headers", "none", "Headers of this call."),
            .init("cost", "1", "What it counts in a window of `points`."),
        ])

    static let paging = [
        DescriptionKey(
            "next", "see `next-offset`",
            "Where the text for `{after}` of the next page is; the last page has none."),
        DescriptionKey(
            "next-link", "see `next-offset`",
            "Where the address of the next page is; the last page has none."),
        DescriptionKey("next-header", "see `next-offset`", "The header with that address."),
        DescriptionKey(
            "next-page", "see `next-offset`",
            "`true`: `{after}` is a number that grows by one, until a page is empty."),
        DescriptionKey(
            "next-offset", "pages go on behind the last id, as `{after}`, until one is empty",
            "`true`: `{after}` is the number of records before, until a page is empty."),
    ]

    static let listing = DescriptionKeys(
        "list, changes and deletions, calls",
        paging + [
            .init("records", "must", "Where the records are, a place or a mapping."),
            .init("start", "blank", "`{after}` of the first page; of numbers, 0 if left out."),
            .init(
                "overlap", "0",
                "With `next-offset`: so many records are listed twice, which shows that none slipped through."
            ),
            .init(
                "cap", "none",
                "The app gives no more to one question, the oldest change first: the listing goes on with the last one's time as `{since}`."
            ),
            .init(
                "stable", "false",
                "`true` where no record can slip from a page not yet read to one that was."),
            .init(
                "more", "paging alone tells", "What an answer has that is not the last one, a mark."
            ),
            .init(
                "total", "paging alone tells",
                "Where the number of all records is; the listing ends behind so many."),
            .init(
                "pages", "paging alone tells",
                "Where the number of all pages is; the listing ends behind so many."),
            .init(
                "end", "an error ends the sync",
                "How a page behind the last one is answered: a status such as `404`, or a mark."),
            .init("also", "none", "Further listings, each with these keys."),
        ])

    static let records = DescriptionKeys(
        "records, as a mapping",
        [
            .init("at", "must", "Where the list is."),
            .init("item", "the element", "Where the record is in an element."),
            .init("optional", "false", "The list is missing where there are no records."),
        ])

    static let mark = DescriptionKeys(
        "a mark, as a mapping",
        [
            .init("at", "must", "The place; a place alone stands for the mapping."),
            .init("is", "anything but null, false and blank", "The values that count."),
        ])
}
