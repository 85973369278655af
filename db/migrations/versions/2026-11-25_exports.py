"""Exports: what was asked for, where the file is, and until when."""

from alembic import op

revision = "8821207f8890"
down_revision = "5b1d2c7e9a31"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.exports (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL DEFAULT auth.uid(),
            job_id uuid NOT NULL,
            entity text NOT NULL,
            source jsonb NOT NULL,
            columns text[] NOT NULL,
            format text NOT NULL,
            filename text NOT NULL,
            idempotency_key text,
            body_hash bytea,
            row_count integer,
            byte_count bigint,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            finished_at timestamptz,
            expires_at timestamptz,
            CONSTRAINT exports_pkey PRIMARY KEY (id),
            CONSTRAINT exports_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT exports_job_id_fkey FOREIGN KEY (job_id) REFERENCES app.jobs (id) ON DELETE CASCADE,
            CONSTRAINT exports_entity_check CHECK (entity IN ('contacts', 'organizations')),
            CONSTRAINT exports_format_check CHECK (format IN ('csv', 'xlsx'))
        )
        """
    )
    op.execute("CREATE INDEX exports_user_id_idx ON app.exports (user_id, created_at, id)")
    op.execute("CREATE INDEX exports_job_id_idx ON app.exports (job_id)")
    op.execute("CREATE INDEX exports_expires_at_idx ON app.exports (expires_at) WHERE expires_at IS NOT NULL")
    # The same request twice with one key is one export.
    op.execute(
        "CREATE UNIQUE INDEX exports_idempotency_key ON app.exports (user_id, idempotency_key)"
        " WHERE idempotency_key IS NOT NULL"
    )
    op.execute("ALTER TABLE app.exports ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.exports FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner_all ON app.exports TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON app.exports TO service_role")
    op.execute("CREATE POLICY service ON app.exports TO service_role USING (true) WITH CHECK (true)")
    op.execute(
        "GRANT SELECT, INSERT (id, job_id, entity, source, columns, format, filename, idempotency_key,"
        " body_hash) ON app.exports TO authenticated"
    )
    op.execute(
        "CREATE POLICY own_rows ON app.exports TO authenticated"
        " USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()))"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TABLE app.exports")
