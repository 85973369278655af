"""Events of one comparison and one ICP in one row, and what they say once per record for all ICPs.

Ten thousand changed contacts make a million and a half events for ten thousand ICPs, in twenty thousand rows.
As a row with its words and three indexes each, writing them took as long as a fifth of the percolation that
the comparison stands for. The id of an event is the row's, less the events behind it in the row.

`alert_said` has a row per comparison and record. It is nobody's to read but the service's: an event that
somebody sees names the line that is theirs. It goes with its record.
"""

from alembic import op

revision = "6f0c52d81ab6"
down_revision = "6f0c52d81ab5"
branch_labels = None
depends_on = None

SEEN = (
    "icp_id = ANY (ARRAY(SELECT app.my_icp_ids()))"
    " AND (missed_by IS NULL OR (SELECT auth.uid()) <> ALL (missed_by))"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("CREATE SEQUENCE app.icp_event_ids AS bigint")
    op.execute("GRANT USAGE, UPDATE ON SEQUENCE app.icp_event_ids TO service_role")
    op.execute("SELECT setval('app.icp_event_ids', last_value, is_called) FROM app.icp_events_id_seq")
    op.execute(
        """
        CREATE TEMP TABLE event_before ON COMMIT DROP AS
        SELECT e.*, left(p.entity, 1) AS letter,
               row_number() OVER (PARTITION BY e.position, p.entity, e.record_id ORDER BY e.id) AS line
        FROM app.icp_events e JOIN app.icp_profiles p ON p.id = e.icp_id
        """
    )
    op.execute("DROP TABLE app.icp_events")
    op.execute(
        """
        CREATE TABLE app.icp_events (
            id bigint NOT NULL,
            size integer NOT NULL,
            icp_id uuid NOT NULL,
            version integer NOT NULL,
            records integer[] NOT NULL,
            kinds text NOT NULL,
            said integer[] NOT NULL,
            missed_by uuid[],
            position bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT icp_events_pkey PRIMARY KEY (id),
            CONSTRAINT icp_events_size_check CHECK (
                size > 0 AND cardinality(records) = size AND cardinality(said) = size AND length(kinds) = size
            ),
            CONSTRAINT icp_events_kinds_check CHECK (translate(kinds, 'elrc', '') = '')
        )
        """
    )
    op.execute("CREATE INDEX icp_events_icp_id_idx ON app.icp_events (icp_id, id)")
    op.execute("CREATE INDEX icp_events_created_at_idx ON app.icp_events USING brin (created_at)")
    op.execute(
        "CREATE UNIQUE INDEX icp_events_event_key ON app.icp_events (position, icp_id, version, (records[1]))"
    )
    op.execute(
        """
        CREATE TABLE app.alert_said (
            position bigint NOT NULL,
            entity "char" NOT NULL,
            record_id integer NOT NULL,
            said text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT alert_said_pkey PRIMARY KEY (position, entity, record_id),
            CONSTRAINT alert_said_entity_check CHECK (entity IN ('c', 'o'))
        )
        """
    )
    op.execute("CREATE INDEX alert_said_record_id_idx ON app.alert_said (record_id)")
    op.execute("CREATE INDEX alert_said_created_at_idx ON app.alert_said USING brin (created_at)")
    for table in ("icp_events", "alert_said"):
        _guard(table)
    op.execute(
        "GRANT SELECT (id, size, icp_id, version, records, kinds, said, position, created_at)"
        " ON app.icp_events TO authenticated"
    )
    op.execute(f"CREATE POLICY members_read ON app.icp_events FOR SELECT TO authenticated USING ({SEEN})")
    op.execute(
        """
        INSERT INTO app.icp_events
        SELECT id, 1, icp_id, version, ARRAY[record_id],
               CASE WHEN reason = 'removed' THEN 'r' ELSE left(kind, 1) END, ARRAY[line], missed_by, position,
               created_at
        FROM event_before
        """
    )
    op.execute(
        """
        INSERT INTO app.alert_said
        SELECT position, letter::"char", record_id,
               string_agg(json_build_array(changes, reasons)::text, E'\\n' ORDER BY line), min(created_at)
        FROM event_before GROUP BY position, letter, record_id
        """
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TEMP TABLE event_before ON COMMIT DROP AS
        SELECT e.id - e.size + n.place AS id, e.icp_id, e.version, n.record_id, n.letter, e.position,
               e.created_at, e.missed_by,
               coalesce(nullif(split_part(s.said, E'\\n', nullif(n.line, 0)), ''), '[[], []]')::jsonb AS said
        FROM app.icp_events e
        JOIN app.icp_profiles p ON p.id = e.icp_id
        CROSS JOIN unnest(e.records, string_to_array(e.kinds, NULL), e.said)
                   WITH ORDINALITY AS n (record_id, letter, line, place)
        LEFT JOIN app.alert_said s ON s.position = e.position AND s.record_id = n.record_id
                                   AND s.entity = left(p.entity, 1)::"char"
        """
    )
    op.execute("DROP TABLE app.icp_events")
    op.execute("DROP TABLE app.alert_said")
    op.execute(
        """
        CREATE TABLE app.icp_events (
            id bigint GENERATED ALWAYS AS IDENTITY,
            icp_id uuid NOT NULL,
            version integer NOT NULL,
            record_id integer NOT NULL,
            kind text NOT NULL,
            reason text NOT NULL,
            position bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            changes jsonb NOT NULL DEFAULT '[]',
            reasons jsonb NOT NULL DEFAULT '[]',
            missed_by uuid[],
            CONSTRAINT icp_events_pkey PRIMARY KEY (id),
            CONSTRAINT icp_events_kind_check CHECK (kind IN ('entered', 'left', 'changed')),
            CONSTRAINT icp_events_reason_check CHECK (reason IN ('fits', 'changed', 'removed')),
            CONSTRAINT icp_events_event_key UNIQUE (record_id, icp_id, version, position)
        )
        """
    )
    op.execute("CREATE INDEX icp_events_icp_id_idx ON app.icp_events (icp_id, id)")
    op.execute("CREATE INDEX icp_events_created_at_idx ON app.icp_events USING brin (created_at)")
    _guard("icp_events")
    op.execute(
        "GRANT SELECT (id, icp_id, version, record_id, kind, reason, changes, reasons, position, created_at)"
        " ON app.icp_events TO authenticated"
    )
    op.execute(f"CREATE POLICY members_read ON app.icp_events FOR SELECT TO authenticated USING ({SEEN})")
    op.execute(
        """
        INSERT INTO app.icp_events OVERRIDING SYSTEM VALUE
        SELECT id, icp_id, version, record_id,
               CASE letter WHEN 'e' THEN 'entered' WHEN 'c' THEN 'changed' ELSE 'left' END,
               CASE letter WHEN 'e' THEN 'fits' WHEN 'r' THEN 'removed' ELSE 'changed' END,
               position, created_at, said -> 0, said -> 1, missed_by
        FROM event_before
        """
    )
    op.execute("SELECT setval('app.icp_events_id_seq', last_value, is_called) FROM app.icp_event_ids")
    op.execute("DROP SEQUENCE app.icp_event_ids")


def _guard(table: str) -> None:
    op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
    op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
