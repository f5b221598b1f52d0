import AdapterKit
import TandemModel

extension PGFailure {
    /// The failure of something that is not about one row.
    func appError(_ action: String) -> AppError {
        let text = "cannot \(action): \(message)"
        guard let state else { return .tryLater(.appUnavailable, text, afterSeconds: nil) }
        switch state.prefix(2) {
        case "28":
            return .askOperator(
                .authentication, text, remedy: "Correct `url` and `password` of the connection.")
        case "42" where state == "42501":
            return .askOperator(
                .permission, text, remedy: "Grant the database user the right to do this.")
        case "42", "3D", "3F":
            return .askOperator(
                .mapping, text, remedy: "Correct the table or the columns that the mapping names.")
        default: return .tryLater(.appUnavailable, text, afterSeconds: nil)
        }
    }

    /// What it means for the one write that it is about (manual, appendix A).
    var outcome: WriteOutcome {
        guard let state, !isLost else { return .unknown(message) }
        var text = message
        if let constraint { text += " (constraint \(constraint))" }
        if let column { text += " (column \(column))" }
        func refused(_ category: FailureCategory) -> WriteOutcome {
            .refused(Refusal(category, text))
        }
        switch state {
        case "23505", "23P01": return refused(.duplicateInApp)
        case "23502": return refused(.requiredField)
        case "23503": return refused(.associationMissing)
        case "42501": return refused(.permission)
        case "428C9", "42703", "55000", "0A000": return refused(.mapping)
        case "55P03", "57014", "40001", "40P01":
            return .notNow(.versionConflict, text, afterSeconds: nil)
        default: break
        }
        switch state.prefix(2) {
        case "08", "53", "57", "58", "25": return .notNow(.appUnavailable, text, afterSeconds: nil)
        case "42": return refused(.mapping)
        default: return refused(.invalidValue)
        }
    }

    /// It lies in one of the rows; a set of them is worth halving.
    var isAboutRows: Bool {
        ["22", "23", "42", "44", "P0", "0A", "27"].contains(state?.prefix(2))
    }

    /// A text that is no value of the column's type.
    var isAboutText: Bool { state?.hasPrefix("22") == true }
}

/// Runs work on a database whose failures are failures of a whole call.
///
/// - Throws: ``AppError``: that of `work`, or what a ``PGFailure`` of it means for the `action`.
func appErrors<Value: Sendable>(
    _ action: String, _ work: () async throws -> Value
) async throws(AppError) -> Value {
    do { return try await work() } catch let failure as PGFailure {
        throw failure.appError(action)
    } catch let error as AppError {
        throw error
    } catch { throw .tryLater(.internal, "\(error)", afterSeconds: nil) }
}
