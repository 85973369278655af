"""Slow work that a person has asked for, which they may watch and call off.

A row of `jobs` is its owner's; a trigger hands it to the outbox, so that asking for work and having it
done are one commit, and nobody but the service needs to know of the outbox.
"""

from alembic import op

revision = "8821207f888d"
down_revision = "5b1d2c7e9a20"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.jobs (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL DEFAULT auth.uid(),
            kind text NOT NULL,
            arguments jsonb NOT NULL DEFAULT '{}',
            status text NOT NULL DEFAULT 'waiting',
            progress jsonb NOT NULL DEFAULT '{}',
            result jsonb,
            error text,
            cancel_requested boolean NOT NULL DEFAULT false,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            started_at timestamptz,
            finished_at timestamptz,
            CONSTRAINT jobs_pkey PRIMARY KEY (id),
            CONSTRAINT jobs_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            -- What a member may ask for; anything else in the outbox is the service's own.
            CONSTRAINT jobs_kind_check CHECK (kind IN ('lists.change', 'exports.run')),
            CONSTRAINT jobs_status_check
                CHECK (status IN ('waiting', 'running', 'done', 'failed', 'cancelled'))
        )
        """
    )
    op.execute("CREATE INDEX jobs_user_id_idx ON app.jobs (user_id, created_at, id)")
    op.execute(
        """
        CREATE FUNCTION app.hand_over_jobs() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            INSERT INTO app.outbox (job, payload)
            SELECT kind, jsonb_build_object('job_id', id) FROM changed;
            PERFORM pg_notify('outbox', '');
            RETURN NULL;
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.hand_over_jobs() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER hand_over_jobs_on_insert AFTER INSERT ON app.jobs REFERENCING NEW TABLE AS changed"
        " FOR EACH STATEMENT EXECUTE FUNCTION app.hand_over_jobs()"
    )
    op.execute("ALTER TABLE app.jobs ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.jobs FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner_all ON app.jobs TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON app.jobs TO service_role")
    op.execute("CREATE POLICY service ON app.jobs TO service_role USING (true) WITH CHECK (true)")
    op.execute(
        "GRANT SELECT, INSERT (id, kind, arguments), UPDATE (cancel_requested) ON app.jobs TO authenticated"
    )
    op.execute(
        "CREATE POLICY own_rows ON app.jobs TO authenticated"
        " USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()))"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TABLE app.jobs")
    op.execute("DROP FUNCTION app.hand_over_jobs()")
