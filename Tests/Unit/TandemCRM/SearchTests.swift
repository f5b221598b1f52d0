import Foundation
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport
import Testing

@Suite final class Searching {
    private let scratch: Scratch
    private let ids: [RecordID]

    init() throws {
        scratch = try Scratch()
        let scratch = scratch
        let people: [Values] = [
            ["email": "Ann@Acme.example", "firstname": "Ann", "lastname": "Lee", "zip": "100"],
            ["email": "bob@beta.example", "firstname": "Bob", "lastname": "lee", "zip": "20"],
            ["firstname": "Carl", "lastname": "Åström", "closedate": "2026-11-22T10:00:00.000Z"],
            ["firstname": "Dora Ann", "categories": "a;b", "associatedcompanyid": ""],
        ]
        ids = try people.enumerated().map { index, values in
            try scratch.write(at: scratch.now + .seconds(Int64(index))) {
                try $0.create(.contacts, values).id
            }
        }
    }

    deinit { scratch.remove() }

    private func found(
        _ groups: [[SearchFilter]], text: String = "", sort: SearchQuery.Sort? = nil,
        offset: Int = 0, limit: Int = 10
    ) throws -> [Int] {
        let page = try scratch.read {
            try $0.search(
                .contacts,
                SearchQuery(groups: groups, text: text, sort: sort, offset: offset, limit: limit),
                scratch.store.schema)
        }
        return page.records.compactMap { ids.firstIndex(of: $0.id) }
    }

    /// Each with the records it finds; the same whether the database or the test itself answers.
    @Test(arguments: [
        (SearchFilter("lastname", .equal, ["LEE"]), [0, 1]),
        (SearchFilter("lastname", .equal, ["ÅSTRÖM"]), [2]),
        (SearchFilter("lastname", .notEqual, ["lee"]), [2, 3]),
        (SearchFilter("lastname", .oneOf, ["lee", "åström"]), [0, 1, 2]),
        (SearchFilter("lastname", .noneOf, ["lee", "åström"]), [3]),
        (SearchFilter("email", .equal, ["ann@acme.example"]), [0]),
        (SearchFilter("email", .has), [0, 1]),
        (SearchFilter("email", .lacks), [2, 3]),
        (SearchFilter("firstname", .containsToken, ["ann"]), [0, 3]),
        (SearchFilter("firstname", .containsToken, ["an"]), []),
        (SearchFilter("firstname", .containsToken, ["*an*"]), [0, 3]),
        (SearchFilter("email", .containsToken, ["*@beta.example"]), [1]),
        (SearchFilter("email", .lacksToken, ["beta"]), [0, 2, 3]),
        (SearchFilter("hs_object_id", .greater, ["2"]), [2, 3]),
        (SearchFilter("hs_object_id", .between, ["2", "3"]), [1, 2]),
        (SearchFilter("createdate", .atMost, ["1700000001000"]), [0, 1]),
        (SearchFilter("createdate", .less, ["2023-11-14T22:13:21Z"]), [0]),
        (SearchFilter("lastmodifieddate", .atLeast, ["1700000002000"]), [2, 3]),
        (SearchFilter("closedate", .greater, ["2026-11-22"]), [2]),
        (SearchFilter("closedate", .between, ["1795341600000", "1795341600000"]), [2]),
        (SearchFilter("categories", .equal, ["b"]), [3]),
    ])
    func `meets every operator`(_ filter: SearchFilter, _ expected: [Int]) throws {
        #expect(try found([[filter]]) == expected)
        // A second condition on every record changes nothing but how the answer is found.
        #expect(try found([[filter, SearchFilter("firstname", .has)]]) == expected)
    }

    @Test func `takes groups as alternatives and filters together`() throws {
        let ann = SearchFilter("firstname", .equal, ["ann"])
        let zip = SearchFilter("zip", .equal, ["20"])
        #expect(try found([[ann], [zip]]) == [0, 1])
        #expect(try found([[ann, zip]]) == [])
        #expect(try found([]) == [0, 1, 2, 3])
    }

