"""A claim of an Idempotency-Key names the process that holds it, so that a killed one's is free at once."""

from alembic import op

revision = "5e0c7a91d3b4"
down_revision = "5b1d2c7e9a41"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.idempotency_keys ADD COLUMN holder integer")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.idempotency_keys DROP COLUMN holder")
