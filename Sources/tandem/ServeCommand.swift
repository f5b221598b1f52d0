import ArgumentParser
import Logging
import ServiceLifecycle
import TandemModel
import UnixSignals

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the daemon.",
        discussion: """
            SIGTERM and SIGINT let the batch in hand finish and end the process; SIGHUP reads the \
            configuration again.
            """)

    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try await reporting {
            LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
            let logger = Logger(label: "tandem")
            let shared = shared
            let daemon = Daemon(
                first: try shared.world(), logger: logger, reload: { try shared.world() })
            let group = ServiceGroup(
                configuration: .init(
                    services: [.init(service: daemon)],
                    gracefulShutdownSignals: [.sigterm, .sigint],
                    logger: Logger(label: "lifecycle") { _ in
                        SwiftLogNoOpLogHandler()
                    }))
            try await group.run()
        }
    }
}
