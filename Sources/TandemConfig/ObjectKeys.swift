/// What may be said of one object of an app; ``ObjectReader`` reads it.
extension DescriptionKeys {
    static let object = DescriptionKeys(
        "objects: NAME",
        [
            .init("record", "must", "Where things are in a record."),
            .init("associations", "none", "Fields that calls of their own read and write."),
            .init("schema", "the app takes any field", "A call that tells the app's fields."),
            .init("list", "must", "A listing of everything."),
            .init(
                "changes", "each poll lists everything, as often as `limits` allow",
                "A listing of what has changed since `{since}`."),
            .init(
                "deletions",
                "as `record: deleted` shows, else by a listing of everything, every six hours",
                "`sweep` (as without it, beside what `record: deleted` shows) or a listing of what was deleted."
            ),
            .init(
                "read", "records are read one by one",
                "A call that reads several records by `{ids}`."),
            .init(
                "single", "must",
                "A call that reads one record by `{id}`; only its 404 or 410, or what `errors` call `gone`, proves that it is gone."
            ),
            .init(
                "find", "`create` must give the new record the id `{key-id}`",
                "A call that looks for a record: before a create that nothing else shows to be needed, and after one whose answer is lost or names no record."
            ),
            .init(
                "create", "new records of the CRM stay outside",
                "A call that makes a record; needs `update`."),
            .init(
                "update", "records are only read",
                "A call that changes one, `{id}`, with the `{values}` that changed, or the whole `{record}`."
            ),
            .init(
                "delete", "nothing is deleted there, and `deletions: propagate` is refused",
                "A call that deletes one, `{id}`."),
            .init(
                "condition", "writes depend on no version",
                "Headers that make a write depend on `{version}`; 412 is a conflict."),
            .init(
                "read-lag", "0s",
                "How long after a write a read or listing may show what was there before, a day at most."
            ),
        ])

    static let record = DescriptionKeys(
        "record",
        [
            .init("id", "must", "Where its id is."),
            .init("values", "the record itself", "Where its fields are."),
            .init("created", "unknown", "When it was made: RFC 3339 or milliseconds."),
            .init("modified", "unknown", "When it was changed last."),
            .init("version", "as `modified`", "What differs after each change."),
            .init("deleted", "no listing shows it", "What stands for a deleted record, a mark."),
            .init(
                "typed", "false",
                "Numbers, flags and sets are written as such and blank as null; else all is a text."
            ),
            .init("blank", "null if `typed`, else an empty text", "What is written for blank."),
            .init("blanks", "none", "Texts that are read as blank."),
            .init(
                "moments", "rfc3339",
                "How moments are written: `ms`, `s`, `rfc3339`, `rfc3339-seconds`, `rfc3339-offset`, `utc` or `http-date`."
            ),
            .init("whole", "lists only", "Members that are read first and written whole."),
            .init(
                "restores", "those that `schema` says can be written",
                "Members that `resync-deleted` puts back beside the mapped ones; or `all`."),
            .init(
                "unsent", "none",
                "Places that are never written, because the app makes them of others."),
            .init(
                "fields", "none", "What is particular about a field, by its name in the mapping."),
        ])

    static let field = DescriptionKeys(
        "record: fields: NAME",
        [
            .init("at", "its name", "Where it is read."),
            .init("as", "its value", "What is written, a template with `{value}`."),
            .init("blank", "as in `record`", "What is written for blank."),
            .init("type", "as in the mapping", "Its type in the app."),
            .init("read-only", "false", "The app does not let it be written."),
            .init("required", "false", "The app refuses a record without it."),
            .init("create-at", "as `at`", "Where it is written in a new record."),
            .init("create-only", "false", "It is written in a new record only."),
            .init("options", "any", "The values that the app takes."),
            .init("length", "any", "How many characters the app takes."),
        ])

    static let association = DescriptionKeys(
        "associations: NAME",
        [
            .init("read", "must", "A call as `read`, for the targets of several records."),
            .init("from", "must", "Where an element names the record."),
            .init(
                "to", "must",
                "Where it names the target, a place or a list of which the first that is there holds."
            ),
            .init("set", "must", "A call with `{id}` and `{value}`."),
            .init("clear", "must", "A call with `{id}` and `{value}`."),
        ])

    static let schema = DescriptionKeys(
        "schema, a call",
        [
            .init(
                "fields", "must",
                "Where the list of fields is; of an object, its keys are their names."),
            .init("name", "/name", "Where a field's name is, in an element like all that follows."),
            .init("type", "as in the mapping", "Where its type is."),
            .init("types", "none", "The app's words for types and ours: `{varchar: string}`."),
            .init("read-only", "none is", "What a field has that cannot be written, a mark."),
            .init(
                "required", "none is", "What one has that must be there, a mark or a list of them."),
            .init("options", "any value", "Where its options are."),
            .init("option", "the element", "Where an option's value is."),
            .init("length", "any", "Where the number of characters is that it takes."),
        ])

    static let watermarks = [
        DescriptionKey(
            "since", "ms",
            "`{since}` is the app's clock at the last listing, from its `Date` header, in this form."
        ),
        DescriptionKey("since-header", "see `since`", "It is what this header said."),
        DescriptionKey("since-token", "see `since`", "It is a text of the last page."),
        DescriptionKey(
            "since-link", "see `since`",
            "The next listing begins at this address of the last page; `changes` then has no call of its own."
        ),
    ]

    static let changes = DescriptionKeys(
        "changes, besides",
        watermarks + [
            .init("lag", "30s", "How long a change may stay invisible, a day at most."),
            .init(
                "index", "false",
                "It is a search index that may be behind; the records are read themselves."),
        ])

    static let deletions = DescriptionKeys(
        "deletions, besides",
        [
            .init("id", "must", "Where an element names the deleted record."),
            .init(
                "keeps", "for ever", "For how long the app knows what was deleted, such as `30d`."),
        ])

    static let batchRead = DescriptionKeys(
        "read, a call",
        [
            .init("records", "must", "Where the records are."),
            .init("batch", "100", "How many in one call, 2,000 at most."),
            .init("least", "1", "Fewer are read one by one."),
        ])

    static let single = DescriptionKeys(
        "single, a call", [.init("record", "the answer", "Where the record is.")])

    static let find = DescriptionKeys(
        "find, a call",
        [
            .init("records", "must", "Where the records are."),
            .init(
                "fields", "none",
                "What is searched by, as `{value}`: the first that the record has."),
            .init("escapes", "none", "What some characters become in `{value}`."),
            .init(
                "since", "ms",
                "The form of `{since}`, the time before which the record was not there."),
            .init("lag", "as `changes: lag`, 30s", "How long a new record may not be found."),
            .init("index", "false", "What is found is read itself."),
            .init(
                "newest", "false",
                "`true` for a list without `{value}` that begins with what was made last."),
        ])

    static let write = DescriptionKeys(
        "create, update and delete, calls",
        [
            .init("record", "the answer", "Where the record is in the answer."),
            .init("id", "as `record: id`", "Where its id is in that."),
            .init("id-header", "none", "The header with an address whose last part is the new id."),
            .init("batch", "one by one", "A call that writes several."),
        ])

    static let batchWrite = DescriptionKeys(
        "batch, a call",
        [
            .init("size", "50", "How many at once, 1,000 at most."),
            .init("results", "must", "Where the results are, one for each record in order."),
            .init("success", "all are", "What a result has that says yes, a mark."),
            .init("id", "/id", "Where the id is in a result."),
        ])
}
