"""Requests for addresses: what is asked, how far it is, and when it is tried again.

A request outlives the call and the process that began it: whoever finds it due goes on. Its log row is
written with the first answer and follows the later ones, so the service may now update the logs.
"""

from alembic import op

revision = "6c1f0e9a4d11"
down_revision = "7a40c3d1e004"
branch_labels = None
depends_on = None

TABLES = ("email_jobs", "email_requests")
LOGS = {"email_validation_logs": "smtp_result", "email_finder_logs": "input_data, output_email, status"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.email_jobs (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            kind text NOT NULL,
            rows integer NOT NULL,
            cancelled_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT email_jobs_pkey PRIMARY KEY (id),
            CONSTRAINT email_jobs_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT email_jobs_kind_check CHECK (kind IN ('validate', 'find')),
            CONSTRAINT email_jobs_rows_check CHECK (rows > 0)
        )
        """
    )
    op.execute("CREATE INDEX email_jobs_user_id_idx ON app.email_jobs (user_id, created_at, id)")
    # No references to the hold and the log row: both are written and cleared away on their own terms.
    op.execute(
        """
        CREATE TABLE app.email_requests (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            job_id uuid,
            place integer NOT NULL DEFAULT 0,
            kind text NOT NULL,
            input jsonb NOT NULL DEFAULT '{}',
            subject text,
            state text NOT NULL DEFAULT 'waiting',
            attempts smallint NOT NULL DEFAULT 0,
            claims smallint NOT NULL DEFAULT 0,
            due_at timestamptz,
            lease uuid,
            leased_until timestamptz,
            hold_id uuid,
            credits integer NOT NULL DEFAULT 0,
            log_id bigint,
            error text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            finished_at timestamptz,
            CONSTRAINT email_requests_pkey PRIMARY KEY (id),
            CONSTRAINT email_requests_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT email_requests_job_id_fkey
                FOREIGN KEY (job_id) REFERENCES app.email_jobs (id) ON DELETE CASCADE,
            CONSTRAINT email_requests_kind_check CHECK (kind IN ('validate', 'find')),
            CONSTRAINT email_requests_state_check
                CHECK (state IN ('waiting', 'retrying', 'done', 'failed', 'cancelled')),
            CONSTRAINT email_requests_due_check
                CHECK ((due_at IS NOT NULL) = (state IN ('waiting', 'retrying'))),
            CONSTRAINT email_requests_end_check CHECK ((finished_at IS NULL) = (due_at IS NOT NULL))
        )
        """
    )
    # Single requests come first, and the rows of several jobs take turns.
    op.execute(
        "CREATE INDEX email_requests_due_idx ON app.email_requests (place, due_at) WHERE due_at IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX email_requests_subject_idx ON app.email_requests (user_id, subject, finished_at)"
    )
    op.execute(
        "CREATE INDEX email_requests_job_id_idx ON app.email_requests (job_id, place)"
        " WHERE job_id IS NOT NULL"
    )
    op.execute("CREATE INDEX email_requests_created_at_idx ON app.email_requests (created_at)")
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
    for table, columns in LOGS.items():
        op.execute(f"GRANT UPDATE ({columns}) ON app.{table} TO service_role")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table, columns in LOGS.items():
        op.execute(f"REVOKE UPDATE ({columns}) ON app.{table} FROM service_role")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE app.{table}")
