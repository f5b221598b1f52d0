// swift-tools-version: 6.2
import PackageDescription

/// Settings shared by every target: Swift 6 language mode, warnings are errors,
/// existentials are spelled, members come only from modules a file imports.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    // The switches that re-introduce known defects exist in debug builds only.
    .define("DEFECTS", .when(configuration: .debug)),
]

let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let arguments: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(
    name: "UnixSignals", package: "swift-service-lifecycle")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let signing: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")

// Arrows point down only; Docs/ARCHITECTURE.md has the table behind this list.
let package = Package(
    name: "tandem",
    products: [.executable(name: "tandem", targets: ["tandem"])],
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
    ],
    targets: [
        .target(name: "TandemSupport", swiftSettings: strict),
        .target(name: "TandemTasks", swiftSettings: strict),
        .target(name: "TandemModel", dependencies: ["TandemSupport"], swiftSettings: strict),
        .target(
            name: "TandemCore", dependencies: ["TandemModel", "TandemSupport"],
            swiftSettings: strict),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "TandemDatabase",
            dependencies: ["TandemSupport", "CZlib", grdb, sqlite],
            swiftSettings: strict),
        .target(
            name: "TandemCRM",
            dependencies: ["TandemModel", "TandemSupport", "TandemCore", "TandemDatabase", crypto],
            swiftSettings: strict),
        .target(
            name: "TandemSync",
            dependencies: [
                "TandemModel", "TandemSupport", "TandemCore", "TandemDatabase", "TandemCRM",
                "AdapterKit",
            ],
            swiftSettings: strict),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CResolv"),
        .target(
            name: "TandemHTTP", dependencies: ["TandemSupport", "CCurl", "CResolv"],
            swiftSettings: strict),
        .target(
            name: "AdapterCardDAV",
            dependencies: [
                "TandemModel", "TandemHTTP", "TandemSupport", "TandemTasks", "AdapterKit",
            ],
            path: "Sources/Adapters/CardDAV",
            swiftSettings: strict),
        .target(
            name: "AdapterREST",
            dependencies: [
                "TandemModel", "TandemHTTP", "TandemSupport", crypto, signing, "TandemTasks",
                "AdapterKit",
            ],
            path: "Sources/Adapters/REST",
            swiftSettings: strict),
        .target(
            name: "AdapterProcess",
            dependencies: ["TandemModel", "TandemSupport", "TandemTasks", "AdapterKit"],
            path: "Sources/Adapters/Process",
            swiftSettings: strict),
        .systemLibrary(name: "CPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(
            name: "AdapterPostgres",
            dependencies: ["TandemModel", "TandemSupport", "CPQ", "TandemTasks", "AdapterKit"],
            path: "Sources/Adapters/Postgres",
            swiftSettings: strict),
        .target(name: "TandemCSV", swiftSettings: strict),
        .target(
            name: "AdapterCSV",
            dependencies: ["TandemModel", "TandemSupport", "TandemCSV", crypto, "AdapterKit"],
            path: "Sources/Adapters/CSV",
            swiftSettings: strict),
        .target(
            name: "TandemReport",
            dependencies: [
                "TandemModel", "TandemSupport", "TandemCRM", "TandemCSV", "TandemDatabase",
                "TandemSync", "AdapterKit",
            ],
            swiftSettings: strict),
        .target(
            name: "TandemAPI",
            dependencies: [
                "TandemModel", "TandemSupport", "TandemCore", "TandemDatabase", "TandemCRM",
                hummingbird, httpTypes,
                nioCore, nioPosix, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "AdapterKit", dependencies: ["TandemModel", "TandemSupport"],
            path: "Sources/Adapters/Kit", swiftSettings: strict),
        .target(
            name: "TandemSimulator",
            dependencies: [
                "TandemModel", "TandemSupport", "TandemCore", "TandemDatabase", "TandemCRM",
                "TandemSync",
                "AdapterKit",
            ],
            swiftSettings: strict),
        .target(
            name: "TandemConfig",
            dependencies: [
                "TandemModel", "TandemSupport", "TandemCSV", "AdapterCardDAV", "AdapterREST",
                "AdapterPostgres",
                "AdapterProcess", yams, "AdapterKit",
            ],
            swiftSettings: strict),
        .target(
            name: "TandemCLI",
            dependencies: [
                "TandemConfig",
                "TandemModel", "TandemSupport", "TandemCore", "TandemDatabase", "TandemCRM",
                "TandemSync",
                "TandemHTTP", "TandemCSV", "AdapterCardDAV", "AdapterCSV", "AdapterREST",
                "AdapterProcess",
                "AdapterPostgres",
                "AdapterKit", "TandemReport", "TandemAPI", "TandemSimulator",
                arguments, logging, lifecycle, signals, crypto,
            ],
            swiftSettings: strict),
        .executableTarget(name: "tandem", dependencies: ["TandemCLI"], swiftSettings: strict),
        .executableTarget(
            name: "BenchFloor", dependencies: [hummingbird, logging], path: "Tests/Bench/Floor",
            swiftSettings: strict),
        .testTarget(
            name: "TandemCoreTests", dependencies: ["TandemModel", "TandemSupport", "TandemCore"],
            path: "Tests/Unit/TandemCore",
            exclude: ["Golden"], swiftSettings: strict),
        .testTarget(
            name: "TandemCRMTests",
            dependencies: [
                "TandemModel", "TandemSupport", "TandemCore", "TandemDatabase", "TandemCRM",
            ],
            path: "Tests/Unit/TandemCRM",
            swiftSettings: strict),
        .testTarget(
            name: "TandemSyncTests",
            dependencies: [
                "TandemModel", "TandemSupport", "TandemCore", "TandemDatabase", "TandemCRM",
                "TandemSync",
                "TandemSimulator", "AdapterKit",
            ],
            path: "Tests/Unit/TandemSync",
            swiftSettings: strict),
        .testTarget(
            name: "AdapterTests",
            dependencies: [
                "TandemModel", "TandemCSV", "TandemHTTP", "TandemSupport", "AdapterCSV",
                "AdapterCardDAV",
                "AdapterREST", "AdapterKit", "TandemSimulator", "TandemTasks",
            ],
            path: "Tests/Unit/Adapters",
            swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["tandem", "TandemModel", "TandemSupport", "AdapterPostgres"],
            path: "Tests/EndToEnd",
            swiftSettings: strict),
    ]
)
