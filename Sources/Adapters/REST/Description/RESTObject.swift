package import TandemModel
package import TandemSupport

/// What a description says of one object of the app.
extension RESTDescription {
    /// A JSON body with places to fill in.
    package indirect enum Template: Hashable, Sendable {
        /// A place that is all of the text may stand for a list, an object or a number.
        case text(String)
        case number(Int)
        case flag(Bool)
        case null
        case list([Template])
        /// `spread` are objects whose members are among its own; they come after its own.
        case object([String: Template], spread: [Template])
        /// Inside a list: what `element` gives, element by element.
        case elements(Template)
        /// One element for each of the ids, with `{id}` in it.
        case eachID(Template)
        /// One element for each record of a batch, with its `{id}` and `{values}`.
        case eachWrite(Template)
    }

    /// Where the place of the next page is.
    package enum Paging: Hashable, Sendable {
        /// A text in the answer, for `{after}`; blank or missing on the last page.
        case token(String)
        /// An address in the answer.
        case link(String)
        /// An address in a header of the answer.
        case header(String)
        /// The number of a page, which grows by one.
        case page
        /// The number of records before the page. So many of the last page's records are listed
        /// again, which shows that none has slipped through when others went away.
        case offset(overlap: Int)
        /// Pages go on behind the last record's id, as `{after}`.
        case lastID
    }

    /// Records in an answer.
    package struct Records: Hashable, Sendable {
        /// Where their list is; one record alone counts as a list of one.
        package let list: String
        /// Where the record is in an element of the list.
        package var item = ""
        /// There is no list where there are no records.
        package var isOptional = false

        package init(list: String) { self.list = list }
    }

    /// A listing in pages.
    package struct Listing: Hashable, Sendable {
        package let call: Call
        package let records: Records
        package let paging: Paging
        /// The place of the first page, as `{after}`.
        package var start = ""
        /// The app gives no more records than these to one question, the ones that changed first
        /// before the others: the listing then starts anew with the last one's time as `{since}`.
        package var cap: Int?
        /// What an answer has that is not the last one; others end the listing, whatever they lead to.
        package var more: Mark?
        /// Where the number of all records is, and that of all pages: behind so many the listing ends.
        package var total: String?
        package var pageCount: String?
        /// What answers a page behind the last one.
        package var end: End?
        /// Every record that is there all along is on one of the pages, whatever moves meanwhile.
        package var isStable = false

        /// Whether a record that moves can slip from a page not yet read to one that was.
        var mayDrift: Bool {
            switch paging {
            case .token, .lastID: false
            case .link, .header, .page, .offset: !isStable
            }
        }

        package init(call: Call, records: Records, paging: Paging) {
            self.call = call
            self.records = records
            self.paging = paging
        }
    }

    /// How the app answers a page that is not there any more.
    package enum End: Hashable, Sendable {
        case status(Int)
        case mark(Mark)
    }

    /// How the app tells what changed since a moment.
    package struct Changes: Hashable, Sendable {
        /// One after the other.
        package let listings: [Listing]
        package let watermark: Watermark
        /// How long a change may stay invisible.
        package var lagSeconds = usualLagSeconds
        package static let usualLagSeconds: Int64 = 30
        /// It is an index that may be behind the records themselves, which are then read.
        package var isIndex = false

        package init(listings: [Listing], watermark: Watermark) {
            self.listings = listings
            self.watermark = watermark
        }
    }

    /// How the app tells what was deleted, besides what stands for deleted records in listings.
    package enum Deletions: Hashable, Sendable {
        /// Not at all, or not all: everything is listed now and then.
        case sweep
        /// Listings of what was deleted since a moment. After `keepsSeconds` the app forgets.
        case feed([Listing], id: String, keepsSeconds: Int64?)
    }

    /// Where `{since}` of the next listing comes from.
    package enum Watermark: Hashable, Sendable {
        /// The app's clock at the first answer, in this form.
        case date(TimeForm)
        /// A header of the first answer with a number that grows; quotes round it (an ETag) do not
        /// count.
        case header(String)
        /// A text in the last answer, of a listing of everything as of one of changes.
        case token(String)
        /// An address in the last answer, which is the first page of the next listing.
        case link(String)
    }

    package enum TimeForm: String, Hashable, Sendable, CaseIterable {
        case milliseconds = "ms"
        case seconds = "s"
        /// `2026-11-24T09:30:00.000Z`
        case rfc3339
        /// `2026-11-24T09:30:00Z`
        case wholeSeconds = "rfc3339-seconds"
        /// `2026-11-24T09:30:00+00:00`
        case offset = "rfc3339-offset"
        /// `2026-11-24 09:30:00`, which is UTC
        case plain = "utc"
        /// `Tue, 24 Nov 2026 09:30:00 GMT` (RFC 9110 §5.6.7)
        case http = "http-date"
    }

    /// How the record that a create without answer may have made is looked for.
    package struct Lookup: Hashable, Sendable {
        package let call: Call
        package let records: Records
        /// The first of these fields with a value, else any, is searched by, as `{field}` and
        /// `{value}`, among records made since `{since}`; all of them must agree.
        package var fields: [AppField] = []
        /// What some characters become in `{value}`, where it stands in a query language.
        package var escapes: [String: String] = [:]
        package var since = TimeForm.milliseconds
        /// How long a new record may not be found; as long as changes may stay invisible if `nil`.
        package var lagSeconds: Int64?
        /// What it shows is no record but the way to one, which is then read.
        package var isIndex = false

        package init(call: Call, records: Records) {
            self.call = call
            self.records = records
        }
    }

    /// Members of a record that can be put back.
    package enum Restored: Hashable, Sendable {
        case all
        case members(Set<String>)
    }

