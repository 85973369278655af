"""A ledger by contact, by action and by time: whoever pages with a filter waits for no scan of it all."""

from alembic import op

revision = "7a40c1d2e506"
down_revision = "7a40c1d2e505"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # What a run that was cut short has left is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.credit_ledger_contact_id_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY credit_ledger_contact_id_idx"
            " ON app.credit_ledger (user_id, contact_id, id) WHERE contact_id IS NOT NULL"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.credit_ledger_action_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY credit_ledger_action_idx"
            " ON app.credit_ledger (user_id, action, id) WHERE action IS NOT NULL"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.credit_ledger_created_at_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY credit_ledger_created_at_idx"
            " ON app.credit_ledger (user_id, created_at)"
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.credit_ledger_created_at_idx")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.credit_ledger_action_idx")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.credit_ledger_contact_id_idx")
