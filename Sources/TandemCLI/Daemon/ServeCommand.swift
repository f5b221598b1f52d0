import ArgumentParser
import Foundation
import Glibc
import Logging
import ServiceLifecycle
import Synchronization
import TandemAPI
import TandemCRM
import TandemConfig
import TandemDatabase
import TandemModel
import UnixSignals

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the daemon.",
        discussion: """
            SIGTERM and SIGINT let the batch in hand finish, for five seconds at most, and end the \
            process; SIGHUP reads the configuration again.
            """)

    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try await reporting {
            LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
            let logger = Logger(label: "tandem")
            let shared = shared
            let context = try shared.context(for: .daemon)
            let lock = try ServeLock(context.configuration.store + ".serve")
            defer { lock.release() }
            let rules = APIServer.Rules(
                marketing: context.configuration.marketing,
                refusesCompanyMerges: context.refusesCompanyMerges)
            let underWay = UnderWay()
            let daemon = Daemon(
                first: context, logger: logger, underWay: underWay,
                reload: { [http = context.configuration.http] in
                    let context = try shared.context(for: .daemon)
                    if context.configuration.http != http {
                        logger.warning(
                            "a change of `http` takes effect when the daemon is restarted")
                    }
                    rules.set(
                        marketing: context.configuration.marketing,
                        refusesCompanyMerges: context.refusesCompanyMerges)
                    return context
                })
            var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
                // A store that was taken away ends the API, too.
                .init(service: daemon, failureTerminationBehavior: .gracefullyShutdownGroup)
            ]
            if let api = try context.api(rules, logger: logger) {
                services.append(
                    // An address that cannot be listened on ends the daemon in order.
                    .init(
                        service: Counted(service: api, underWay: underWay),
                        failureTerminationBehavior: .gracefullyShutdownGroup))
            }
            // The last to be started is the first to be told that the process is to end.
            services.append(.init(service: PromptEnd(logger: logger, underWay: underWay)))
            let group = ServiceGroup(
                configuration: .init(
                    services: services,
                    gracefulShutdownSignals: [.sigterm, .sigint],
                    logger: Logger(label: "lifecycle") { _ in
                        SwiftLogNoOpLogHandler()
                    }))
            do { try await group.run() } catch let failure as ListenFailure {
                throw CommandFailure.failed("\(failure)")
            }
            try context.database.releaseIDs()
        }
    }
}

/// What must not be cut off without need: writes to apps, and the API.
final class UnderWay: Sendable {
    private let number = Mutex(0)

    var isNothing: Bool { number.withLock { $0 == 0 } }
    func count(_ change: Int) { number.withLock { $0 += change } }
}

/// A service that is under way until it has ended by itself.
private struct Counted: Service {
    let service: APIServer
    let underWay: UnderWay

    func run() async throws {
        underWay.count(1)
        defer { underWay.count(-1) }
        try await service.run()
    }
}

/// Ends the process in time, whatever an app, a program or a client still keeps it waiting for.
///
/// What only reads is cut off soon. What is under way needs no write of the store to be ended: that a create
/// is sent is committed before it is sent, and a transaction that is not committed did not happen.
private struct PromptEnd: Service {
    let logger: Logger
    let underWay: UnderWay

    /// How long what is under way may take; systemd kills after 90 seconds unless the unit says less.
    private static let patience = Duration.seconds(5)
    /// How long the loops may take to see that the process is to end, if nothing keeps them waiting.
    private static let turn = Duration.seconds(1)

    func run() async throws {
        try await gracefulShutdown()
        let began = ContinuousClock.now
        // No task: all threads that run those may be the ones that wait.
        Thread.detachNewThread { [logger, underWay] in
            while began.duration(to: .now) < Self.patience {
                usleep(50_000)
                if began.duration(to: .now) > Self.turn && underWay.isNothing { break }
            }
            logger.notice("ended while an answer was waited for; it is looked up at the next start")
            _exit(0)
        }
    }
}

extension AppContext {
    /// The CRM API as configured; `nil` if it is not to be served.
    fileprivate func api(_ rules: APIServer.Rules, logger: Logger) throws -> APIServer? {
        guard let http = configuration.http else { return nil }
        return APIServer(
            store: store,
            settings: .init(
                host: http.host, port: http.port, rateLimit: http.rateLimit,
                dailyLimit: http.dailyLimit,
                account: try store.account(Int64.random(in: 1_000_000...999_999_999))),
            rules: rules,
            now: { AppContext.now }, correlationID: { UUID().uuidString.lowercased() },
            logger: logger)
    }

    /// Salesforce cannot follow a merge of companies.
    var refusesCompanyMerges: Bool {
        configuration.syncs.contains { $0.app == "salesforce" && $0.object == .companies }
    }
}

/// Keeps a second daemon away from a store; the system lets go of it when the process ends.
struct ServeLock {
    private let file: Int32

    /// - Throws: ``CommandFailure`` if another process has it, or the file cannot be made.
    init(_ path: String) throws {
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw CommandFailure.failed("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            throw CommandFailure.failed(
                "another `tandem serve` runs on this store; end it first (systemctl stop tandem)")
        }
    }

    func release() { close(file) }
}
