import FoundationEssentials
import HTTPTypes
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// `/crm/v3/pipelines/…`: pipelines with their stages.
extension Endpoint {
    private static let root = "/crm/v3/pipelines/:object"
    private static let stages = "\(root)/:pipeline/stages"

    static let pipelines: [Endpoint] = [
        .read(root, .records(.read), listPipelines),
        .write(.post, root, .schema(.write), createPipeline),
        .read("\(root)/:pipeline", .records(.read), getPipeline),
        .write(.patch, "\(root)/:pipeline", .schema(.write), updatePipeline),
        .write(.put, "\(root)/:pipeline", .schema(.write), replacePipeline),
        .write(.delete, "\(root)/:pipeline", .schema(.write), deletePipeline),
        .read("\(root)/:pipeline/audit", .records(.read), auditPipeline),
        .read(stages, .records(.read), listStages),
        .write(.post, stages, .schema(.write), createStage),
        .read("\(stages)/:stage", .records(.read), getStage),
        .write(.patch, "\(stages)/:stage", .schema(.write), updateStage),
        .write(.put, "\(stages)/:stage", .schema(.write), updateStage),
        .write(.delete, "\(stages)/:stage", .schema(.write), deleteStage),
        .read("\(stages)/:stage/audit", .records(.read), auditStage),
    ]

    private static func listPipelines(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(ListBody(try exchange.pipelines().map { PipelineBody($0) }))
    }

    private static func getPipeline(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(PipelineBody(try exchange.pipeline()))
    }

    private static func createPipeline(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(PipelineInput.self)
        guard let label = input.label?.trimmed, !label.isEmpty else {
            throw APIError.invalid("a pipeline needs a `label`")
        }
        let known = try exchange.pipelines()
        try exchange.requireFree(label, among: known.map(\.label))
        let now = exchange.session.now
        let id = input.pipelineId ?? exchange.newID(known.map(\.id))
        if known.contains(where: { $0.id == id }) {
            throw APIError(CRMError.alreadyExists("the pipeline `\(id)`"))
        }
        var pipeline = Pipeline(
            id: id, label: label, displayOrder: input.displayOrder ?? Int64(known.count),
            createdAt: now, updatedAt: now, stages: [])
        pipeline.stages = try exchange.stages(input.stages ?? [], of: pipeline)
        try exchange.save(pipeline)
        return .created(PipelineBody(pipeline))
    }

    private static func updatePipeline(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(PipelineInput.self)
        var pipeline = try exchange.pipeline()
        if let label = input.label, label != pipeline.label {
            try exchange.requireFree(label, among: exchange.pipelines().map(\.label))
            pipeline.label = label
        }
        pipeline.displayOrder = input.displayOrder ?? pipeline.displayOrder
        pipeline.updatedAt = exchange.session.now
        try exchange.save(pipeline)
        return .ok(PipelineBody(pipeline))
    }

    private static func replacePipeline(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(PipelineInput.self)
        var pipeline = try exchange.pipeline()
        pipeline.label = input.label ?? pipeline.label
        pipeline.displayOrder = input.displayOrder ?? pipeline.displayOrder
        let stages = try exchange.stages(input.stages ?? [], of: pipeline)
        let gone = pipeline.stages.filter { old in !stages.contains { $0.id == old.id } }
        for stage in gone { try exchange.requireUnused(stage.id) }
        pipeline.stages = stages
        pipeline.updatedAt = exchange.session.now
        try exchange.save(pipeline)
        return .ok(PipelineBody(pipeline))
    }

    private static func deletePipeline(_ exchange: EndpointContext) throws -> APIResponse {
        let pipeline = try exchange.pipeline()
        let query = exchange.call.query
        if query.flag("validateReferencesBeforeDelete")
            || query.flag("validateDealStageUsagesBeforeDelete")
        {
            for stage in pipeline.stages { try exchange.requireUnused(stage.id) }
        }
        try exchange.pipelineTable.delete(
            pipeline, of: exchange.object(), by: .token(exchange.token.id),
            at: exchange.session.now)
        return .none
    }

    private static func auditPipeline(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(try exchange.audit(of: exchange.pipeline().id, stage: nil))
    }

    private static func listStages(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(ListBody(try exchange.pipeline().stages.map { StageBody($0) }))
    }

