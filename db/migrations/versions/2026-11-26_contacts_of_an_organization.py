"""The people of a company are judged from the index alone, without a visit to each of their rows.

A search on PostgreSQL that starts from companies looks up all their people and keeps a tenth of them: with
the commonest filters in the index, the count of such a search takes half the time on a million contacts.
"""

from alembic import op

revision = "ac26941b97c4"
down_revision = "7a40c1d2e501"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # What a run that was cut short has left is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.contacts_of_organization_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY contacts_of_organization_idx ON app.contacts (organization_id)"
            " INCLUDE (id, seniority, departments, country, last_refreshed_at)"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.contacts_organization_id_idx")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.contacts_organization_id_idx")
        op.execute("CREATE INDEX CONCURRENTLY contacts_organization_id_idx ON app.contacts (organization_id)")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.contacts_of_organization_idx")
