package import TandemModel
import TandemSupport

/// The log that triggers keep of every change of a table, for tables that say nothing themselves.
package struct ChangeLog: Sendable {
    let shape: TableShape

    static let channel = "tandem"
    /// Entries are kept as long as a cursor may be out of use.
    static let keptDays = 7

    init(_ shape: TableShape) { self.shape = shape }

    /// The log's table, beside those that it is about.
    var name: String { "\(shape.schema).tandem_log" }

    /// What has to be run once, by somebody who may make tables and triggers; to run it again does
    /// no harm.
    package var installation: String {
        let (table, log, note) = (shape.sqlName, name, "\(shape.schema).tandem_note")
        let names = ([shape.name] + shape.key.map(\.name)).map(\.sqlText).joined(separator: ", ")
        return """
            CREATE TABLE IF NOT EXISTS \(log) (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
                at timestamptz NOT NULL DEFAULT clock_timestamp(),
                relation text NOT NULL,
                key text[] NOT NULL
            );
            CREATE INDEX IF NOT EXISTS tandem_log_place ON \(log) (relation, xid, id);
            CREATE OR REPLACE FUNCTION \(note)() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $tandem$
            DECLARE
                old_key text[] := '{}';
                new_key text[] := '{}';
                place int;
            BEGIN
                IF TG_LEVEL = 'ROW' THEN
                    FOR place IN 1 .. TG_NARGS - 1 LOOP
                        IF TG_OP <> 'INSERT' THEN
                            old_key := old_key || (to_jsonb(OLD) ->> TG_ARGV[place]);
                        END IF;
                        IF TG_OP <> 'DELETE' THEN
                            new_key := new_key || (to_jsonb(NEW) ->> TG_ARGV[place]);
                        END IF;
                    END LOOP;
                    IF TG_OP <> 'INSERT' THEN
                        INSERT INTO \(log) (relation, key) VALUES (TG_ARGV[0], old_key);
                    END IF;
                    IF TG_OP <> 'DELETE' AND new_key <> old_key THEN
                        INSERT INTO \(log) (relation, key) VALUES (TG_ARGV[0], new_key);
                    END IF;
                ELSE
                    -- An entry without key: everything may be gone.
                    INSERT INTO \(log) (relation, key) VALUES (TG_ARGV[0], '{}');
                END IF;
                PERFORM pg_notify('\(Self.channel)', TG_ARGV[0]);
                RETURN NULL;
            END $tandem$;
            DROP TRIGGER IF EXISTS tandem_note ON \(table);
            CREATE TRIGGER tandem_note AFTER INSERT OR UPDATE OR DELETE ON \(table)
                FOR EACH ROW EXECUTE FUNCTION \(note)(\(names));
            DROP TRIGGER IF EXISTS tandem_note_all ON \(table);
            CREATE TRIGGER tandem_note_all AFTER TRUNCATE ON \(table)
                FOR EACH STATEMENT EXECUTE FUNCTION \(note)(\(names));

            """
    }

    /// Whether the log is there and may be read.
    func check(_ connection: PGConnection) async throws(AppError) {
        // The trigger must note what a record is named by now.
        let noted: [UInt8] = ([shape.name] + shape.key.map(\.name)).flatMap {
            Array($0.utf8) + [0]
        }
        do {
            let found = try await connection.rows(
                """
                SELECT count(*)::text FROM pg_trigger WHERE tgrelid = $1::regclass
                AND tgname = 'tandem_note' AND tgenabled <> 'D' AND tgargs = decode($2, 'hex')
                """, [shape.sqlName, noted.hexadecimal])
            _ = try await connection.rows("SELECT 1 FROM \(name) LIMIT 1")
            if found.first?[0] == "1" { return }
        } catch { if error.state != "42P01" { throw error.appError("read the change log") } }
        throw .askOperator(
            .mapping, "\(shape.name) has no change log, or one of another key",
            remedy: "Run `tandem connect`, which prints what makes one, or say `changes: xmin`.")
    }

    /// Forgets what no cursor needs any more, as far as we may.
    func prune(_ connection: PGConnection) async {
        _ = try? await connection.rows(
            "DELETE FROM \(name) WHERE relation = $1 "
                + "AND at < now() - interval '\(Self.keptDays + 1) days'", [shape.name])
    }
}

extension PostgresAdapter {
    /// What makes the change log of the table.
    ///
    /// - Throws: ``AppError`` if the table cannot be read.
    package func changeLog() async throws(AppError) -> ChangeLog {
        try await ChangeLog(shape())
    }

    /// Makes the change log.
    ///
    /// - Throws: ``AppError`` if the user of the connection may not.
    package func install(_ log: ChangeLog) async throws(AppError) {
        do {
            _ = try await connection.transaction { connection throws(PGFailure) in
                try connection.script(log.installation)
            }
        } catch { throw error.appError("make the change log") }
    }
}
