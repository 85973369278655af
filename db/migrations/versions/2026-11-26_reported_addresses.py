"""An address that bounced is known again by its keyed hash, whether or not it was a contact's.

A search by name alone has no contact to note a report under, so the request keeps the hash itself. The index
on it holds nothing yet when it is made.
"""

from alembic import op

revision = "3e8b51c0d7a1"
down_revision = "c7d20e5a91f8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.email_requests ADD COLUMN reported_hash bytea")
    op.execute(
        "CREATE INDEX email_requests_bounced_idx ON app.email_requests (reported_hash)"
        " WHERE reported_hash IS NOT NULL AND outcome = 'bounced'"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.email_requests DROP COLUMN reported_hash")
