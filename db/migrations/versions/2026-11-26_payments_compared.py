"""The inbox holds also what a comparison with Stripe's lists has found, which no event has told of."""

from alembic import op

revision = "7a40c1d2e504"
down_revision = "b61f7c0a92de"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _allow("'webhook', 'catch_up', 'comparison'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DELETE FROM app.billing_events WHERE origin = 'comparison'")
    _allow("'webhook', 'catch_up'")


def _allow(origins: str) -> None:
    op.execute("ALTER TABLE app.billing_events DROP CONSTRAINT billing_events_origin_check")
    op.execute(
        "ALTER TABLE app.billing_events ADD CONSTRAINT billing_events_origin_check"
        f" CHECK (origin IN ({origins})) NOT VALID"
    )
    op.execute("ALTER TABLE app.billing_events VALIDATE CONSTRAINT billing_events_origin_check")
