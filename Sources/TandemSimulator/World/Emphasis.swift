package import AdapterKit
import TandemModel

/// What every app of a simulated world is like, and what happens in it more often than elsewhere: one kind
/// of mistake then shows in a few seeds.
package struct Emphasis: Hashable, Sendable {
    /// Every app has these faults, and they strike often.
    package var faults: Set<Fault>
    /// Which changes the apps tell; `nil` for what the seed draws.
    package var style: SimProfile.Style?
    /// How the apps tell what became of a create; `nil` for what the seed draws.
    package var safety: CreateSafety?

    package init(
        _ faults: Set<Fault> = [], style: SimProfile.Style? = nil, safety: CreateSafety? = nil
    ) {
        self.faults = faults
        self.style = style
        self.safety = safety
    }

    /// How likely an app has any other fault: few of them, where one kind is looked for.
    var share: Double { faults.isEmpty ? 0.35 : 0.1 }

    /// How often a fault strikes at least that strikes at `rate` elsewhere.
    func rate(of fault: Fault, _ rate: Double) -> Double {
        faults.contains(fault) ? max(rate, 0.4) : rate
    }
}
