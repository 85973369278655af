"""Alerts of saved ICPs: who fitted when it was last looked, and what has changed since.

`members` is a roaring bitmap of the ids that fitted. One transaction compares, writes the events and moves
both it and the place in the feed on, so an event is written once or not at all.
"""

from alembic import op

revision = "8821207f8891"
down_revision = "8821207f8890"
branch_labels = None
depends_on = None

TABLES = ("icp_alerts", "icp_events", "icp_event_reads", "alert_position")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.icp_alerts (
            icp_id uuid NOT NULL,
            user_id uuid NOT NULL DEFAULT auth.uid(),
            version integer NOT NULL,
            kinds text[] NOT NULL,
            members bytea NOT NULL,
            baseline_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT icp_alerts_pkey PRIMARY KEY (icp_id),
            CONSTRAINT icp_alerts_icp_id_fkey
                FOREIGN KEY (icp_id) REFERENCES app.icp_profiles (id) ON DELETE CASCADE,
            CONSTRAINT icp_alerts_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT icp_alerts_kinds_check
                CHECK (kinds <@ ARRAY['entered', 'left'] AND cardinality(kinds) > 0)
        )
        """
    )
    op.execute("CREATE INDEX icp_alerts_user_id_idx ON app.icp_alerts (user_id)")
    op.execute(
        "CREATE TRIGGER keep_to_plan_on_write BEFORE INSERT ON app.icp_alerts"
        " FOR EACH ROW EXECUTE FUNCTION app.keep_to_plan('alerts', 'user_id')"
    )
    # The record may be gone from the catalogue by now, which is an event, too: hence no reference to it.
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
            CONSTRAINT icp_events_pkey PRIMARY KEY (id),
            CONSTRAINT icp_events_icp_id_fkey
                FOREIGN KEY (icp_id) REFERENCES app.icp_profiles (id) ON DELETE CASCADE,
            CONSTRAINT icp_events_event_key UNIQUE (icp_id, version, record_id, position),
            CONSTRAINT icp_events_kind_check CHECK (kind IN ('entered', 'left')),
            CONSTRAINT icp_events_reason_check CHECK (reason IN ('fits', 'changed', 'removed'))
        )
        """
    )
    op.execute("CREATE INDEX icp_events_icp_id_idx ON app.icp_events (icp_id, id)")
    op.execute("CREATE INDEX icp_events_created_at_idx ON app.icp_events (created_at)")
    op.execute(
        """
        CREATE TABLE app.icp_event_reads (
            user_id uuid NOT NULL DEFAULT auth.uid(),
            icp_id uuid NOT NULL,
            event_id bigint NOT NULL,
            CONSTRAINT icp_event_reads_pkey PRIMARY KEY (user_id, icp_id),
            CONSTRAINT icp_event_reads_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT icp_event_reads_icp_id_fkey
                FOREIGN KEY (icp_id) REFERENCES app.icp_profiles (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX icp_event_reads_icp_id_idx ON app.icp_event_reads (icp_id)")
    op.execute(
        """
        CREATE TABLE app.alert_position (
            name text NOT NULL,
            position bigint NOT NULL,
            CONSTRAINT alert_position_pkey PRIMARY KEY (name)
        )
        """
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
    seen = "ANY (ARRAY(SELECT app.my_icp_ids()))"
    op.execute(
        "GRANT SELECT (icp_id, user_id, version, kinds, baseline_at) ON app.icp_alerts TO authenticated"
    )
    op.execute("GRANT SELECT ON app.icp_events TO authenticated")
    for table in ("icp_alerts", "icp_events"):
        op.execute(
            f"CREATE POLICY members_read ON app.{table} FOR SELECT TO authenticated USING (icp_id = {seen})"
        )
    op.execute(
        "GRANT SELECT, INSERT (icp_id, event_id), UPDATE (event_id) ON app.icp_event_reads TO authenticated"
    )
    op.execute(
        "CREATE POLICY own_rows ON app.icp_event_reads TO authenticated"
        " USING (user_id = (SELECT auth.uid()))"
        f" WITH CHECK (user_id = (SELECT auth.uid()) AND icp_id = {seen})"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in TABLES:
        op.execute(f"DROP TABLE app.{table}")
