"""What an operator sets and the indexer finds out, and what has been applied to the index."""

from alembic import op

revision = "5b1d2c7e9a20"
down_revision = "5b1d2c7e9a05"
branch_labels = None
depends_on = None

TABLES = ("index_control", "applied")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.index_control (
            name text NOT NULL,
            value jsonb NOT NULL DEFAULT '{}',
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT index_control_pkey PRIMARY KEY (name)
        )
        """
    )
    # Appended in the transaction that takes a change off the queue; what saved searches will read.
    op.execute(
        """
        CREATE TABLE app.applied (
            seq bigint GENERATED ALWAYS AS IDENTITY,
            entity "char" NOT NULL,
            id integer NOT NULL,
            token bigint NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT applied_pkey PRIMARY KEY (seq),
            CONSTRAINT applied_entity_check CHECK (entity IN ('c', 'o'))
        )
        """
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in TABLES:
        op.execute(f"DROP TABLE app.{table}")
