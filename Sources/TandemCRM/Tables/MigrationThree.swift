import TandemDatabase

extension CRMSchema {
    /// Properties and objects with everything HubSpot says of them; merges; and what a merge must
    /// carry.
    static let third = Migration(
        "crm-3",
        propertyTables + recordTables + mergeTables + accountTables + timelineTables)

    private static let propertyTables = [
        "CREATE TABLE schema_version (version {integer} NOT NULL) {strict}",
        "INSERT INTO schema_version VALUES (1)",
        """
        CREATE TABLE custom_object (
            name TEXT NOT NULL PRIMARY KEY REFERENCES object(name),
            number {integer} NOT NULL UNIQUE,
            singular TEXT NOT NULL,
            plural TEXT NOT NULL,
            description TEXT NOT NULL,
            primary_property TEXT NOT NULL,
            secondary TEXT NOT NULL,
            required TEXT NOT NULL,
            searchable TEXT NOT NULL,
            created_at {integer} NOT NULL,
            updated_at {integer} NOT NULL
        ) {strict}
        """,
        """
        CREATE TABLE property_option (
            object TEXT NOT NULL,
            property TEXT NOT NULL,
            position {integer} NOT NULL,
            value TEXT NOT NULL,
            label TEXT NOT NULL,
            description TEXT NOT NULL,
            hidden {integer} NOT NULL CHECK (hidden IN (0, 1)),
            PRIMARY KEY (object, property, value)
        ) {clustered}
        """,
        // Options were one text with semicolons between.
        """
        INSERT INTO property_option
        WITH RECURSIVE part (object, name, position, value, rest) AS (
            SELECT object, name, -1, '', options || ';' FROM property WHERE options <> ''
            UNION ALL
            SELECT object, name, position + 1, substr(rest, 1, instr(rest, ';') - 1),
                substr(rest, instr(rest, ';') + 1) FROM part WHERE rest <> ''
        )
        SELECT object, name, MIN(position), value, value, '', 0 FROM part WHERE value <> ''
        GROUP BY object, name, value
        """,
        "ALTER TABLE property DROP COLUMN options",
        "ALTER TABLE property DROP COLUMN read_only",
        """
        ALTER TABLE property ADD COLUMN keeper TEXT NOT NULL DEFAULT 'writer'
        CHECK (keeper IN ('writer', 'store', 'calculation'))
        """,
        "ALTER TABLE property ADD COLUMN is_unique {integer} NOT NULL DEFAULT 0",
        "ALTER TABLE property ADD COLUMN is_indexed {integer} NOT NULL DEFAULT 0",
        "ALTER TABLE property ADD COLUMN is_custom {integer} NOT NULL DEFAULT 0",
        "ALTER TABLE property ADD COLUMN field_type TEXT NOT NULL DEFAULT 'text'",
        "ALTER TABLE property ADD COLUMN group_name TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE property ADD COLUMN description TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE property ADD COLUMN display_order {integer} NOT NULL DEFAULT -1",
        "ALTER TABLE property ADD COLUMN is_hidden {integer} NOT NULL DEFAULT 0",
        "ALTER TABLE property ADD COLUMN is_form_field {integer} NOT NULL DEFAULT 0",
        "ALTER TABLE property ADD COLUMN created_at {integer} NOT NULL DEFAULT 0",
        "ALTER TABLE property ADD COLUMN updated_at {integer} NOT NULL DEFAULT 0",
        "ALTER TABLE property ADD COLUMN archived_at {integer}",
        """
        CREATE TABLE property_group (
            object TEXT NOT NULL,
            name TEXT NOT NULL,
            label TEXT NOT NULL,
            display_order {integer} NOT NULL,
            PRIMARY KEY (object, name)
        ) {clustered}
        """,
    ]

    private static let recordTables = [
        "ALTER TABLE record ADD COLUMN merged_into {integer}",
        "DROP INDEX record_by_object",
        "CREATE INDEX record_living ON record (object, id) WHERE archived_at IS NULL",
        "CREATE INDEX record_archived ON record (object, id) WHERE archived_at IS NOT NULL",
        "CREATE INDEX record_by_update ON record (object, updated_at, id) WHERE archived_at IS NULL",
        """
        CREATE TABLE change_next (
            sequence {identity},
            object TEXT NOT NULL,
            record_id {integer} NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('create', 'update', 'archive', 'restore', 'purge',
                'associate', 'dissociate', 'merge', 'unmerge', 'erase')),
            patch TEXT NOT NULL,
            at {integer} NOT NULL,
            origin TEXT NOT NULL
        ) {strict}
        """,
        """
        INSERT INTO change_next (sequence, object, record_id, kind, patch, at, origin)
        SELECT sequence, object, record_id, kind, patch, at, origin FROM change
        """,
        "DROP TABLE change",
        "ALTER TABLE change_next RENAME TO change",
        "CREATE INDEX change_by_record ON change (record_id, sequence)",
        // SHA-256 of addresses whose owner asked to be forgotten.
        "CREATE TABLE blocked_key (hash TEXT NOT NULL PRIMARY KEY) {strict}",
    ]