    /// What the database answers of one group says nothing of the others.
    @Test func `keeps its groups apart, whoever answers them`() throws {
        let late = SearchFilter("hs_object_id", .greater, ["3"])
        let ann = SearchFilter("firstname", .containsToken, ["ann"])
        let mail = SearchFilter("email", .has)
        #expect(try found([[late], [ann]]) == [0, 3])
        #expect(
            try found([[SearchFilter("createdate", .atLeast, ["0"]), mail], [late]]) == [0, 1, 3])
        let company = try scratch.write { try $0.create(.companies, ["name": "A"]).id }
        try scratch.write { try $0.associate(ids[2], company) }
        let linked = SearchFilter("associations.companies", .equal, ["\(company)"])
        #expect(try found([[linked], [ann]]) == [0, 2, 3])
    }

    @Test func `finds by a company name, which is also a part of match keys`() throws {
        try scratch.write { _ = try $0.update(ids[0], ["company": "Acme"]) }
        #expect(try found([[SearchFilter("company", .equal, ["acme"])]]) == [0])
    }

    @Test func `finds equal numbers and moments of indexed properties in every spelling`() throws {
        for name in ["closedate", "hs_analytics_num_visits"] as [PropertyName] {
            try scratch.store.edit(at: scratch.now) { try $0.index(name, of: .contacts) }
        }
        try scratch.write { _ = try $0.update(ids[0], ["hs_analytics_num_visits": "5"]) }
        #expect(try found([[SearchFilter("hs_analytics_num_visits", .equal, ["5.0"])]]) == [0])
        #expect(try found([[SearchFilter("closedate", .equal, ["1795341600000"])]]) == [2])
    }

    @Test func `sorts by value and puts records without one last`() throws {
        #expect(try found([], sort: .init("zip", isDescending: false)) == [0, 1, 2, 3])
        #expect(try found([], sort: .init("zip", isDescending: true)) == [1, 0, 2, 3])
        #expect(try found([], sort: .init("hs_object_id", isDescending: true)) == [3, 2, 1, 0])
        #expect(try found([], sort: .init("createdate", isDescending: true)) == [3, 2, 1, 0])
    }

    @Test func `pages without a gap and counts all`() throws {
        for sort in [SearchQuery.Sort?.none, .init("firstname", isDescending: true)] {
            let pages = try (0..<3).flatMap { try found([], sort: sort, offset: $0 * 2, limit: 2) }
            #expect(Set(pages).count == 4 && pages.count == 4)
        }
        let total = try scratch.read {
            try $0.search(
                .contacts,
                SearchQuery(groups: [[SearchFilter("firstname", .has)]], limit: 1),
                scratch.store.schema
            ).total
        }
        #expect(total == 4)
    }

    @Test func `looks for words where searches look`() throws {
        #expect(try found([], text: "LEE ann") == [0])
        #expect(try found([], text: "dor") == [3])
        #expect(try found([], text: "100") == [])
    }

    @Test func `finds by association, and never what is in the bin or was merged`() throws {
        let company = try scratch.write { try $0.create(.companies, ["name": "A"]).id }
        try scratch.write { try $0.associate(ids[1], company) }
        let filter = SearchFilter("associations.company", .equal, ["\(company)"])
        #expect(try found([[filter]]) == [1])
        try scratch.write { try $0.archive(ids[1]) }
        #expect(try found([[filter]]) == [])
        try scratch.write { _ = try $0.merge(ids[2], ids[3]) }
        #expect(try found([]) == [0])
    }

    @Test func `says which property is not there`() throws {
        #expect(throws: CRMError.unknownProperty("firstnam", of: .contacts, nearest: "firstname")) {
            try found([[SearchFilter("firstnam", .has)]])
        }
    }

    @Test func `finds by a property that was indexed after the records were made`() throws {
        try scratch.store.edit(at: scratch.now) { try $0.index("zip", of: .contacts) }
        #expect(scratch.store.schema.objects[.contacts]?["zip"]?.isIndexed == true)
        #expect(try found([[SearchFilter("zip", .equal, ["20"])]]) == [1])
        try scratch.write { try $0.update(ids[0], ["zip": "20"]) }
        #expect(try found([[SearchFilter("zip", .equal, ["20"])]]) == [0, 1])
    }
}

@Suite final class `Properties and privacy` {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    deinit { scratch.remove() }

