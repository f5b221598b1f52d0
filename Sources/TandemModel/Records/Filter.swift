/// Which records may enter a sync: one condition, or several of which all or any must hold.
package indirect enum Filter: Hashable, Sendable {
    case all([Filter])
    case any([Filter])
    case condition(PropertyName, Condition)

    /// What a filter asks of one property.
    ///
    /// Comparisons are by number when both are numbers, else by text without case; an empty value
    /// meets no comparison.
    package enum Condition: Hashable, Sendable {
        case oneOf([String])
        case noneOf([String])
        case contains([String])
        case containsNone([String])
        case startsWith(String)
        case known(Bool)
        case lessThan(String)
        case atMost(String)
        case atLeast(String)
        case greaterThan(String)
        case between(String, String)
    }
}
