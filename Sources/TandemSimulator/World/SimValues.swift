import TandemCRM
import TandemModel

/// Several addresses of one person, and moments that calendars disagree about.
extension SimWorld {
    /// Moments of before there was one calendar, at the ends of what can be said, and one that never was.
    private static let moments = [
        "0001-01-01T00:00:00Z", "1500-03-01T12:00:00Z", "1582-10-10T00:00:00Z",
        "1969-12-31T23:59:59.999Z", "2024-02-29T12:30:00Z", "9999-12-31T23:59:59Z",
        "2026-02-30T00:00:00Z",
    ]

    /// Somebody in the app gives a record a moment.
    func giveMoment(_ server: SimServer) {
        let ids = server.with { state, _ in state.living }
        guard !ids.isEmpty else { return }
        let (id, moment) = (random.pick(ids), random.pick(Self.moments))
        let isGiven = server.with { state, now in
            guard state.strikes(.oddMoment, rate: 1) else { return false }
            state.edit(id, "when", to: moment, now: now)
            return true
        }
        guard isGiven else { return }
        for other in servers { other.with { state, _ in _ = state.moments.insert(moment) } }
        collectEdits()
        say("\(server.name) user: sets when of \(id) to \(moment)")
    }

    /// Somebody in the app gives a person one address more, makes one of them the first, takes the last one
    /// away, or lists the first one among the others.
    func moveMails(_ server: SimServer) {
        let ids = server.with { state, _ in state.living }
        guard !ids.isEmpty else { return }
        let (id, fresh, kind) = (random.pick(ids), value("email"), random.below(4))
        let told = server.with { state, now -> String? in
            let values = state.records[id]?.values ?? [:]
            let (mail, mails) = (values["mail"] ?? "", ValueType.parts(values["mails"] ?? ""))
            guard !mail.isEmpty, state.strikes(.mailsMoved, rate: 1) else { return nil }
            switch (kind, mails.last) {
            case (3, _) where mails.contains(mail):
                // The list has it already.
                state.edit(id, "mail", to: fresh, now: now)
                return "makes \(fresh) the first of \(id) before \(mail)"
            case (3, _):
                state.edit(id, "mails", to: (mails + [mail]).joined(separator: ";"), now: now)
                return "lists the first of \(id) twice"
            case (0, .some(let last)):
                if state.refusal(of: ["mail": last], for: id) != nil { return nil }
                state.edit(id, "mail", to: last, now: now)
                state.edit(
                    id, "mails", to: (mails.dropLast() + [mail]).joined(separator: ";"), now: now)
                return "makes \(last) the first of \(id)"
            case (1, .some(let last)):
                state.edit(id, "mails", to: mails.dropLast().joined(separator: ";"), now: now)
                return "takes \(last) from \(id)"
            default:
                state.edit(id, "mails", to: (mails + [fresh]).joined(separator: ";"), now: now)
                return "gives \(id) \(fresh)"
            }
        }
        if let told { say("\(server.name) user: \(told)") }
        shareMails()
        collectEdits()
    }

    /// Somebody in the CRM does, and names only the address that is to be the first.
    func moveMailsInCRM() {
        let (fresh, isFirst) = (value("email"), random.chance(0.5))
        inCRM("addresses moved") { reader, writer in
            guard let record = try someRecord(reader), record.properties["email"] != nil,
                servers[0].with({ state, _ in state.strikes(.mailsMoved, rate: 1) })
            else { return nil }
            let mails = ValueType.parts(record.properties["hs_additional_emails"] ?? "")
            if let last = mails.last, isFirst {
                try writer.update(record.id, ["email": last])
                return record.id
            }
            let all = mails + [fresh]
            try writer.update(
                record.id, ["hs_additional_emails": all.joined(separator: ";")])
            oracle.record(old: "", new: fresh, at: "CRM \(record.id) hs_additional_emails")
            return record.id
        }
        shareMails()
    }

    /// Two people in the app get one address together, as a second one.
    func shareMail(_ server: SimServer) {
        let ids = server.with { state, _ in state.living }
        guard ids.count > 1 else { return }
        let (id, owner) = (random.pick(ids), random.pick(ids))
        let isShared = server.with { state, now in
            let mail = state.records[owner]?.values["mail"] ?? ""
            guard id != owner, !mail.isEmpty, state.strikes(.sharedMail, rate: 1) else {
                return false
            }
            let mails = ValueType.parts(state.records[id]?.values["mails"] ?? "")
            state.edit(id, "mails", to: (mails + [mail]).joined(separator: ";"), now: now)
            return true
        }
        guard isShared else { return }
        shareMails()
        collectEdits()
        say("\(server.name) user: \(id) gets the address of \(owner), too")
    }

    /// Addresses that move within a person are nobody's echo.
    private func shareMails() {
        for server in servers {
            let mails = server.with { state, _ in
                state.records.values.flatMap { [$0.values["mail"], $0.values["mails"]] }
            }
            watch.shared.formUnion(mails.compactMap(\.self).flatMap(Oracle.tokens))
        }
    }
}
