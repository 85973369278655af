"""The audit log: who did what to whom with a right that others do not have. It only grows."""

from alembic import op

revision = "7a40c3d1e001"
down_revision = "ac26941b97c4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    # No reference to the users: an entry outlives the account it names, as a bare id.
    op.execute(
        """
        CREATE TABLE app.audit_log (
            id bigint GENERATED ALWAYS AS IDENTITY,
            actor_id uuid,
            action text NOT NULL,
            subject text NOT NULL,
            detail jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT audit_log_pkey PRIMARY KEY (id),
            CONSTRAINT audit_log_action_check CHECK (action ~ '^[a-z_]{1,40}(\\.[a-z_]{1,40}){1,3}$'),
            CONSTRAINT audit_log_subject_check CHECK (length(subject) BETWEEN 1 AND 200),
            CONSTRAINT audit_log_detail_check
                CHECK (jsonb_typeof(detail) = 'object' AND octet_length(detail::text) <= 8192)
        )
        """
    )
    for column in ("actor_id", "action", "subject"):
        op.execute(f"CREATE INDEX audit_log_{column}_idx ON app.audit_log ({column}, id)")
    op.execute("ALTER TABLE app.audit_log ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.audit_log FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner_all ON app.audit_log TO CURRENT_USER USING (true) WITH CHECK (true)")
    # Neither the id nor the moment is the writer's to say.
    op.execute("GRANT SELECT, INSERT (actor_id, action, subject, detail) ON app.audit_log TO service_role")
    op.execute("CREATE POLICY service ON app.audit_log TO service_role USING (true) WITH CHECK (true)")
    _keep()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TABLE app.audit_log")
    op.execute("DROP FUNCTION app.keep_audit_log()")


def _keep() -> None:
    """Privileges bind the app; the trigger binds the tables' owner as well."""
    op.execute(
        """
        CREATE FUNCTION app.keep_audit_log() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'restrict_violation';
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.keep_audit_log() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER keep_on_change BEFORE UPDATE OR DELETE ON app.audit_log"
        " FOR EACH ROW EXECUTE FUNCTION app.keep_audit_log()"
    )
    op.execute(
        "CREATE TRIGGER keep_on_truncate BEFORE TRUNCATE ON app.audit_log"
        " FOR EACH STATEMENT EXECUTE FUNCTION app.keep_audit_log()"
    )
