import ArgumentParser
import FoundationEssentials
import Glibc
import Logging
import ServiceLifecycle
import TandemCRM
import TandemModel
import TandemServer
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
            let world = try shared.world()
            let lock = try ServeLock(world.configuration.store + ".serve")
            defer { lock.release() }
            let rules = APIServer.Rules(
                marketing: world.configuration.marketing,
                refusesCompanyMerges: world.refusesCompanyMerges)
            let daemon = Daemon(
                first: world, logger: logger,
                reload: { [http = world.configuration.http] in
                    let world = try shared.world()
                    if world.configuration.http != http {
                        logger.warning(
                            "a change of `http` takes effect when the daemon is restarted")
                    }
                    rules.set(
                        marketing: world.configuration.marketing,
                        refusesCompanyMerges: world.refusesCompanyMerges)
                    return world
                })
            var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
                // A store that was taken away ends the API, too.
                .init(service: daemon, failureTerminationBehavior: .gracefullyShutdownGroup)
            ]
            if let api = try world.api(rules, logger: logger) {
                services.append(
                    // An address that cannot be listened on ends the daemon in order.
                    .init(service: api, failureTerminationBehavior: .gracefullyShutdownGroup))
            }
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
        }
    }
}

extension APIServer: Service {}

extension World {
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
            now: { World.now }, correlationID: { UUID().uuidString.lowercased() }, logger: logger)
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
