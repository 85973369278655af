"""Alerts that tell what has changed: the state before, and how each person wants to hear of it.

`alert_states` holds what the watched fields of a record said when it was last compared; one row serves all
ICPs that the record fits. `alert_overrides` holds what one ICP saw instead, where its baseline was taken
while a change was on its way. Alerts of before have no stored reading and begin anew.
"""

from alembic import op

revision = "8821207f88a1"
down_revision = "8821207f88a0"
branch_labels = None
depends_on = None

TABLES = ("alert_states", "alert_overrides", "icp_subscriptions")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _alerts_and_events()
    _states()
    _subscriptions()
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
    op.execute(
        "GRANT SELECT (icp_id, user_id, email, webhook, how, at_time, weekday, zone, quiet_from, quiet_until,"
        " at_most) ON app.icp_subscriptions TO authenticated"
    )
    op.execute(
        "CREATE POLICY own_rows ON app.icp_subscriptions FOR SELECT TO authenticated"
        " USING (user_id = (SELECT auth.uid()))"
    )


def _alerts_and_events() -> None:
    op.execute("CREATE SEQUENCE app.alert_revision AS bigint")
    op.execute("GRANT USAGE ON SEQUENCE app.alert_revision TO service_role")
    op.execute(
        """
        ALTER TABLE app.icp_alerts
            DROP CONSTRAINT icp_alerts_kinds_check,
            ADD CONSTRAINT icp_alerts_kinds_check
                CHECK (kinds <@ ARRAY['entered', 'left', 'changed'] AND cardinality(kinds) > 0),
            ADD COLUMN fields text[] NOT NULL DEFAULT '{}',
            ADD COLUMN criteria jsonb,
            ADD COLUMN as_of date,
            ADD COLUMN revision bigint NOT NULL DEFAULT nextval('app.alert_revision'),
            -- Bitmaps are as small as they get: compressing them again takes time and gives nothing.
            ALTER COLUMN members SET STORAGE EXTERNAL
        """
    )
    op.execute("UPDATE app.icp_alerts SET version = 0")
    op.execute("GRANT SELECT (fields) ON app.icp_alerts TO authenticated")
    op.execute(
        """
        ALTER TABLE app.icp_events
            DROP CONSTRAINT icp_events_kind_check,
            ADD CONSTRAINT icp_events_kind_check CHECK (kind IN ('entered', 'left', 'changed')),
            ADD COLUMN changes jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN reasons jsonb NOT NULL DEFAULT '[]'
        """
    )
    op.execute("CREATE INDEX icp_events_record_id_idx ON app.icp_events (record_id)")
    op.execute(
        "CREATE INDEX webhook_deliveries_subject_idx ON app.webhook_deliveries (subject)"
        " WHERE subject IS NOT NULL"
    )


def _states() -> None:
    op.execute(
        """
        CREATE TABLE app.alert_states (
            entity "char" NOT NULL,
            record_id integer NOT NULL,
            "values" text NOT NULL,
            CONSTRAINT alert_states_pkey PRIMARY KEY (entity, record_id),
            CONSTRAINT alert_states_entity_check CHECK (entity IN ('c', 'o'))
        )
        """
    )
    op.execute(
        """
        CREATE TABLE app.alert_overrides (
            icp_id uuid NOT NULL,
            record_id integer NOT NULL,
            "values" text NOT NULL,
            CONSTRAINT alert_overrides_pkey PRIMARY KEY (icp_id, record_id),
            CONSTRAINT alert_overrides_icp_id_fkey
                FOREIGN KEY (icp_id) REFERENCES app.icp_alerts (icp_id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX alert_overrides_record_id_idx ON app.alert_overrides (record_id)")


def _subscriptions() -> None:
    op.execute(
        """
        CREATE TABLE app.icp_subscriptions (
            icp_id uuid NOT NULL,
            user_id uuid NOT NULL DEFAULT auth.uid(),
            email boolean NOT NULL DEFAULT false,
            webhook boolean NOT NULL DEFAULT false,
            how text NOT NULL DEFAULT 'at_once',
            at_time time NOT NULL DEFAULT '08:00',
            weekday smallint NOT NULL DEFAULT 1,
            zone text NOT NULL DEFAULT 'UTC',
            quiet_from time,
            quiet_until time,
            at_most smallint,
            mailed_upto bigint NOT NULL DEFAULT 0,
            webhook_upto bigint NOT NULL DEFAULT 0,
            mail_due_at timestamptz,
            webhook_due boolean NOT NULL DEFAULT false,
            sending_upto bigint,
            claimed_by uuid,
            claimed_until timestamptz,
            failures integer NOT NULL DEFAULT 0,
            mails_on date,
            mails_that_day integer NOT NULL DEFAULT 0,
            CONSTRAINT icp_subscriptions_pkey PRIMARY KEY (icp_id, user_id),
            CONSTRAINT icp_subscriptions_icp_id_fkey
                FOREIGN KEY (icp_id) REFERENCES app.icp_profiles (id) ON DELETE CASCADE,
            CONSTRAINT icp_subscriptions_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT icp_subscriptions_how_check CHECK (how IN ('at_once', 'daily', 'weekly')),
            CONSTRAINT icp_subscriptions_weekday_check CHECK (weekday BETWEEN 1 AND 7),
            CONSTRAINT icp_subscriptions_at_most_check CHECK (at_most BETWEEN 1 AND 100),
            CONSTRAINT icp_subscriptions_quiet_check CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
        )
        """
    )
    op.execute("CREATE INDEX icp_subscriptions_user_id_idx ON app.icp_subscriptions (user_id)")
    op.execute(
        "CREATE INDEX icp_subscriptions_mail_due_at_idx ON app.icp_subscriptions (mail_due_at)"
        " WHERE mail_due_at IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX icp_subscriptions_webhook_due_idx ON app.icp_subscriptions (icp_id) WHERE webhook_due"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE app.{table}")
    op.execute("DROP INDEX app.webhook_deliveries_subject_idx")
    op.execute("DROP INDEX app.icp_events_record_id_idx")
    op.execute("DELETE FROM app.icp_events WHERE kind = 'changed'")
    op.execute(
        """
        ALTER TABLE app.icp_events
            DROP CONSTRAINT icp_events_kind_check,
            ADD CONSTRAINT icp_events_kind_check CHECK (kind IN ('entered', 'left')),
            DROP COLUMN changes, DROP COLUMN reasons
        """
    )
    op.execute(
        "UPDATE app.icp_alerts SET version = 0, kinds = CASE WHEN kinds = ARRAY['changed']"
        " THEN ARRAY['entered', 'left'] ELSE array_remove(kinds, 'changed') END"
    )
    op.execute(
        """
        ALTER TABLE app.icp_alerts
            DROP CONSTRAINT icp_alerts_kinds_check,
            ADD CONSTRAINT icp_alerts_kinds_check
                CHECK (kinds <@ ARRAY['entered', 'left'] AND cardinality(kinds) > 0),
            DROP COLUMN fields, DROP COLUMN criteria, DROP COLUMN as_of, DROP COLUMN revision,
            ALTER COLUMN members SET STORAGE EXTENDED
        """
    )
    op.execute("DROP SEQUENCE app.alert_revision")
