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
    private func value(_ property: PropertyName) -> String {
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

    private func draft(_ share: Double) -> Values {
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

    private func someRecord(_ reader: CRMReader, areArchived: Bool = false) throws -> CRMRecord? {
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
            for value in values.values { oracle.note(old: "", new: value, at: "CRM \(id)") }
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
            oracle.note(old: old, new: value, at: "CRM \(record.id) \(property)")
            return record.id
        }
    }

    private func putBack(_ server: SimServer) {
        let (id, values) = server.with { state, now in
            let undo = state.living.compactMap { state.records[$0]?.undo }.first ?? [:]
            return (state.putBack(now: now), undo)
        }
        if id != nil { watch.shared.formUnion(values.values.compactMap(Oracle.token)) }
        collectEdits()
        if let id { say("\(server.name) user: puts back what we wrote to \(id)") }
    }

    /// Somebody in the app exchanges the addresses of two people.
    private func swap(_ server: SimServer) {
        let pick = random.next()
        let moved = server.with { state, now -> [AppRecordID: String]? in
            let ids = state.living.filter { state.records[$0]?.values["mail"]?.isEmpty == false }
            guard ids.count > 1, state.strikes(.swapped, rate: 0.8) else { return nil }
            let first = Int(pick % UInt64(ids.count))
            let pair = [ids[first], ids[(first + 1) % ids.count]]
            let mails = pair.map { state.records[$0]?.values["mail"] ?? "" }
            state.edit(pair[0], "mail", to: mails[1], now: now)
            state.edit(pair[1], "mail", to: mails[0], now: now)
            return [pair[0]: mails[0], pair[1]: mails[1]]
        }
        guard let moved else { return }
        watch.shared.formUnion(moved.values.compactMap(Oracle.token))
        collectEdits()
        say("\(server.name) user: exchanges mail of \(moved.keys.map(\.text).sorted())")
    }

    /// Somebody writes the same phone number in another way.
    private func respell(_ server: SimServer, onApp: Bool) {
        func spelled(_ phone: String) -> String? {
            guard !phone.isEmpty, server.with({ state, _ in state.strikes(.respelled, rate: 1) })
            else { return nil }
            return phone.contains("-")
                ? phone.replacing("-", with: " ") : phone.replacing(" ", with: "-")
        }
        if onApp && random.chance(0.5) {
            let ids = server.with { state, _ in state.living }
            guard !ids.isEmpty else { return }
            let id = random.pick(ids)
            let phone = server.with { state, _ in state.records[id]?.values["tel"] ?? "" }
            guard let new = spelled(phone) else { return }
            if let token = Oracle.token(new) { watch.shared.insert(token) }
            server.with { state, now in state.edit(id, "tel", to: new, now: now) }
            collectEdits()
            return say("\(server.name) user: spells tel of \(id) as `\(new)`")
        }
        inCRM("phone spelled anew") { reader, writer in
            guard let record = try someRecord(reader),
                let new = spelled(record.properties["phone"] ?? "")
            else { return nil }
            try writer.update(record.id, ["phone": new])
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
            for value in record.properties.values { oracle.note(old: value, new: "", at: "bin") }
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

    private func appValues(_ values: Values) -> [AppField: String] {
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

    /// Deletes a record and makes one with the same key.
    private func recreateInApp(_ server: SimServer) {
        let pick = random.next()
        let id = server.with { state, now -> AppRecordID? in
            let ids = state.living
            guard !ids.isEmpty, state.strikes(.recreated, rate: 0.6) else { return nil }
            let id = ids[Int(pick % UInt64(ids.count))]
            let values = state.records[id]?.values ?? [:]
            state.remove(id, now: now)
            let kept = values.filter { ["mail", "first", "last", "org"].contains($0.key) }
            return state.make(kept, now: now)
        }
        collectEdits()
        if let id { say("\(server.name) user: makes a deleted record anew as \(id)") }
    }

    /// The app gives the id of a deleted person to a new one.
    private func reuseID(_ server: SimServer) {
        guard object == .contacts, let index = servers.firstIndex(where: { $0 === server }) else {
            return
        }
        let values = appValues(draft(0.5).merging(["email": value("email")]) { $1 })
        let deleted = server.with { state, _ in
            state.records.filter { $0.value.isDeleted }.keys.min()
        }
        if random.chance(0.3) { return replaceInApp(server, index, values) }
        // Of a record that is there as far as we know, other values are edits.
        guard let id = deleted, let crm = counterpart(ofDeleted: id, on: index) else { return }
        let isMade = server.with { state, now in
            guard state.refusal(of: values, for: nil) == nil, state.strikes(.reusedID, rate: 0.8)
            else { return false }
            _ = state.make(values, id: id, now: now)
            return true
        }
        guard isMade else { return }
        expectStranger(values, at: id, instead: crm, index)
        collectEdits()
        say("\(server.name) user: creates another one as \(id)")
    }

    /// A record is deleted and another one made under its id before anybody has looked, in an app that says
    /// truly when.
    private func replaceInApp(_ server: SimServer, _ index: Int, _ values: [AppField: String]) {
        let told = bound(on: index)
        let id = server.with { state, now -> AppRecordID? in
            guard state.profile.granularity == 1,
                !state.profile.faults.contains(.clockJump),
                let id = told.keys.sorted().first(where: {
                    guard let record = state.records[$0], !record.isDeleted else { return false }
                    return record.createdAt < state.stamp(now) - 1_000
                }), state.refusal(of: values, for: id) == nil, state.strikes(.reusedID, rate: 0.8)
            else { return nil }
            state.remove(id, now: now)
            _ = state.make(values, id: id, now: now)
            return id
        }
        guard let id, let crm = told[id] else { return }
        expectStranger(values, at: id, instead: crm, index)
        collectEdits()
        say("\(server.name) user: replaces \(id) by another one")
    }

    /// From now on no sync may take the record with this id for the CRM record that had it.
    private func expectStranger(
        _ values: [AppField: String], at id: AppRecordID, instead crm: RecordID, _ index: Int
    ) {
        watch.reused.append(
            .init(
                sync: settings[index].name, app: id, crm: crm,
                mail: (values["mail"] ?? "").trimmed.lowercased()))
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
    func collectEdits() {
        for server in servers {
            let edits = server.with { state, _ in
                defer { state.edits = [] }
                return state.edits
            }
            for edit in edits where !["unmapped", "boss"].contains(edit.field) {
                watch.twins.removeAll { $0.server == server.name && $0.app == edit.id }
                oracle.note(
                    old: edit.old, new: edit.new, at: "\(server.name) \(edit.id) \(edit.field)")
            }
        }
    }
}
