"""What events rest on instead of what they say: a row per comparison and record, put into words by who reads.

Two thirds of the time of a comparison went into sentences, of which a reader sees a handful. Of each record
its events tell of, `alert_evidence` keeps what had changed and the document that came to fit; the reading of
the ICP that explains it is kept with its version. Events from before keep their words, as `own` of their ICP.
On the way back the changes go with the events; why somebody fits, in words, stays behind.
"""

from alembic import op

revision = "b61f7c0a92de"
down_revision = "3e8b51c0d7a2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.icp_versions ADD COLUMN criteria jsonb")
    op.execute(
        "UPDATE app.icp_versions v SET criteria = a.criteria FROM app.icp_alerts a"
        " WHERE a.icp_id = v.icp_id AND a.version = v.version"
    )
    op.execute("ALTER TABLE app.icp_alerts DROP COLUMN criteria")
    op.execute(
        """
        CREATE TABLE app.alert_evidence (
            position bigint NOT NULL,
            entity "char" NOT NULL,
            record_id integer NOT NULL,
            changes text NOT NULL,
            document text,
            own text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT alert_evidence_pkey PRIMARY KEY (position, entity, record_id),
            CONSTRAINT alert_evidence_entity_check CHECK (entity IN ('c', 'o'))
        )
        """
    )
    op.execute("CREATE INDEX alert_evidence_record_id_idx ON app.alert_evidence (record_id)")
    op.execute("CREATE INDEX alert_evidence_created_at_idx ON app.alert_evidence USING brin (created_at)")
    _guard("alert_evidence")
    op.execute(
        """
        INSERT INTO app.alert_evidence
        SELECT s.position, s.entity, s.record_id, '[]', NULL,
               json_object_agg(e.icp_id, split_part(s.said, E'\\n', n.line)::json)::text, s.created_at
        FROM app.icp_events e
        JOIN app.icp_profiles p ON p.id = e.icp_id
        CROSS JOIN unnest(e.records, e.said) AS n (record_id, line)
        JOIN app.alert_said s ON s.position = e.position AND s.record_id = n.record_id
                              AND s.entity = left(p.entity, 1)::"char"
        WHERE n.line > 0
        GROUP BY s.position, s.entity, s.record_id, s.created_at
        """
    )
    op.execute("DROP TABLE app.alert_said")
    # The check of the size goes with the column.
    op.execute("ALTER TABLE app.icp_events DROP COLUMN said")
    op.execute(
        "ALTER TABLE app.icp_events ADD COLUMN fields text[] NOT NULL DEFAULT '{}',"
        " ADD CONSTRAINT icp_events_size_check"
        " CHECK (size > 0 AND cardinality(records) = size AND length(kinds) = size)"
    )
    op.execute("GRANT SELECT (fields) ON app.icp_events TO authenticated")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.icp_alerts ADD COLUMN criteria jsonb")
    op.execute(
        "UPDATE app.icp_alerts a SET criteria = v.criteria FROM app.icp_versions v"
        " WHERE a.icp_id = v.icp_id AND a.version = v.version"
    )
    op.execute("ALTER TABLE app.icp_versions DROP COLUMN criteria")
    op.execute(
        """
        CREATE TEMP TABLE event_before ON COMMIT DROP AS
        SELECT e.id, n.place, e.position, left(p.entity, 1)::"char" AS letter, n.record_id, t.said,
               CASE WHEN t.said IS NOT NULL THEN
                   row_number() OVER (PARTITION BY e.position, p.entity, n.record_id, t.said IS NULL
                                      ORDER BY e.id) END AS line
        FROM app.icp_events e
        JOIN app.icp_profiles p ON p.id = e.icp_id
        CROSS JOIN unnest(e.records, string_to_array(e.kinds, NULL))
                   WITH ORDINALITY AS n (record_id, kind, place)
        LEFT JOIN app.alert_evidence k ON k.position = e.position AND k.record_id = n.record_id
                                       AND k.entity = left(p.entity, 1)::"char"
        CROSS JOIN LATERAL (
            SELECT coalesce(
                k.own::jsonb -> e.icp_id::text,
                CASE WHEN n.kind IN ('l', 'c') THEN
                    (SELECT jsonb_build_array(jsonb_agg(c), '[]'::jsonb)
                     FROM jsonb_array_elements(k.changes::jsonb) AS c
                     WHERE n.kind = 'l' OR c ->> 'field' = ANY(e.fields)
                     HAVING count(*) > 0) END
            )::text AS said
        ) t
        """
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
    _guard("alert_said")
    op.execute(
        """
        INSERT INTO app.alert_said
        SELECT b.position, b.letter, b.record_id, string_agg(b.said, E'\\n' ORDER BY b.line), k.created_at
        FROM event_before b
        JOIN app.alert_evidence k USING (position, record_id)
        WHERE b.said IS NOT NULL AND k.entity = b.letter
        GROUP BY b.position, b.letter, b.record_id, k.created_at
        """
    )
    op.execute("DROP TABLE app.alert_evidence")
    op.execute("ALTER TABLE app.icp_events DROP CONSTRAINT icp_events_size_check, DROP COLUMN fields")
    op.execute("ALTER TABLE app.icp_events ADD COLUMN said integer[]")
    op.execute(
        "UPDATE app.icp_events e SET said = b.said FROM ("
        " SELECT id, array_agg(coalesce(line, 0)::integer ORDER BY place) AS said"
        " FROM event_before GROUP BY id) b WHERE b.id = e.id"
    )
    op.execute(
        "ALTER TABLE app.icp_events ALTER COLUMN said SET NOT NULL,"
        " ADD CONSTRAINT icp_events_size_check CHECK"
        " (size > 0 AND cardinality(records) = size AND cardinality(said) = size AND length(kinds) = size)"
    )
    op.execute("GRANT SELECT (said) ON app.icp_events TO authenticated")


def _guard(table: str) -> None:
    op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
    op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
