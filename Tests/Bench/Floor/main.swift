import Hummingbird
import Logging

/// The floor of the API's benchmarks: bare routes that answer as many bytes as the API does and look
/// at nothing.
let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 8485
let record = String(repeating: "x", count: 330)
let router = Router()
router.get("record") { _, _ in record }
router.post("record") { request, _ in
    _ = try await request.body.collect(upTo: 1 << 20)
    return record
}
router.post("records") { request, _ in
    _ = try await request.body.collect(upTo: 1 << 20)
    return String(repeating: record, count: 100)
}
let application = Application(
    router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)),
    logger: Logger(label: "floor") { _ in SwiftLogNoOpLogHandler() })
try await application.runService()