    private static func getStage(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(StageBody(try exchange.stage(in: exchange.pipeline())))
    }

    private static func createStage(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(StageInput.self)
        var pipeline = try exchange.pipeline()
        let stage = try exchange.stage(input, of: pipeline)
        pipeline.stages.append(stage)
        pipeline.updatedAt = exchange.session.now
        try exchange.save(pipeline)
        return .created(StageBody(stage))
    }

    private static func updateStage(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(StageInput.self)
        var pipeline = try exchange.pipeline()
        var stage = try exchange.stage(in: pipeline)
        stage.label = input.label ?? stage.label
        stage.displayOrder = input.displayOrder ?? stage.displayOrder
        if let metadata = input.metadata {
            stage.metadata = try exchange.checked(metadata, stage.label)
        }
        stage.updatedAt = exchange.session.now
        pipeline.stages = pipeline.stages.map { $0.id == stage.id ? stage : $0 }
        pipeline.updatedAt = exchange.session.now
        try exchange.save(pipeline)
        return .ok(StageBody(stage))
    }

    private static func deleteStage(_ exchange: EndpointContext) throws -> APIResponse {
        var pipeline = try exchange.pipeline()
        let stage = try exchange.stage(in: pipeline)
        try exchange.requireUnused(stage.id)
        pipeline.stages.removeAll { $0.id == stage.id }
        pipeline.updatedAt = exchange.session.now
        try exchange.save(pipeline)
        return .none
    }

    /// The official client forgets to fill the pipeline in; a stage is known by its own id.
    private static func auditStage(_ exchange: EndpointContext) throws -> APIResponse {
        let id = exchange.call.parameter("stage")
        let named = exchange.call.parameter("pipeline")
        let all = try exchange.pipelines()
        let pipeline =
            all.first { $0.id == named } ?? all.first { $0.stages.contains { $0.id == id } }
        guard let pipeline else {
            throw APIError.notFound("Pipeline stage \(id) does not exist", ["stageId": [id]])
        }
        return .ok(try exchange.audit(of: pipeline.id, stage: id))
    }
}

struct PipelineInput: Decodable, Sendable {
    let label: String?
    let displayOrder: Int64?
    let pipelineId: String?
    let stages: [StageInput]?
}

struct StageInput: Decodable, Sendable {
    let stageId: String?
    let label: String?
    let displayOrder: Int64?
    let metadata: [String: LooseText]?
}

struct PipelineBody: Encodable, Sendable {
    let id: String
    let label: String
    let displayOrder: Int64
    let archived = false
    let createdAt: String
    let updatedAt: String
    let stages: [StageBody]

    private enum CodingKeys: String, CodingKey {
        case id, label, displayOrder, archived, createdAt, updatedAt, stages
    }

    init(_ pipeline: Pipeline) {
        id = pipeline.id
        label = pipeline.label
        displayOrder = pipeline.displayOrder
        createdAt = pipeline.createdAt.description
        updatedAt = pipeline.updatedAt.description
        stages = pipeline.stages.map { StageBody($0) }
    }
}

struct StageBody: Encodable, Sendable {
    let id: String
    let label: String
    let displayOrder: Int64
    let metadata: [String: String]
    let archived = false
    let createdAt: String
    let updatedAt: String
    let writePermissions = "CRM_PERMISSIONS_ENFORCEMENT"

    private enum CodingKeys: String, CodingKey {
        case id, label, displayOrder, metadata, archived, createdAt, updatedAt, writePermissions
    }

    init(_ stage: Pipeline.Stage) {
        id = stage.id
        label = stage.label
        displayOrder = stage.displayOrder
        var all = stage.metadata.reduce(into: [String: String]()) { $0[$1.key.text] = $1.value }
        if let probability = all["probability"] {
            all["isClosed"] = ["0.0", "1.0", "0", "1"].contains(probability) ? "true" : "false"
        }
        metadata = all
        createdAt = stage.createdAt.description
        updatedAt = stage.updatedAt.description
    }
}

extension EndpointContext {
    var pipelineTable: PipelineTable { PipelineTable(session.connection) }

    func pipelines() throws -> [Pipeline] { try pipelineTable.pipelines(of: object()) }

