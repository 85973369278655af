"""Signing keys of tokens: one current key per purpose beside those that still verify, all of them sealed."""

from alembic import op

revision = "7a40c3d1e002"
down_revision = "7a40c3d1e001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.signing_keys (
            kid text NOT NULL,
            purpose text NOT NULL,
            algorithm text NOT NULL,
            public_jwk jsonb,
            sealed bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            -- The end of the longest-lived token that it has signed, where that is beyond the usual.
            needed_until timestamptz NOT NULL DEFAULT app.now(),
            retired_at timestamptz,
            ends_at timestamptz,
            CONSTRAINT signing_keys_pkey PRIMARY KEY (kid),
            CONSTRAINT signing_keys_kid_check CHECK (kid ~ '^[A-Za-z0-9_-]{16}$'),
            CONSTRAINT signing_keys_kind_check CHECK (
                (purpose = 'access' AND algorithm = 'ES256' AND public_jwk IS NOT NULL)
                OR (purpose = 'client' AND algorithm = 'HS256' AND public_jwk IS NULL)),
            CONSTRAINT signing_keys_end_check CHECK ((retired_at IS NULL) = (ends_at IS NULL))
        )
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX signing_keys_current_key ON app.signing_keys (purpose) WHERE retired_at IS NULL"
    )
    op.execute("ALTER TABLE app.signing_keys ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.signing_keys FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner_all ON app.signing_keys TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(
        "GRANT SELECT, INSERT (kid, purpose, algorithm, public_jwk, sealed),"
        " UPDATE (needed_until, retired_at, ends_at), DELETE ON app.signing_keys TO service_role"
    )
    op.execute("CREATE POLICY service ON app.signing_keys TO service_role USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TABLE app.signing_keys")
