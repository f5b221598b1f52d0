import TandemCRM
import TandemDatabase
import TandemModel

/// The people who work in the CRM and in the apps.
extension SimWorld {
    /// One thing that somebody does somewhere.
    func actRandomly(onApp: Bool = true) {
        let server = random.pick(servers)
        if object == .companies && random.chance(0.3) { return link(server, onApp: onApp) }
        if happens(.respelled, 0.05) { return respell(server, onApp: onApp) }
        if onApp && happens(.putBack, 0.05) { return putBack(server) }
        if onApp && happens(.swapped, 0.04) { return swap(server) }
        if onApp && happens(.reusedID, 0.04) { return reuseID(server) }
        if onApp && happens(.oddMoment, 0.04) { return giveMoment(server) }
        if object == .contacts && happens(.mailsMoved, 0.05) {
            return onApp && random.chance(0.6) ? moveMails(server) : moveMailsInCRM()
        }
        if object == .contacts && onApp && happens(.sharedMail, 0.03) { return shareMail(server) }
        switch random.below(onApp ? 17 : 6) {
        case 0 where random.chance(0.3): reshapeInCRM()
        case 0: createInCRM()
        case 1, 2, 3: editInCRM()
        case 4: random.chance(0.5) ? deleteInCRM() : editInCRM()
        case 5: random.chance(0.5) ? restoreInCRM() : editInCRM()
        case 6, 7: createInApp(server)
        case 8, 9, 10, 11: editInApp(server, nil, someProperty())
        case 12: deleteInApp(server)
        case 13: undelete(server)
        case 14: mergeInApp(server)
        case 15: random.chance(0.5) ? recreateInApp(server) : createTwins(server)
        default: createSameOnBoth(server)
        }
    }

    private func happens(_ fault: Fault, _ rate: Double) -> Bool {
        random.chance(emphasis.faults.contains(fault) ? 4 * rate : rate)
    }

    private func reshapeInCRM() {
        switch random.below(8) {
        case 0...3: mergeInCRM()
        case 4...6: unmergeInCRM()
        default: eraseInCRM()
        }
    }

    private var textProperties: [PropertyName] {
        object == .contacts
            ? ["email", "firstname", "lastname", "phone", "company", "jobtitle", "city"]
            : ["name", "domain", "phone", "industry", "description", "city", "state"]
    }

    /// Users like to change the same few fields.
    private func someProperty() -> PropertyName {
        // The field that apps leave out and lose.
        if !emphasis.faults.isDisjoint(with: [.omitsField, .fieldVanishes]), random.chance(0.5) {
            return object == .contacts ? "jobtitle" : "description"
        }
        return random.chance(0.7) ? random.pick(["phone", "city"]) : random.pick(textProperties)
    }

    private func appField(_ property: PropertyName) -> AppField {
        settings[0].mapping.fields.first { $0.crm == property }?.app ?? "none"
    }

    /// A fresh value that fits the property, in a form that apps like to rewrite.
    func value(_ property: PropertyName) -> String {
        let token = nextToken()
        switch property {
        case "email": return random.chance(0.5) ? "\(token)@Example.org" : "\(token)@example.org"
        case "domain": return "\(token).example.com"
        case "phone": return "+46 (70) \(1_000_000 + self.token)"
        case "jobtitle", "description":
            return random.chance(0.1)
                ? "\(token) of a very long and winding title" : "Title \(token)"
        default:
            return random.pick(["\(token)", " \(token) ", "\(token) Åsa", "\(token) with a tail"])
        }
    }

    func draft(_ share: Double) -> Values {
        var values: Values = [:]
        for property in textProperties where random.chance(share) {
            values[property] = value(property)
        }
        let key: PropertyName = object == .contacts ? "email" : "name"
        if random.chance(0.85) { values[key] = value(key) }
        if object == .contacts && random.chance(0.3) {
            values["lifecyclestage"] = random.pick(["lead", "customer"])
        }
        return values
    }

