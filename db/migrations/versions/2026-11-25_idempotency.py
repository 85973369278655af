"""Answers that are kept for a day, so that a call repeated with its Idempotency-Key is answered the same."""

from alembic import op

revision = "5b1d2c7e9a31"
down_revision = "6c1f0e9a4d10"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.idempotency_keys (
            user_id uuid NOT NULL,
            route text NOT NULL,
            key text NOT NULL,
            request_hash bytea NOT NULL,
            response bytea NOT NULL,
            -- Whose addresses the answer may hold.
            contact_ids integer[] NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, route, key),
            CONSTRAINT idempotency_keys_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT idempotency_keys_key_check CHECK (length(key) BETWEEN 1 AND 255)
        )
        """
    )
    op.execute("CREATE INDEX idempotency_keys_created_at_idx ON app.idempotency_keys (created_at)")
    op.execute(
        "CREATE INDEX idempotency_keys_contact_ids_idx ON app.idempotency_keys USING gin (contact_ids)"
    )
    op.execute("ALTER TABLE app.idempotency_keys ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.idempotency_keys FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY owner_all ON app.idempotency_keys TO CURRENT_USER USING (true) WITH CHECK (true)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON app.idempotency_keys TO service_role")
    op.execute("CREATE POLICY service ON app.idempotency_keys TO service_role USING (true) WITH CHECK (true)")
    # Whoever leaves the catalogue leaves the kept answers, too.
    op.execute(
        """
        CREATE FUNCTION app.forget_answers() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            DELETE FROM app.idempotency_keys
            WHERE contact_ids && ARRAY(SELECT id FROM changed);
            RETURN NULL;
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.forget_answers() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER forget_answers_on_delete AFTER DELETE ON app.contacts"
        " REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION app.forget_answers()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TRIGGER forget_answers_on_delete ON app.contacts")
    op.execute("DROP FUNCTION app.forget_answers()")
    op.execute("DROP TABLE app.idempotency_keys")
