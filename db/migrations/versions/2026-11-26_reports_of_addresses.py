"""What users report of addresses: a bounce gives credits back and counts against the address's source."""

from alembic import op

revision = "7a40c1d2e503"
down_revision = "6c1f0e9a4d12"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.contact_reports (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            contact_id integer NOT NULL,
            email_hash bytea NOT NULL,
            outcome text NOT NULL,
            source_id smallint,
            credits integer NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT contact_reports_pkey PRIMARY KEY (id),
            CONSTRAINT contact_reports_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT contact_reports_contact_id_fkey
                FOREIGN KEY (contact_id) REFERENCES app.contacts (id) ON DELETE CASCADE,
            CONSTRAINT contact_reports_source_id_fkey
                FOREIGN KEY (source_id) REFERENCES app.sources (id) ON DELETE SET NULL,
            -- One word about an address from one person.
            CONSTRAINT contact_reports_key UNIQUE (user_id, contact_id, email_hash),
            CONSTRAINT contact_reports_outcome_check CHECK (outcome IN ('bounced', 'replied', 'delivered')),
            CONSTRAINT contact_reports_credits_check CHECK (credits >= 0)
        )
        """
    )
    op.execute("CREATE INDEX contact_reports_contact_id_idx ON app.contact_reports (contact_id)")
    op.execute("CREATE INDEX contact_reports_source_id_idx ON app.contact_reports (source_id)")
    op.execute("CREATE INDEX contact_reports_user_id_idx ON app.contact_reports (user_id, created_at)")
    op.execute("ALTER TABLE app.contact_reports ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.contact_reports FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY owner_all ON app.contact_reports TO CURRENT_USER USING (true) WITH CHECK (true)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON app.contact_reports TO service_role")
    op.execute("CREATE POLICY service ON app.contact_reports TO service_role USING (true) WITH CHECK (true)")
    # How much an administrator has given away lately.
    op.execute(
        "CREATE INDEX credit_ledger_actor_id_idx ON app.credit_ledger (actor_id, created_at)"
        " WHERE actor_id IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP INDEX app.credit_ledger_actor_id_idx")
    op.execute("DROP TABLE app.contact_reports")