    func save(_ pipeline: Pipeline) throws {
        try pipelineTable.save(pipeline, of: object(), by: .token(token.id))
    }

    func pipeline() throws -> Pipeline {
        let id = call.parameter("pipeline")
        guard let pipeline = try pipelines().first(where: { $0.id == id }) else {
            throw APIError.notFound("Pipeline \(id) does not exist", ["pipelineId": [id]])
        }
        return pipeline
    }

    func stage(in pipeline: Pipeline) throws -> Pipeline.Stage {
        let id = call.parameter("stage")
        guard let stage = pipeline.stages.first(where: { $0.id == id }) else {
            throw APIError.notFound("Pipeline stage \(id) does not exist", ["stageId": [id]])
        }
        return stage
    }

    func stages(_ inputs: [StageInput], of pipeline: Pipeline) throws -> [Pipeline.Stage] {
        var growing = pipeline
        growing.stages = []
        for input in inputs { growing.stages.append(try stage(input, of: growing)) }
        return growing.stages
    }

    func stage(_ input: StageInput, of pipeline: Pipeline) throws -> Pipeline.Stage {
        guard let label = input.label?.trimmed, !label.isEmpty else {
            throw APIError.invalid("a stage needs a `label`")
        }
        try requireFree(label, among: pipeline.stages.map(\.label))
        let used = try pipelines().flatMap { $0.stages.map(\.id) } + pipeline.stages.map(\.id)
        return Pipeline.Stage(
            id: input.stageId ?? newID(used), label: label,
            displayOrder: input.displayOrder ?? Int64(pipeline.stages.count),
            metadata: try checked(input.metadata ?? [:], label), createdAt: session.now,
            updatedAt: session.now)
    }

    /// A number that is not in use yet.
    func newID(_ used: [String]) -> String {
        var number = session.now.milliseconds
        while used.contains(String(number)) { number += 1 }
        return String(number)
    }

    func requireFree(_ label: String, among labels: [String]) throws {
        if labels.contains(where: { $0.lowercased() == label.lowercased() }) {
            throw APIError(CRMError.alreadyExists("the label `\(label)`"))
        }
    }

    /// Deals need a probability from 0.0 to 1.0 in tenths; a ticket's state is open or closed.
    func checked(_ metadata: [String: LooseText], _ label: String) throws -> [PropertyName: String]
    {
        let object = try object()
        let values = metadata.reduce(into: [PropertyName: String]()) {
            $0[PropertyName($1.key)] = $1.value.text
        }
        if object == .deals {
            let number = Decimal(canonical: values["probability"] ?? "")
            guard let number, number >= 0, number <= 1 else {
                throw APIError.invalid(
                    "stage `\(label)`: metadata.probability must be a number from 0.0 to 1.0")
            }
        }
        if let state = values["ticketState"], !["OPEN", "CLOSED"].contains(state) {
            throw APIError.invalid("stage `\(label)`: metadata.ticketState must be OPEN or CLOSED")
        }
        return values.filter { $0.key != "isClosed" }
    }

    /// - Throws: ``APIError`` if a record stands at the stage.
    func requireUnused(_ stage: String) throws {
        let object = try object()
        let property: PropertyName = object == .tickets ? "hs_pipeline_stage" : "dealstage"
        guard schema.objects[object]?[property] != nil else { return }
        let query = SearchQuery(
            groups: [[SearchFilter(property, .equal, [stage])]], limit: 1, countsAll: false)
        if try !reader.search(object, query, schema).records.isEmpty {
            throw APIError.invalid("there are \(object) at the stage `\(stage)`; move them first")
        }
    }

    private struct AuditBody: Encodable, Sendable {
        let portalId: Int64
        let identifier: String
        let action: String
        let timestamp: String
        let message: String
        let fromUserId = 0

        enum CodingKeys: String, CodingKey {
            case portalId, identifier, action, timestamp, message, fromUserId
        }
    }

    func audit(of pipeline: String, stage: String?) throws -> any Encodable & Sendable {
        let changes = try pipelineTable.changes(of: object(), pipeline: pipeline, stage: stage)
        return ListBody(
            changes.map { change in
                AuditBody(
                    portalId: account, identifier: change.identifier, action: change.action,
                    timestamp: change.at.description, message: change.label)
            })
    }
}