    private static let mergeTables = [
        """
        CREATE TABLE alias (
            id {integer} NOT NULL PRIMARY KEY,
            record_id {integer} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX alias_by_record ON alias (record_id)",
        """
        CREATE TABLE merge (
            result_id {integer} NOT NULL PRIMARY KEY,
            primary_id {integer} NOT NULL,
            secondary_id {integer} NOT NULL,
            sequence {integer} NOT NULL,
            at {integer} NOT NULL,
            undone_at {integer}
        ) {strict}
        """,
        "CREATE INDEX merge_by_primary ON merge (primary_id)",
        "CREATE INDEX merge_by_secondary ON merge (secondary_id)",
        // What the two records had in other tables, for unmerging.
        """
        CREATE TABLE merge_row (
            result_id {integer} NOT NULL,
            number {integer} NOT NULL,
            source TEXT NOT NULL,
            cells TEXT NOT NULL,
            PRIMARY KEY (result_id, number)
        ) {clustered}
        """,
    ]

    private static let accountTables = [
        // The number that HubSpot's clients know an account by.
        "CREATE TABLE account (number {integer} NOT NULL) {strict}",
        """
        CREATE TABLE token (
            id {identity},
            name TEXT NOT NULL,
            hash TEXT NOT NULL UNIQUE,
            scopes TEXT NOT NULL,
            created_at {integer} NOT NULL,
            revoked_at {integer}
        ) {strict}
        """,
        """
        CREATE TABLE owner (
            id {identity},
            email TEXT NOT NULL,
            first_name TEXT NOT NULL,
            last_name TEXT NOT NULL,
            created_at {integer} NOT NULL,
            updated_at {integer} NOT NULL,
            archived_at {integer}
        ) {strict}
        """,
        """
        CREATE TABLE pipeline (
            object TEXT NOT NULL,
            id TEXT NOT NULL,
            label TEXT NOT NULL,
            display_order {integer} NOT NULL,
            created_at {integer} NOT NULL,
            updated_at {integer} NOT NULL,
            PRIMARY KEY (object, id)
        ) {clustered}
        """,
        """
        CREATE TABLE pipeline_stage (
            object TEXT NOT NULL,
            pipeline_id TEXT NOT NULL,
            id TEXT NOT NULL,
            label TEXT NOT NULL,
            display_order {integer} NOT NULL,
            metadata TEXT NOT NULL,
            created_at {integer} NOT NULL,
            updated_at {integer} NOT NULL,
            PRIMARY KEY (object, pipeline_id, id)
        ) {clustered}
        """,
        """
        CREATE TABLE pipeline_change (
            sequence {identity},
            object TEXT NOT NULL,
            pipeline_id TEXT NOT NULL,
            stage_id TEXT,
            action TEXT NOT NULL CHECK (action IN ('CREATE', 'UPDATE', 'DELETE')),
            at {integer} NOT NULL,
            origin TEXT NOT NULL,
            content TEXT NOT NULL
        ) {strict}
        """,
        """
        CREATE TABLE list (
            id {identity},
            object TEXT NOT NULL,
            name TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('MANUAL', 'DYNAMIC', 'SNAPSHOT')),
            filter TEXT,
            version {integer} NOT NULL,
            created_at {integer} NOT NULL,
            updated_at {integer} NOT NULL,
            deleted_at {integer}
        ) {strict}
        """,
        """
        CREATE TABLE list_member (
            list_id {integer} NOT NULL REFERENCES list(id),
            record_id {integer} NOT NULL,
            at {integer} NOT NULL,
            PRIMARY KEY (list_id, record_id)
        ) {clustered}
        """,
        "CREATE INDEX list_member_by_record ON list_member (record_id)",
    ]

    private static let timelineTables = [
        """
        CREATE TABLE subscription (
            email TEXT NOT NULL,
            name TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('SUBSCRIBED', 'UNSUBSCRIBED')),
            legal_basis TEXT NOT NULL,
            at {integer} NOT NULL,
            origin TEXT NOT NULL,
            PRIMARY KEY (email, name)
        ) {clustered}
        """,
        """
        CREATE TABLE form_submission (
            id {identity},
            record_id {integer} NOT NULL,
            form TEXT NOT NULL,
            email TEXT NOT NULL,
            cookie TEXT NOT NULL,
            content TEXT NOT NULL,
            at {integer} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX form_submission_by_record ON form_submission (record_id, id)",
        """
        CREATE TABLE cookie (
            token TEXT NOT NULL PRIMARY KEY,
            record_id {integer} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX cookie_by_record ON cookie (record_id)",
        """
        CREATE TABLE workflow (
            id {identity},
            name TEXT NOT NULL UNIQUE,
            object TEXT NOT NULL,
            enrols_merged {integer} NOT NULL CHECK (enrols_merged IN (0, 1))
        ) {strict}
        """,
        """
        CREATE TABLE enrolment (
            workflow_id {integer} NOT NULL REFERENCES workflow(id),
            record_id {integer} NOT NULL,
            at {integer} NOT NULL,
            PRIMARY KEY (workflow_id, record_id)
        ) {clustered}
        """,
        "CREATE INDEX enrolment_by_record ON enrolment (record_id)",
        """
        CREATE TABLE playbook (
            id {identity},
            record_id {integer} NOT NULL,
            name TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('logged', 'draft')),
            body TEXT NOT NULL,
            at {integer} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX playbook_by_record ON playbook (record_id, id)",
        // The living marketing contacts, with the moment from which one is none.
        """
        CREATE TABLE marketing_contact (
            record_id {integer} NOT NULL PRIMARY KEY,
            effective_at {integer}
        ) {strict}
        """,
        // How many there are, without counting them for each one more.
        "CREATE TABLE marketing_total (contacts {integer} NOT NULL) {strict}",
        "INSERT INTO marketing_total VALUES (0)",
        """
        CREATE TRIGGER marketing_contact_added AFTER INSERT ON marketing_contact
        BEGIN UPDATE marketing_total SET contacts = contacts + 1; END
        """,
        """
        CREATE TRIGGER marketing_contact_removed AFTER DELETE ON marketing_contact
        BEGIN UPDATE marketing_total SET contacts = contacts - 1; END
        """,
        """
        CREATE INDEX marketing_contact_due ON marketing_contact (effective_at)
        WHERE effective_at IS NOT NULL
        """,
    ]
}