    @Test func `refuses what is calculated or kept by the store, by name`() throws {
        for name in [
            "hs_object_id", "createdate", "lastmodifieddate", "hs_email_domain",
            "hs_merged_object_ids", "num_conversion_events",
        ] as [PropertyName] {
            #expect(throws: CRMError.readOnly(name)) {
                try scratch.write { try $0.create(.contacts, [name: "1"]) }
            }
        }
    }

    @Test func `works out calculated values when they are read`() throws {
        let record = try scratch.write {
            try $0.create(.contacts, ["email": "ann@acme.example", "lastname": "Lee"])
        }
        #expect(record.value("hs_email_domain") == "acme.example")
        #expect(record.value("hs_full_name_or_email") == "Lee")
        #expect(record.value("hs_object_id") == "\(record.id)")
        #expect(record.value("createdate") == record.createdAt.description)
    }

    @Test func `keeps unique values unique, without case, among living records`() throws {
        let code = PropertyDefinition("code", "Code", isUnique: true, isCustom: true)
        try scratch.store.edit(at: scratch.now) { try $0.add(code, to: .deals) }
        let one = try scratch.write { try $0.create(.deals, ["code": "A1"]).id }
        #expect(throws: CRMError.duplicateValue("code", "a1", of: one)) {
            try scratch.write { try $0.create(.deals, ["code": "a1"]) }
        }
        try scratch.write { try $0.archive(one) }
        try scratch.write { _ = try $0.create(.deals, ["code": "a1"]) }
    }

    @Test func `has every copy of the store know a changed schema`() throws {
        let other = try CRMStore(database: scratch.database)
        let size = PropertyDefinition("size", "Size", .number, isCustom: true)
        try other.edit(at: scratch.now) { try $0.add(size, to: .deals) }
        // This copy has not looked yet, but it writes by what is there.
        #expect(scratch.store.schema.objects[.deals]?["size"] == nil)
        try scratch.write { _ = try $0.create(.deals, ["size": "4"]) }
    }

    @Test
    func
        `forgets a person with history and merged records, and keeps syncs from bringing them back`()
        throws
    {
        let (one, other) = try scratch.write { writer in
            (
                try writer.create(.contacts, ["email": "a@example.com"]).id,
                try writer.create(.contacts, ["email": "b@example.com"]).id
            )
        }
        let result = try scratch.write { try $0.merge(one, other) }
        try scratch.write { try $0.erase(other) }
        for id in [one, other, result.id] {
            #expect(try scratch.read { try $0.record(id) } == nil)
            #expect(try scratch.read { try $0.history(of: id) }.allSatisfy { $0.patch.isEmpty })
            #expect(try scratch.read { try $0.wasErased(id) })
        }
        for email in ["a@example.com", "B@example.com"] {
            #expect(throws: CRMError.blocked("email")) {
                try scratch.database.write {
                    try scratch.store.writer(in: $0, now: scratch.now, origin: .sync("s"))
                        .create(.contacts, ["email": email])
                }
            }
        }
        // What was merged and split again is forgotten on both sides of the split.
        let pair = try scratch.write { writer in
            try ["c", "d"].map { try writer.create(.contacts, ["email": "\($0)@example.com"]).id }
        }
        let split = try scratch.write { try $0.merge(pair[0], pair[1]) }
        try scratch.write { _ = try $0.unmerge(split.id) }
        try scratch.write { try $0.erase(pair[0]) }
        #expect(try scratch.read { try $0.record(split.id) } == nil)
        #expect(try scratch.read { try $0.record(pair[1]) } != nil)
        // A person may add them again.
        try scratch.write { _ = try $0.create(.contacts, ["email": "a@example.com"]) }
    }

    @Test func `takes over a store of an older version with its options and objects`() throws {
        let path = scratch.folder.appending(path: "old.db").path()
        let old = try SQLiteDatabase(path: path, durability: .process, hasReaders: false)
        try old.migrate(Array(CRMSchema.migrations.prefix(2)), filling: SQLiteDatabase.filling)
        try old.write { connection in
            try connection.run("INSERT INTO object VALUES ('machines')", [])
            try connection.run(
                "INSERT INTO property VALUES ('machines', 'colour', 'Colour', 'enumeration', 'red;blue', 0)",
                [])
        }
        try old.migrate(CRMSchema.migrations, filling: SQLiteDatabase.filling)
        let store = try CRMStore(database: old)
        let colour = try #require(store.schema.objects["machines"]?["colour"])
        #expect(colour.options.map(\.value) == ["red", "blue"])
        #expect(store.schema.definitions["machines"]?.typeID == "2-1")
        #expect(store.schema.objects["machines"]?["hs_object_id"] != nil)
        try old.close()
    }
}
