import Hummingbird
import HummingbirdCore
import NIOCore
import Synchronization

/// Whether the client of a connection is still there to be answered.
final class ClientPresence: Sendable {
    private let isGone = Atomic(false)

    var isThere: Bool { !isGone.load(ordering: .relaxed) }

    fileprivate func leave() { isGone.store(true, ordering: .relaxed) }
}

/// The clients of all open connections, by their channels.
final class ClientWatch: Sendable {
    private let clients = Mutex<[ObjectIdentifier: ClientPresence]>([:])

    /// The client of a connection; one that is not known counts as there.
    func client(of channel: any Channel) -> ClientPresence {
        clients.withLock { $0[ObjectIdentifier(channel)] } ?? ClientPresence()
    }

    /// What notes when the client of a new connection goes.
    func handler() -> any RemovableChannelHandler { Handler(watch: self) }

    fileprivate func add(_ channel: any Channel) -> ClientPresence {
        let client = ClientPresence()
        clients.withLock { $0[ObjectIdentifier(channel)] = client }
        return client
    }

    fileprivate func remove(_ channel: any Channel) {
        clients.withLock { $0[ObjectIdentifier(channel)] = nil }
    }

    private final class Handler: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = NIOAny

        private let watch: ClientWatch
        private var client: ClientPresence?

        init(watch: ClientWatch) { self.watch = watch }

        func handlerAdded(context: ChannelHandlerContext) { client = watch.add(context.channel) }

        func handlerRemoved(context: ChannelHandlerContext) { leave(context) }

        func channelInactive(context: ChannelHandlerContext) {
            leave(context)
            context.fireChannelInactive()
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            // Who sends no more and who has gone look the same from here.
            if let event = event as? ChannelEvent, event == .inputClosed { client?.leave() }
            context.fireUserInboundEventTriggered(event)
        }

        private func leave(_ context: ChannelHandlerContext) {
            client?.leave()
            watch.remove(context.channel)
        }
    }
}

/// A request and the connection that it came on.
struct CallContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}
