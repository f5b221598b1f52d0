import ArgumentParser

@main
struct Tandem: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tandem",
        abstract: "Keeps a CRM store and third-party apps the same, in both directions.",
        subcommands: [SimulateCommand.self])
}
