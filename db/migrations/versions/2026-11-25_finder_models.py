"""What the address finder has learned: a version per learning, with its figures on unseen addresses."""

from alembic import op

revision = "6c1f0e9a4d10"
down_revision = "8821207f888f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE TABLE app.finder_models (
            id bigint GENERATED ALWAYS AS IDENTITY,
            model jsonb NOT NULL DEFAULT '{}',
            figures jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT finder_models_pkey PRIMARY KEY (id)
        )
        """
    )
    op.execute("ALTER TABLE app.finder_models ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.finder_models FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner_all ON app.finder_models TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, DELETE ON app.finder_models TO service_role")
    op.execute("CREATE POLICY service ON app.finder_models TO service_role USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TABLE app.finder_models")
