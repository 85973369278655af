"""Which user bears the tokens of another issuer, by issuer and subject."""

from alembic import op

revision = "7a40c3d1e004"
down_revision = "7a40c3d1e003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.linked_identities (
            issuer text NOT NULL,
            subject text NOT NULL,
            user_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT linked_identities_pkey PRIMARY KEY (issuer, subject),
            CONSTRAINT linked_identities_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT linked_identities_length_check CHECK (length(issuer) <= 255 AND length(subject) <= 255)
        )
        """
    )
    op.execute("CREATE INDEX linked_identities_user_id_idx ON app.linked_identities (user_id)")
    op.execute("ALTER TABLE app.linked_identities ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.linked_identities FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY owner_all ON app.linked_identities TO CURRENT_USER USING (true) WITH CHECK (true)"
    )
    op.execute(
        "GRANT SELECT, INSERT (issuer, subject, user_id), DELETE ON app.linked_identities TO service_role"
    )
    op.execute(
        "CREATE POLICY service ON app.linked_identities TO service_role USING (true) WITH CHECK (true)"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TABLE app.linked_identities")
