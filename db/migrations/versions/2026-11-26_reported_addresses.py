"""An address that bounced is known again by its keyed hash, whether or not it was a contact's.

A search by name alone has no contact to note a report under, so the request keeps the hash itself.
"""

from alembic import op

revision = "6f0c52d81ab6"
down_revision = "6f0c52d81ab5"
branch_labels = None
depends_on = None

INDEXES = {
    "email_requests_bounced_idx": "email_requests (reported_hash)",
    "contact_reports_bounced_idx": "contact_reports (email_hash)",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.email_requests ADD COLUMN IF NOT EXISTS reported_hash bytea")
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS app.{name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON app.{columns} WHERE outcome = 'bounced'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS app.{name}")
    op.execute("ALTER TABLE app.email_requests DROP COLUMN reported_hash")
