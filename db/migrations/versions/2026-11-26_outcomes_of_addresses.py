"""What became of the address that a request was answered with, in its asker's words."""

from alembic import op

revision = "6c1f0e9a4d12"
down_revision = "b7d20c5e91f4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        ALTER TABLE app.email_requests
            ADD COLUMN outcome text
                CONSTRAINT email_requests_outcome_check
                CHECK (outcome IN ('bounced', 'replied', 'delivered')),
            ADD COLUMN reported_at timestamptz
        """
    )
    op.execute(
        "CREATE INDEX email_requests_reported_at_idx ON app.email_requests (reported_at)"
        " WHERE outcome IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.email_requests DROP COLUMN outcome, DROP COLUMN reported_at")
