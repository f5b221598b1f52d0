import TandemCRM
import TandemModel
import Testing

@Suite final class Associations {
    private let scratch: Scratch
    private let ann: RecordID
    private let acme: RecordID
    private let beta: RecordID

    init() throws {
        scratch = try Scratch()
        ann = try scratch.write { try $0.create(.contacts, ["email": "ann@acme.com"]).id }
        acme = try scratch.write { try $0.create(.companies, ["name": "Acme"]).id }
        beta = try scratch.write { try $0.create(.companies, ["name": "Beta"]).id }
    }

    deinit { scratch.remove() }

    private func labels(_ from: RecordID, _ object: ObjectName) throws -> [RecordID: [Int64]] {
        let list = try scratch.read { try $0.associations(of: from, to: object, limit: 100) }
        return Dictionary(uniqueKeysWithValues: list.map { ($0.to, $0.types.map(\.id)) })
    }

    private func primary() throws -> String? {
        try scratch.read { try $0.record(ann)?.properties["associatedcompanyid"] }
    }

    @Test func `show on both records, the first company as primary`() throws {
        #expect(try scratch.write { try $0.associate(ann, acme) })
        #expect(try !scratch.write { try $0.associate(ann, acme) })
        #expect(try labels(ann, .companies) == [acme: [1, 279]])
        #expect(try labels(acme, .contacts) == [ann: [2, 280]])
        #expect(try primary() == acme.description)
        try scratch.write { try $0.associate(beta, ann) }
        #expect(try labels(ann, .companies) == [acme: [1, 279], beta: [279]])
    }

    @Test func `have one primary company, whoever moves it`() throws {
        try scratch.write { try $0.associate(ann, acme) }
        try scratch.write { try $0.associate(ann, beta, labels: [1]) }
        #expect(try labels(ann, .companies) == [acme: [279], beta: [1, 279]])
        #expect(try primary() == beta.description)
        try scratch.write { try $0.update(ann, ["associatedcompanyid": acme.description]) }
        #expect(try labels(ann, .companies) == [acme: [1, 279], beta: [279]])
        try scratch.write { try $0.update(ann, ["associatedcompanyid": ""]) }
        #expect(try labels(ann, .companies) == [acme: [279], beta: [279]])
        try scratch.write { try $0.associate(acme, ann, labels: [2]) }
        #expect(try primary() == acme.description)
        try scratch.write { try $0.dissociate(acme, ann) }
        #expect(try labels(ann, .companies) == [beta: [279]])
        #expect(try primary() == nil)
        #expect(throws: CRMError.self) {
            try scratch.write { try $0.update(ann, ["associatedcompanyid": "\(ann)"]) }
        }
    }

    @Test func `take labels of their own, one name for each direction`() throws {
        let types = try scratch.write {
            try $0.addLabel("Billing", inverse: "Billed by", from: .contacts, to: .companies)
        }
        #expect(types.map(\.label) == ["Billing", "Billed by"])
        #expect(types[0].inverse == types[1].id && types[1].inverse == types[0].id)
        try scratch.write { try $0.associate(ann, acme, labels: [types[0].id]) }
        #expect(try labels(acme, .contacts) == [ann: [280, types[1].id]])
        try scratch.write { try $0.dissociate(ann, acme, labels: [types[0].id]) }
        #expect(try labels(ann, .companies) == [acme: [279]])
        #expect(throws: CRMError.alreadyExists("the label `billing` from contacts to companies")) {
            try scratch.write { try $0.addLabel("billing", from: .contacts, to: .companies) }
        }
        #expect(throws: CRMError.unknownAssociationType(9)) {
            try scratch.write { try $0.associate(ann, acme, labels: [9]) }
        }
    }

    @Test func `reach custom objects, and stay away from the bin`() throws {
        let deal = try scratch.write { try $0.create(.deals, ["dealname": "D"]).id }
        let product = try scratch.write { try $0.create(.products, ["name": "P"]).id }
        try scratch.write { try $0.associate(deal, product) }
        #expect(try labels(product, .deals).keys.map(\.self) == [deal])
        try scratch.write { try $0.archive(product) }
        #expect(try labels(deal, .products).isEmpty)
        #expect(throws: CRMError.archived(product)) {
            try scratch.write { try $0.associate(deal, product) }
        }
        try scratch.write { try $0.restore(product) }
        #expect(try labels(deal, .products).count == 1)
    }

    @Test func `are in the change feed of both records`() throws {
        try scratch.write { try $0.associate(ann, acme) }
        try scratch.write { try $0.dissociate(ann, acme) }
        let mine = try scratch.read { try $0.history(of: ann) }
        #expect(mine.map(\.kind) == [.create, .associate, .update, .dissociate, .update])
        #expect(mine[1].patch == [PropertyName("companies/\(acme)"): "279;1"])
        let theirs = try scratch.read { try $0.history(of: acme) }
        #expect(theirs.map(\.kind) == [.create, .associate, .dissociate])
        #expect(theirs[1].patch == [PropertyName("contacts/\(ann)"): "280;2"])
    }
}
