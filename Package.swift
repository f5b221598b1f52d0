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

// Arrows point down only; design.md §7 is the table behind this list.
let package = Package(
    name: "tandem",
    products: [.executable(name: "tandem", targets: ["tandem"])],
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        .target(name: "TandemModel", swiftSettings: strict),
        .target(name: "TandemCore", dependencies: ["TandemModel"], swiftSettings: strict),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "TandemDatabase", dependencies: ["TandemModel", "CZlib", grdb, sqlite],
            swiftSettings: strict),
        .target(
            name: "TandemCRM",
            dependencies: ["TandemModel", "TandemCore", "TandemDatabase", crypto],
            swiftSettings: strict),
        .target(
            name: "TandemSync",
            dependencies: ["TandemModel", "TandemCore", "TandemDatabase", "TandemCRM"],
            swiftSettings: strict),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CResolv"),
        .target(name: "TandemTasks", swiftSettings: strict),
        .target(
            name: "TandemHTTP", dependencies: ["TandemModel", "CCurl", "CResolv"],
            swiftSettings: strict),
        .target(
            name: "AppCardDAV", dependencies: ["TandemModel", "TandemHTTP", "TandemTasks"],
            swiftSettings: strict),
        .target(
            name: "AppREST",
            dependencies: ["TandemModel", "TandemHTTP", "TandemTasks", crypto, signing],
            swiftSettings: strict),
        .target(
            name: "AppProcess", dependencies: ["TandemModel", "TandemTasks"],
            swiftSettings: strict),
        .systemLibrary(name: "CPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(
            name: "AppPostgres", dependencies: ["TandemModel", "TandemTasks", "CPQ"],
            swiftSettings: strict),
        .target(name: "TandemCSV", swiftSettings: strict),
        .target(
            name: "AppCSV", dependencies: ["TandemModel", "TandemCSV", crypto],
            swiftSettings: strict),
        .target(
            name: "TandemReport",
            dependencies: [
                "TandemModel", "TandemCRM", "TandemCSV", "TandemDatabase", "TandemSync",
            ],
            swiftSettings: strict),
        .target(
            name: "TandemServer",
            dependencies: [
                "TandemModel", "TandemCore", "TandemDatabase", "TandemCRM", hummingbird, httpTypes,
                nioCore, nioPosix, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "TandemTesting",
            dependencies: [
                "TandemModel", "TandemCore", "TandemDatabase", "TandemCRM", "TandemSync",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "tandem",
            dependencies: [
                "TandemModel", "TandemCore", "TandemDatabase", "TandemCRM", "TandemSync",
                "TandemHTTP", "TandemCSV", "AppCardDAV", "AppCSV", "AppREST", "AppProcess",
                "AppPostgres",
                "TandemReport", "TandemServer", "TandemTesting",
                arguments, yams, logging, lifecycle, signals, crypto,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "BenchFloor", dependencies: [hummingbird, logging], path: "Tests/Bench/Floor",
            swiftSettings: strict),
        .testTarget(
            name: "TandemCoreTests", dependencies: ["TandemModel", "TandemCore"],
            exclude: ["Golden"], swiftSettings: strict),
        .testTarget(
            name: "TandemCRMTests",
            dependencies: ["TandemModel", "TandemCore", "TandemDatabase", "TandemCRM"],
            swiftSettings: strict),
        .testTarget(
            name: "TandemSyncTests",
            dependencies: [
                "TandemModel", "TandemCore", "TandemDatabase", "TandemCRM", "TandemSync",
                "TandemTesting",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "AppTests",
            dependencies: [
                "TandemModel", "TandemCSV", "TandemHTTP", "TandemTasks", "AppCSV", "AppCardDAV",
                "AppREST", "TandemTesting",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TandemTests", dependencies: ["tandem", "TandemModel", "AppPostgres"],
            swiftSettings: strict),
    ]
)
