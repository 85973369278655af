"""Webhooks: where a user wants events sent, under which secrets, and what became of each sending.

A delivery is its receiver's copy of an event: one per webhook and event, with the same id however often it
is sent. Secrets are the service's own; their owner sees one when it is made.
"""

from alembic import op

revision = "8821207f88a0"
down_revision = "c41f0d2a7e10"
branch_labels = None
depends_on = None

TABLES = ("webhooks", "webhook_secrets", "webhook_deliveries")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.webhooks (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL DEFAULT auth.uid(),
            url text NOT NULL,
            kinds text[] NOT NULL,
            description text,
            enabled boolean NOT NULL DEFAULT true,
            disabled_reason text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT webhooks_pkey PRIMARY KEY (id),
            CONSTRAINT webhooks_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT webhooks_url_check CHECK (length(url) BETWEEN 8 AND 2000),
            CONSTRAINT webhooks_kinds_check CHECK (cardinality(kinds) BETWEEN 1 AND 20)
        )
        """
    )
    op.execute("CREATE INDEX webhooks_user_id_idx ON app.webhooks (user_id)")
    op.execute(
        """
        CREATE TABLE app.webhook_secrets (
            id bigint GENERATED ALWAYS AS IDENTITY,
            webhook_id uuid NOT NULL,
            secret text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            expires_at timestamptz,
            CONSTRAINT webhook_secrets_pkey PRIMARY KEY (id),
            CONSTRAINT webhook_secrets_webhook_id_fkey
                FOREIGN KEY (webhook_id) REFERENCES app.webhooks (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX webhook_secrets_webhook_id_idx ON app.webhook_secrets (webhook_id)")
    # `subject` is what the event is about: what concerns one subject is sent in order.
    op.execute(
        """
        CREATE TABLE app.webhook_deliveries (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            seq bigint GENERATED ALWAYS AS IDENTITY,
            webhook_id uuid NOT NULL,
            event_id text NOT NULL,
            kind text NOT NULL,
            subject text,
            payload jsonb NOT NULL,
            state text NOT NULL DEFAULT 'pending',
            attempts integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz NOT NULL DEFAULT app.now(),
            claimed_by uuid,
            claimed_until timestamptz,
            last_status integer,
            last_error text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            finished_at timestamptz,
            CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
            CONSTRAINT webhook_deliveries_webhook_id_fkey
                FOREIGN KEY (webhook_id) REFERENCES app.webhooks (id) ON DELETE CASCADE,
            CONSTRAINT webhook_deliveries_event_key UNIQUE (webhook_id, event_id),
            CONSTRAINT webhook_deliveries_state_check CHECK (state IN ('pending', 'delivered', 'failed'))
        )
        """
    )
    op.execute("CREATE INDEX webhook_deliveries_webhook_id_idx ON app.webhook_deliveries (webhook_id, seq)")
    op.execute(
        "CREATE INDEX webhook_deliveries_pending_idx ON app.webhook_deliveries (webhook_id, next_attempt_at)"
        " WHERE state = 'pending'"
    )
    op.execute(
        "CREATE INDEX webhook_deliveries_order_idx ON app.webhook_deliveries (webhook_id, subject, seq)"
        " WHERE state = 'pending'"
    )
    op.execute("CREATE INDEX webhook_deliveries_created_at_idx ON app.webhook_deliveries (created_at)")
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
    op.execute(
        "GRANT SELECT, UPDATE (url, kinds, description, enabled, disabled_reason), DELETE ON app.webhooks"
        " TO authenticated"
    )
    op.execute(
        "CREATE POLICY own_rows ON app.webhooks TO authenticated"
        " USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()))"
    )
    op.execute("GRANT SELECT ON app.webhook_deliveries TO authenticated")
    op.execute(
        "CREATE POLICY own_rows ON app.webhook_deliveries FOR SELECT TO authenticated"
        " USING (webhook_id IN (SELECT id FROM app.webhooks))"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE app.{table}")