    /// Where things are in a record, and how its values are written.
    package struct Shape: Hashable, Sendable {
        package var id: String
        package var values: String
        package var created: String?
        package var modified: String?
        /// What differs after each change; the time of the change if it is left out.
        package var version: String?
        /// What stands for a deleted record.
        package var deleted: Mark?
        /// Numbers, flags and sets are written as such, and blank as null; else all as texts.
        package var isTyped = false
        /// What stands for blank, if not null or an empty text.
        package var blank: Template?
        /// Texts that are read as blank.
        package var blanks: [String] = []
        /// How moments are written.
        package var moments = TimeForm.rfc3339
        /// Members that are written whole, so that what is not ours in them is sent along.
        ///
        /// Lists are so without being named.
        package var whole: Set<String> = []
        /// Members that a create takes back of a record which we deleted, besides the mapped fields and those
        /// that the schema call says can be written.
        package var restores = Restored.members([])
        /// Places that are never written, where the app makes something of the others.
        package var unsent: [String] = []
        package var fields: [AppField: FieldForm] = [:]
        package var associations: [AppField: Association] = [:]

        package init(id: String, values: String) {
            self.id = id
            self.values = values
        }
    }

    /// A value in a place that tells something: one of `values`; any but null, false and blank if
    /// there are none.
    package struct Mark: Hashable, Sendable {
        package let place: String
        package let values: [String]

        package init(place: String, values: [String]) {
            self.place = place
            self.values = values
        }

        package func isOn(_ json: JSON) -> Bool {
            guard let value = json.at(place) else { return false }
            if values.isEmpty { return value != .flag(false) && value.field != "" }
            return value.field.map(values.contains) ?? false
        }
    }

    /// What is particular about one field.
    package struct FieldForm: Hashable, Sendable {
        /// Where its value is among the values; the field's own name if `nil`.
        package var place: String?
        /// What is written, with `{value}`; the value itself if `nil`.
        package var written: Template?
        package var blank: Template?
        /// What it is in the app, where that is not what the mapping says.
        package var type: ValueType?
        package var isReadOnly = false
        package var isRequired = false
        /// Where its value is written in a new record, if that is another place.
        package var createPlace: String?
        /// It is written with a new record only.
        package var isCreateOnly = false
        /// The values that the app takes, and how many characters; none for any.
        package var options: [String] = []
        package var maximumLength: Int?

        package init() {}
    }

    /// A field that names another record and that calls of its own read and write.
    package struct Association: Hashable, Sendable {
        /// Asks for several records' targets at once, by `{ids}`.
        package let read: BatchRead
        /// In an element: the record, and where what it is associated with may be; the first that is
        /// there holds.
        package let from: String
        package let to: [String]
        /// With `{id}` and `{value}`, like ``clear``.
        package let set: Call
        package let clear: Call

        package init(read: BatchRead, from: String, to: [String], set: Call, clear: Call) {
            self.read = read
            self.from = from
            self.to = to
            self.set = set
            self.clear = clear
        }
    }

    /// Where the fields of a record are asked for.
    package struct Schema: Hashable, Sendable {
        package let call: Call
        /// Their list in the answer; an object has the names as keys.
        package let fields: String
        /// In an element, like what follows.
        package let name: String
        package var type: String?
        /// The app's words for types, and what they are here.
        package var types: [String: ValueType] = [:]
        package var readOnly: Mark?
        package var required: [Mark] = []
        package var options: String?
        package var option = ""
        package var maximumLength: String?

        package init(call: Call, fields: String, name: String) {
            self.call = call
            self.fields = fields
            self.name = name
        }
    }

    /// How several records are read by their ids at once.
    package struct BatchRead: Hashable, Sendable {
        package let call: Call
        package let records: Records
        /// How many in one call.
        package let size: Int
        /// Fewer are asked for one by one, where that costs less.
        package var least = 1

        package init(call: Call, records: Records, size: Int) {
            self.call = call
            self.records = records
            self.size = size
        }
    }

    /// How several records are written in one call, each with a result of its own.
    package struct BatchWrite: Hashable, Sendable {
        package let call: Call
        package let size: Int
        /// The list of results, in the order of the writes.
        package let results: String
        /// What a result has that says yes; any does if `nil`.
        package let success: Mark?
        /// Where the record's id is in a result.
        package let id: String

        package init(call: Call, size: Int, results: String, success: Mark?, id: String) {
            self.call = call
            self.size = size
            self.results = results
            self.success = success
            self.id = id
        }
    }

    /// Everything about one object of the app.
    package struct Object: Hashable, Sendable {
        package let shape: Shape
        /// `nil` for an app that does not tell its fields.
        package var schema: Schema?
        /// Everything there is, one listing after the other.
        package let list: [Listing]
        /// `nil` for an app that cannot tell what changed: each listing is one of everything.
        package var changes: Changes?
        package var deletions: Deletions?
        package var read: BatchRead?
        /// Asks for one record; only its 404 or 410, or what the errors say, proves that it is
        /// gone.
        package let single: Call
        /// `nil` if the id of a new record follows from our key, `{key-id}`.
        package var find: Lookup?
        /// `nil` for what cannot be done to records of the app.
        package var create: Call?
        package var createBatch: BatchWrite?
        package var update: Call?
        package var updateBatch: BatchWrite?
        package var delete: Call?
        package var deleteBatch: BatchWrite?
        /// Headers of updates and deletions that make them depend on `{version}`.
        package var condition: [String: String] = [:]
        /// For how long after a write a read may still show what was there before.
        package var readLagSeconds: Int64 = 0

        package init(shape: Shape, list: [Listing], single: Call) {
            self.shape = shape
            self.list = list
            self.single = single
        }
    }
}
