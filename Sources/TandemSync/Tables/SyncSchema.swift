package import TandemDatabase

/// The tables of the sync engine.
package enum SyncSchema {
    package static let migrations = [
        Migration(
            "sync-1",
            [
                """
                CREATE TABLE sync (
                    id {identity},
                    name TEXT NOT NULL UNIQUE,
                    object TEXT NOT NULL,
                    is_on {integer} NOT NULL CHECK (is_on IN (0, 1)),
                    is_initial {integer} NOT NULL CHECK (is_initial IN (0, 1)),
                    settings TEXT NOT NULL,
                    fields TEXT NOT NULL,
                    cursor TEXT,
                    generation {integer} NOT NULL,
                    crm_sequence {integer},
                    account TEXT,
                    read_at {integer},
                    swept_at {integer},
                    finding TEXT,
                    finding_text TEXT,
                    finding_digest TEXT,
                    acknowledged TEXT,
                    problem_category TEXT,
                    problem_text TEXT,
                    problem_at {integer},
                    lease_holder TEXT,
                    lease_token {integer} NOT NULL,
                    lease_until {integer} NOT NULL
                ) {strict}
                """,
                """
                CREATE TABLE pair (
                    id {identity},
                    sync_id {integer} NOT NULL REFERENCES sync(id),
                    crm_id {integer},
                    app_id TEXT,
                    app_presence {integer} NOT NULL CHECK (app_presence IN (0, 1, 2)),
                    app_version TEXT,
                    app_foreign {integer} NOT NULL CHECK (app_foreign IN (0, 1)),
                    app_values TEXT NOT NULL,
                    app_refusals TEXT NOT NULL,
                    app_keys TEXT NOT NULL,
                    app_created_at {integer},
                    crm_base TEXT NOT NULL,
                    app_base TEXT NOT NULL,
                    has_met {integer} NOT NULL CHECK (has_met IN (0, 1)),
                    state TEXT NOT NULL CHECK (state IN ('in-sync', 'pending', 'failed', 'excluded',
                        'ambiguous', 'deleted-in-crm', 'deleted-in-app', 'awaiting-approval')),
                    category TEXT,
                    reason TEXT,
                    message TEXT,
                    other_id TEXT,
                    attempts {integer} NOT NULL,
                    work_at {integer},
                    changed_at {integer},
                    synced_at {integer},
                    generation {integer} NOT NULL,
                    suspect {integer} NOT NULL CHECK (suspect IN (0, 1)),
                    recheck_at {integer},
                    app_changed {integer} NOT NULL CHECK (app_changed IN (0, 1)),
                    intent_key TEXT,
                    intent_values TEXT,
                    intent_at {integer},
                    echo TEXT,
                    echo_until {integer},
                    approved {integer} NOT NULL CHECK (approved IN (0, 1)),
                    UNIQUE (sync_id, crm_id),
                    UNIQUE (sync_id, app_id),
                    CHECK (crm_id IS NOT NULL OR app_id IS NOT NULL),
                    CHECK ((state = 'failed') = (category IS NOT NULL)),
                    CHECK ((app_id IS NULL) = (app_presence = 0))
                ) {strict}
                """,
                "CREATE INDEX pair_work ON pair (sync_id, work_at, id) WHERE work_at IS NOT NULL",
                """
                CREATE INDEX pair_recheck ON pair (sync_id, recheck_at, id) WHERE recheck_at IS NOT NULL
                """,
                "CREATE INDEX pair_suspect ON pair (sync_id, id) WHERE suspect = 1",
                "CREATE INDEX pair_changed ON pair (sync_id, id) WHERE app_changed = 1",
                "CREATE INDEX pair_intent ON pair (sync_id) WHERE intent_key IS NOT NULL",
                """
                CREATE TABLE pair_key (
                    sync_id {integer} NOT NULL,
                    kind TEXT NOT NULL,
                    value TEXT NOT NULL,
                    pair_id {integer} NOT NULL,
                    PRIMARY KEY (sync_id, kind, value, pair_id)
                ) {clustered}
                """,
                """
                CREATE TABLE run (
                    id {identity},
                    sync_id {integer} NOT NULL,
                    started_at {integer} NOT NULL,
                    ended_at {integer},
                    read {integer} NOT NULL,
                    created_in_crm {integer} NOT NULL,
                    updated_in_crm {integer} NOT NULL,
                    created_in_app {integer} NOT NULL,
                    updated_in_app {integer} NOT NULL,
                    deleted_in_crm {integer} NOT NULL,
                    deleted_in_app {integer} NOT NULL,
                    failed {integer} NOT NULL
                ) {strict}
                """,
                "CREATE INDEX run_by_sync ON run (sync_id, id)",
                """
                CREATE TABLE journal (
                    id {identity},
                    run_id {integer} NOT NULL,
                    sync_id {integer} NOT NULL,
                    pair_id {integer} NOT NULL,
                    at {integer} NOT NULL,
                    kind TEXT NOT NULL,
                    side TEXT NOT NULL CHECK (side IN ('crm', 'app')),
                    crm_id {integer},
                    app_id TEXT,
                    reason TEXT NOT NULL,
                    before_values TEXT NOT NULL,
                    after_values TEXT NOT NULL
                ) {strict}
                """,
                "CREATE INDEX journal_by_pair ON journal (pair_id, id)",
                "CREATE INDEX journal_by_run ON journal (run_id, id)",
                """
                CREATE TABLE lag (
                    sync_id {integer} NOT NULL,
                    bucket {integer} NOT NULL,
                    records {integer} NOT NULL,
                    PRIMARY KEY (sync_id, bucket)
                ) {clustered}
                """,
                """
                CREATE TABLE missed (
                    id {identity},
                    sync_id {integer} NOT NULL,
                    pair_id {integer} NOT NULL,
                    changed_at {integer} NOT NULL,
                    synced_at {integer} NOT NULL,
                    cause TEXT NOT NULL
                ) {strict}
                """,
                "CREATE INDEX missed_by_sync ON missed (sync_id, id)",
            ]),
        Migration(
            "sync-2",
            [
                """
                ALTER TABLE pair ADD COLUMN unconfirmed {integer} NOT NULL DEFAULT 0
                CHECK (unconfirmed IN (0, 1))
                """,
                """
                ALTER TABLE pair ADD COLUMN findable {integer} NOT NULL DEFAULT 0
                CHECK (findable IN (0, 1))
                """,
                "UPDATE pair SET findable = 1 WHERE id IN (SELECT pair_id FROM pair_key)",
                "ALTER TABLE pair ADD COLUMN unanswered TEXT",
                "ALTER TABLE sync ADD COLUMN replan_after {integer}",
                "ALTER TABLE sync ADD COLUMN replan_fields TEXT",
                "ALTER TABLE sync ADD COLUMN replan_wider {integer}",
            ]),
        Migration(
            "sync-3",
            [
                """
                CREATE TABLE followed_merge (
                    sync_id {integer} NOT NULL,
                    result_id {integer} NOT NULL,
                    pair_id {integer} NOT NULL,
                    crm_id {integer} NOT NULL,
                    PRIMARY KEY (sync_id, result_id, pair_id)
                ) {clustered}
                """,
                "CREATE INDEX followed_merge_by_pair ON followed_merge (pair_id)",
                // Whoever is forgotten is forgotten here too.
                "CREATE INDEX journal_by_record ON journal (crm_id) WHERE crm_id IS NOT NULL",
            ]),
        Migration(
            "sync-4",
            [
                // Association fields whose record has no counterpart in its own sync yet.
                """
                CREATE TABLE waiting (
                    sync_id {integer} NOT NULL,
                    pair_id {integer} NOT NULL,
                    property TEXT NOT NULL,
                    object TEXT NOT NULL,
                    side TEXT NOT NULL CHECK (side IN ('crm', 'app')),
                    target TEXT NOT NULL,
                    PRIMARY KEY (sync_id, pair_id, property, side)
                ) {clustered}
                """
            ]),
        Migration(
            "sync-5",
            [
                // What apps gave for access, sealed; the key is elsewhere.
                """
                CREATE TABLE connection_secret (
                    connection TEXT PRIMARY KEY,
                    sealed TEXT NOT NULL
                ) {strict}
                """
            ]),
        Migration(
            "sync-6",
            [
                // What was used of the long windows of an account's limits, by their 24ths.
                """
                CREATE TABLE request_usage (
                    connection TEXT NOT NULL,
                    counts TEXT NOT NULL,
                    window_seconds {integer} NOT NULL,
                    slot {integer} NOT NULL,
                    used {integer} NOT NULL,
                    PRIMARY KEY (connection, counts, window_seconds, slot)
                ) {clustered}
                """,
                // Fields that the app does not let be written, one in a line.
                "ALTER TABLE sync ADD COLUMN read_only TEXT",
            ]),
        Migration(
            "sync-7",
            [
                // What was sent is no base before a read has shown what the app made of it.
                "ALTER TABLE pair DROP COLUMN unconfirmed",
                "ALTER TABLE pair ADD COLUMN awaiting TEXT",
                "ALTER TABLE pair ADD COLUMN awaited_version TEXT",
                "ALTER TABLE pair ADD COLUMN ignored TEXT",
                """
                ALTER TABLE pair ADD COLUMN intent_status {integer}
                CHECK (intent_status BETWEEN 0 AND 2)
                """,
                "ALTER TABLE pair ADD COLUMN refused TEXT",
                "CREATE INDEX pair_refused ON pair (sync_id, other_id) WHERE other_id IS NOT NULL",
                "ALTER TABLE pair ADD COLUMN repeats {integer} NOT NULL DEFAULT 0",
                """
                ALTER TABLE pair ADD COLUMN unlisted {integer} NOT NULL DEFAULT 0
                CHECK (unlisted BETWEEN 0 AND 1)
                """,
                "CREATE INDEX pair_unlisted ON pair (sync_id, id) WHERE unlisted = 1",
                // NULL in a store of before it was kept.
                "ALTER TABLE sync ADD COLUMN connection TEXT",
                // Fields that the app has or had, one in a line; NULL if it does not say.
                "ALTER TABLE sync ADD COLUMN app_fields TEXT",
                // Mapped ones that it does not have now, with the records that had a value there.
                "ALTER TABLE sync ADD COLUMN missing_fields TEXT",
                // What the last listing showed that is no record yet: location and reason of some, and
                // how many.
                "ALTER TABLE sync ADD COLUMN unidentified TEXT",
                "ALTER TABLE sync ADD COLUMN unidentified_count {integer} NOT NULL DEFAULT 0",
                // App records that we deleted, whole, as they were read just before.
                """
                CREATE TABLE deleted_original (
                    id {identity},
                    sync_id {integer} NOT NULL,
                    crm_id {integer},
                    app_id TEXT NOT NULL,
                    at {integer} NOT NULL,
                    original TEXT NOT NULL
                ) {strict}
                """,
                "CREATE INDEX deleted_original_by_time ON deleted_original (at)",
                "CREATE INDEX deleted_original_by_record ON deleted_original (sync_id, crm_id)",
                // An older copy of the store was put back, and the app was not read whole since.
                """
                ALTER TABLE sync ADD COLUMN put_back {integer} NOT NULL DEFAULT 0
                CHECK (put_back BETWEEN 0 AND 1)
                """,
                // The app went back in time, a person knows of it, and it was not read whole since.
                "ALTER TABLE sync ADD COLUMN rewound {integer} NOT NULL DEFAULT 0",
                "ALTER TABLE pair ADD COLUMN rewound TEXT",
                "ALTER TABLE pair ADD COLUMN accepted TEXT",
                "CREATE INDEX pair_accepted ON pair (sync_id) WHERE accepted IS NOT NULL",
                // Times of before this was told apart count as made up.
                "ALTER TABLE pair ADD COLUMN app_created_given {integer} NOT NULL DEFAULT 0",
                // 1: records that moved may have slipped through the last listing of everything; 2: and there
                // was no second one since.
                """
                ALTER TABLE sync ADD COLUMN drifts {integer} NOT NULL DEFAULT 0
                CHECK (drifts BETWEEN 0 AND 2)
                """,
                // The last pair whose spellings were taken for agreed; NULL for all of them.
                "ALTER TABLE sync ADD COLUMN spelled_after {integer}",
                "UPDATE sync SET spelled_after = 0",
            ]),
        Migration(
            "sync-8",
            [
                // What is kept from now on is packed.
                """
                ALTER TABLE deleted_original ADD COLUMN is_packed {integer} NOT NULL DEFAULT 0
                CHECK (is_packed BETWEEN 0 AND 1)
                """,
                "CREATE INDEX waiting_by_target ON waiting (target)",
            ]),
        Migration(
            "sync-9",
            [
                // What is in `rewound` is what the app showed after our own write.
                """
                ALTER TABLE pair ADD COLUMN rewritten {integer} NOT NULL DEFAULT 0
                CHECK (rewritten BETWEEN 0 AND 1)
                """
            ]),
    ]
}
