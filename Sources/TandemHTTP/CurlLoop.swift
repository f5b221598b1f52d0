import CCurl
import Foundation
import Synchronization

/// The one thread that drives libcurl's multi interface; connections are kept and shared.
// Every field but the queue is touched by the loop's own thread only; the queue is locked, and
// curl_multi_wakeup may be called from any thread (libcurl's manual, "curl_multi_wakeup").
final class CurlLoop: @unchecked Sendable {
    private let multi: UnsafeMutableRawPointer
    private let queue = Mutex<[Transfer]>([])
    private var running: [UnsafeMutableRawPointer: Transfer] = [:]
    /// Handles to use again, by what they learned: nonces and a certificate file must not reach
    /// another server's requests.
    private var idle: [String: [UnsafeMutableRawPointer]] = [:]

    static let shared = CurlLoop()

    private init() {
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        guard let multi = curl_multi_init() else { preconditionFailure("libcurl has no memory") }
        self.multi = multi
        let thread = Thread { [self] in run() }
        thread.name = "tandem-http"
        thread.start()
    }

    func submit(_ transfer: Transfer) {
        queue.withLock { $0.append(transfer) }
        curl_multi_wakeup(multi)
    }

    private func run() -> Never {
        while true {
            for transfer in takeQueue() { start(transfer) }
            var count: Int32 = 0
            curl_multi_perform(multi, &count)
            finishAll()
            curl_multi_poll(multi, nil, 0, 1_000, nil)
        }
    }

    private func takeQueue() -> [Transfer] {
        queue.withLock { queue in
            defer { queue = [] }
            return queue
        }
    }

    private func start(_ transfer: Transfer) {
        // Handles are used again without a reset: that keeps what they learned of digest nonces.
        guard let easy = idle[transfer.kind, default: []].popLast() ?? curl_easy_init() else {
            return transfer.finish(.failure(.unreachable("no memory for a connection")))
        }
        transfer.configure(easy)
        running[easy] = transfer
        curl_multi_add_handle(multi, easy)
    }

    private func finishAll() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else {
                continue
            }
            let code = message.pointee.data.result
            curl_multi_remove_handle(multi, easy)
            guard let transfer = running.removeValue(forKey: easy) else { continue }
            transfer.complete(easy, code)
            idle[transfer.kind, default: []].append(easy)
        }
    }
}
