package import ArgumentParser
import Glibc

/// The program and its commands.
package struct Tandem: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tandem",
        abstract: "Keeps a CRM store and third-party apps the same, in both directions.",
        version: "0.1.0",
        subcommands: [
            InitCommand.self, CheckCommand.self, ConnectCommand.self, SyncCommand.self,
            ServeCommand.self,
            StatusCommand.self, RecordsCommand.self, ReportCommand.self, ResyncDeletedCommand.self,
            RetryCommand.self, AcknowledgeCommand.self, ApproveCommand.self, AcceptCommand.self,
            RejectCommand.self,
            TurnOffCommand.self,
            TurnOnCommand.self,
            RenameCommand.self, RemoveCommand.self, CRMCommand.self, TokenCommand.self,
            AppsCommand.self,
            SimulateCommand.self,
        ])

    package init() {}

    package static func main() async {
        // A reader or a server that goes away shows as an error of the write to it.
        signal(SIGPIPE, SIG_IGN)
        await main(nil)
    }
}
