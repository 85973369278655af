"""Grants that somebody has paid for, by the day: what a comparison with Stripe asks for."""

from alembic import op

revision = "7a40c1d2e505"
down_revision = "7a40c1d2e504"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # What a run that was cut short has left is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.credit_grants_paid_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY credit_grants_paid_idx ON app.credit_grants (created_at, id)"
            " WHERE source = 'purchase' AND reference NOT LIKE 'restored:%'"
            " OR reference LIKE 'invoice:%' OR reference LIKE 'upgrade:%'"
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.credit_grants_paid_idx")
