import TandemCRM
import TandemCore
import TandemModel
import Testing

@Suite struct Duplicates {
    private func groups(_ object: ObjectName, _ records: [Values]) throws -> [[Int: [String]]] {
        let scratch = try Scratch()
        defer { scratch.remove() }
        var ids: [RecordID: Int] = [:]
        for (place, values) in records.enumerated() {
            ids[try scratch.write { try $0.create(object, values).id }] = place
        }
        var found: [[Int: [String]]] = []
        try scratch.read { reader in
            try reader.duplicates(of: object) { group in
                let reasons = group.reasons.map(\.rawValue)
                found.append(
                    Dictionary(
                        uniqueKeysWithValues: group.records.map { (ids[$0.id] ?? -1, reasons) }))
            }
        }
        return found
    }

    @Test(
        arguments: [
            (["email": "ann.lee@gmail.com"], ["email": "AnnLee+news@gmail.com"], ["same mailbox"]),
            (
                [
                    "email": "a@x.co", "firstname": "Ann", "lastname": "Lee",
                    "phone": "+46 70 123 45 67",
                ],
                [
                    "email": "b@y.co", "firstname": "ann", "lastname": "LEE",
                    "mobilephone": "070-1234567",
                ],
                ["same name and phone"]
            ),
            (
                ["firstname": "Ann", "lastname": "Lee", "company": "Acme, Inc."],
                ["firstname": "Ann", "lastname": "Lee", "company": "ACME"],
                ["same name and company"]
            ),
            (
                ["email": "a@acme.com", "firstname": "Ann"],
                ["email": "ann@acme.com", "firstname": "Ann"],
                ["same name and mail domain"]
            ),
            (
                ["email": "a@gmail.com", "firstname": "Ann"],
                ["email": "b@gmail.com", "firstname": "Ann"], []
            ),
            (["firstname": "Ann", "phone": "1234"], ["firstname": "Ann", "phone": "1234"], []),
        ] as [(Values, Values, [String])])
    func `of contacts are found by what makes them suspicious`(
        _ one: Values, _ other: Values, _ reasons: [String]
    ) throws {
        let found = try groups(.contacts, [one, ["email": "else@example.net"], other])
        #expect(found == (reasons.isEmpty ? [] : [[0: reasons, 2: reasons]]))
    }

    @Test func `of companies are found, with every reason in one group`() throws {
        let found = try groups(
            .companies,
            [
                ["name": "Acme GmbH", "domain": "acme.com"], ["name": "Other"],
                ["name": "ACME", "hs_additional_domains": "www.acme.com"],
                ["name": "Quite else", "phone": "+47 22 33 44 55", "city": "Oslo"],
                ["name": "Another", "phone": "22334455", "city": "oslo"],
            ])
        let both = ["same domain", "same name but for the legal form"]
        #expect(
            found == [
                [0: both, 2: both], [3: ["same phone and city"], 4: ["same phone and city"]],
            ])
    }
}
