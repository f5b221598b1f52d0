import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

/// What people do to values and ids that were somebody else's, or their own before.
extension SimWorld {
    func putBack(_ server: SimServer) {
        let (id, values) = server.with { state, now in
            let undo = state.living.compactMap { state.records[$0]?.undo }.first ?? [:]
            return (state.putBack(now: now), undo)
        }
        if id != nil { watch.shared.formUnion(values.values.compactMap(Oracle.token)) }
        collectEdits()
        if let id { say("\(server.name) user: puts back what we wrote to \(id)") }
    }

    /// Somebody in the app exchanges the addresses of two people.
    func swap(_ server: SimServer) {
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
    func respell(_ server: SimServer, onApp: Bool) {
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

    /// Deletes a record and makes one with the same key.
    func recreateInApp(_ server: SimServer) {
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
        // Who makes again what was there says nothing that was answered meanwhile.
        collectEdits(sayingNothingNew: id != nil)
        if let id { say("\(server.name) user: makes a deleted record anew as \(id)") }
    }

    /// The app gives the id of a deleted person to a new one.
    func reuseID(_ server: SimServer) {
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
            // A moment that happens to be a whole second may be known to the second only.
            guard state.profile.granularity == 1, state.stamp(now) % 1_000 != 0,
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
}
