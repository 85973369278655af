"""Large updates are queued in time that grows with their rows, and no date can stop the feed.

PL/pgSQL keeps the plan of a trigger's statement for the session. Made for an update of one row it joins the
old rows with the new ones by a nested loop, and an update of all rows later in that session compares each
with each: minutes for ten thousand rows, days for a million. Without nested loops the plan is right for both.

PostgreSQL's dates reach further than a document's numbers, up to infinity, and a record with such a date
could not be read as a document, nor could any that were read together with it.
"""

from alembic import op

revision = "d3b1f7a90c52"
down_revision = "7a40c1d2e503"
branch_labels = None
depends_on = None

FUNCTIONS = ("queue_updated_contacts", "queue_updated_organizations", "queue_reemployed_contacts")
CHECKS = {
    "contacts": ("last_refreshed_at", "position_started_on"),
    "organizations": ("last_refreshed_at", "funding_date"),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION app.{function}() SET enable_nestloop = off")
    for table, columns in CHECKS.items():
        checks = " AND ".join(f"{column} >= '0001-01-01' AND {column} < '10000-01-01'" for column in columns)
        # A look at every row, while others read and write.
        op.execute(f"ALTER TABLE app.{table} ADD CONSTRAINT {table}_dates_check CHECK ({checks}) NOT VALID")
    for table in CHECKS:
        op.execute(f"ALTER TABLE app.{table} VALIDATE CONSTRAINT {table}_dates_check")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in CHECKS:
        op.execute(f"ALTER TABLE app.{table} DROP CONSTRAINT {table}_dates_check")
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION app.{function}() RESET enable_nestloop")