    /// Lets a CRM user work on a record; `work` gives the record's id if there was one.
    func inCRM(_ what: String, _ work: (CRMReader, CRMWriter) throws -> RecordID?) {
        do {
            let id = try userStore.database.write { connection in
                try work(
                    userStore.reader(in: connection),
                    try userStore.writer(in: connection, now: clock.now, origin: .user))
            }
            if let id {
                say("CRM user: record \(id): \(what)")
                watch.twins.removeAll { $0.crm.contains(id) }
            }
        } catch is CRMError {
            say("CRM user: \(what), refused")
        } catch {
            violations.append("the CRM store failed a user: \(error)")
        }
    }

    func someRecord(_ reader: CRMReader, areArchived: Bool = false) throws -> CRMRecord? {
        let all = try reader.records(
            of: object, after: RecordID(0), limit: 500, areArchived: areArchived)
        return all.isEmpty ? nil : random.pick(all)
    }

    private func createInCRM() { create(draft(0.5)) }

    @discardableResult
    private func create(_ values: Values) -> RecordID? {
        var made: RecordID?
        inCRM("created with \(values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })") {
            _, writer in
            let id = try writer.create(object, values).id
            for value in values.values { oracle.record(old: "", new: value, at: "CRM \(id)") }
            made = id
            return id
        }
        return made
    }

    private func editInCRM() {
        let property = someProperty()
        let value = random.chance(0.12) ? "" : value(property)
        inCRM("\(property) set to `\(value)`") { reader, writer in
            guard let record = try someRecord(reader) else { return nil }
            try writer.update(record.id, [property: value])
            let old = record.properties[property] ?? ""
            oracle.record(old: old, new: value, at: "CRM \(record.id) \(property)")
            return record.id
        }
    }

    /// Somebody says on one side which company another one belongs to, or that it belongs to none.
    private func link(_ server: SimServer, onApp: Bool) {
        if onApp && random.chance(0.5) { return linkInApp(server) }
        let isCleared = random.chance(0.2)
        inCRM("belongs to \(isCleared ? "none" : "another one")") { reader, writer in
            guard let record = try someRecord(reader), let parent = try someRecord(reader),
                parent.id != record.id, let type = try Self.parent(reader)
            else { return nil }
            let old = try reader.link(of: record.id, to: object, type, preferring: nil)
            try writer.setLink(of: record.id, type, from: old, to: isCleared ? nil : parent.id)
            return record.id
        }
    }

    static func parent(_ reader: CRMReader) throws -> LinkType? {
        LinkType(
            from: .companies, to: .companies, label: nil,
            among: try reader.associationTypes(from: .companies, to: .companies))
    }

    private func linkInApp(_ server: SimServer) {
        let (pick, isCleared) = (random.next(), random.chance(0.2))
        let told = server.with { state, now -> String? in
            let ids = state.living
            guard ids.count > 1 else { return nil }
            let child = Int(pick % UInt64(ids.count))
            let boss = ids[(child + 1 + Int(pick / 97 % UInt64(ids.count - 1))) % ids.count]
            state.change(
                ids[child], ["boss": isCleared ? "" : boss.text], isOurs: false, now: now)
            return "\(ids[child]) belongs to \(isCleared ? "none" : boss.text)"
        }
        if let told { say("\(server.name) user: \(told)") }
    }

    private func deleteInCRM() {
        inCRM("deleted") { reader, writer in
            guard let record = try someRecord(reader) else { return nil }
            try writer.archive(record.id)
            for value in record.properties.values { oracle.record(old: value, new: "", at: "bin") }
            return record.id
        }
    }

    private func restoreInCRM() {
        inCRM("restored") { reader, writer in
            guard let record = try someRecord(reader, areArchived: true) else { return nil }
            try writer.restore(record.id)
            return record.id
        }
    }

    func appValues(_ values: Values) -> [AppField: String] {
        values.reduce(into: [:]) { fields, entry in
            guard let field = settings[0].mapping.fields.first(where: { $0.crm == entry.key })
            else { return }
            fields[field.app] =
                field.options.isEmpty ? entry.value : field.options[entry.value] ?? "New"
        }
    }

    @discardableResult
    private func createInApp(_ server: SimServer, _ values: Values? = nil) -> AppRecordID? {
        let values = appValues(values ?? draft(0.5))
        let id = server.with { state, now -> AppRecordID? in
            if state.refusal(of: values, for: nil) != nil { return nil }
            return state.make(values, now: now)
        }
        collectEdits()
        if let id { say("\(server.name) user: creates \(id)") }
        return id
    }

