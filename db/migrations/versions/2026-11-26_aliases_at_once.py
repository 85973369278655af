"""An alias is looked up in its index alone, and not in a list of what the index has yet to take in.

An import looks up each name of a batch. With a list of pending entries, which it has itself filled, every
look reads the whole list: 2.1 s for a thousand names where 3 ms are enough.
"""

from alembic import op

revision = "b7d20c5e91f4"
down_revision = "8821207f88a1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER INDEX app.organizations_alias_keys_idx SET (fastupdate = off)")
    op.execute("SELECT gin_clean_pending_list('app.organizations_alias_keys_idx')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER INDEX app.organizations_alias_keys_idx RESET (fastupdate)")
