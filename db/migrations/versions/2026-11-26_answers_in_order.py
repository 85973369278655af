"""A user's answers in the order in which they came, and reports of bounces by the address."""

from alembic import op

revision = "3e8b51c0d7a2"
down_revision = "3e8b51c0d7a1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # What a run that was cut short has left is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.email_requests_finished_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY email_requests_finished_idx"
            " ON app.email_requests (user_id, finished_at, id)"
            " WHERE job_id IS NULL AND finished_at IS NOT NULL"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.contact_reports_bounced_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY contact_reports_bounced_idx ON app.contact_reports (email_hash)"
            " WHERE outcome = 'bounced'"
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.contact_reports_bounced_idx")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.email_requests_finished_idx")