    /// Somebody in the app sets a field of this record, or of any.
    func editInApp(_ server: SimServer, _ id: AppRecordID?, _ property: PropertyName) {
        let field = appField(property)
        let value = random.chance(0.12) ? "" : value(property)
        let pick = random.next()
        let id = server.with { state, now -> AppRecordID? in
            let ids = state.living
            guard !ids.isEmpty else { return nil }
            let id = id ?? ids[Int(pick % UInt64(ids.count))]
            if state.refusal(of: [field: value], for: id) != nil { return nil }
            state.edit(id, field, to: value, now: now)
            return id
        }
        collectEdits()
        if let id { say("\(server.name) user: sets \(field) of \(id) to `\(value)`") }
    }

    private func deleteInApp(_ server: SimServer) {
        let pick = random.next()
        let id = server.with { state, now -> AppRecordID? in
            guard !state.living.isEmpty else { return nil }
            let id = state.living[Int(pick % UInt64(state.living.count))]
            state.remove(id, now: now)
            return id
        }
        collectEdits()
        if let id { say("\(server.name) user: deletes \(id)") }
    }

    private func undelete(_ server: SimServer) {
        let id = server.with { state, now -> AppRecordID? in
            guard let id = state.records.filter({ $0.value.isDeleted }).keys.min(),
                state.strikes(.undelete, rate: 0.6)
            else { return nil }
            let values = state.records[id]?.values ?? [:]
            if state.refusal(of: values, for: id) != nil { return nil }
            state.records[id]?.isDeleted = false
            state.records[id]?.isOurs = false
            state.change(id, [:], isOurs: false, now: now)
            return id
        }
        if let id { say("\(server.name) user: brings back \(id)") }
    }

    /// Two records become one of them, which keeps its own values.
    private func mergeInApp(_ server: SimServer) {
        let pick = random.next()
        let ids = server.with { state, now -> [AppRecordID] in
            let ids = state.living
            guard ids.count > 2, state.strikes(.mergedAway, rate: 0.5) else { return [] }
            let loser = Int(pick % UInt64(ids.count))
            state.remove(ids[loser], now: now)
            return [ids[loser], ids[(loser + 1) % ids.count]]
        }
        collectEdits()
        if ids.count == 2 { say("\(server.name) user: merges \(ids[0]) into \(ids[1])") }
    }

    private func createSameOnBoth(_ server: SimServer) {
        var values = draft(0.6)
        create(values)
        watch.shared.formUnion(values.values.compactMap(Oracle.token))
        for property in ["phone", "city"] as [PropertyName] where random.chance(0.5) {
            values[property] = value(property)
        }
        createInApp(server, values)
    }

    /// Two CRM records that one app record fits equally well.
    private func createTwins(_ server: SimServer) {
        let keys: [PropertyName] =
            object == .contacts ? ["firstname", "lastname", "company"] : ["name"]
        let values = keys.reduce(into: Values()) { $0[$1] = nextToken() }
        let crm = [create(values), create(values)].compactMap(\.self)
        watch.shared.formUnion(values.values.compactMap(Oracle.token))
        guard let app = createInApp(server, values), crm.count == 2 else { return }
        watch.twins.append(.init(server: server.name, crm: crm, app: app))
    }

    /// Tells the oracle what was edited inside the apps.
    func collectEdits(sayingNothingNew: Bool = false) {
        let open = Set(oracle.open.keys)
        defer {
            if sayingNothingNew {
                for token in oracle.open.keys where !open.contains(token) { oracle.lose(token) }
            }
        }
        for server in servers {
            let edits = server.with { state, _ in
                defer { state.edits = [] }
                return state.edits
            }
            for edit in edits where !["unmapped", "boss"].contains(edit.field) {
                watch.twins.removeAll { $0.server == server.name && $0.app == edit.id }
                oracle.record(
                    old: edit.old, new: edit.new, at: "\(server.name) \(edit.id) \(edit.field)")
            }
        }
    }
}
