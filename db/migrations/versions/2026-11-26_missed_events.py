"""What happened to a record while a reader had it hidden stays untold to them, also after unhiding.

Each event bears the readers who had its record hidden when it was written, NULL for the usual nobody. The
column decides in the policy and is nobody's to read: it would tell one reader what another has hidden.
"""

from alembic import op

revision = "6f0c52d81ab3"
down_revision = "d3b1f7a90c52"
branch_labels = None
depends_on = None

SEEN = "icp_id = ANY (ARRAY(SELECT app.my_icp_ids()))"
READ = "id, icp_id, version, record_id, kind, reason, changes, reasons, position, created_at"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.icp_events ADD COLUMN missed_by uuid[]")
    op.execute("REVOKE SELECT ON app.icp_events FROM authenticated")
    op.execute(f"GRANT SELECT ({READ}) ON app.icp_events TO authenticated")
    op.execute(
        f"ALTER POLICY members_read ON app.icp_events USING ({SEEN}"
        " AND (missed_by IS NULL OR (SELECT auth.uid()) <> ALL (missed_by)))"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(f"ALTER POLICY members_read ON app.icp_events USING ({SEEN})")
    op.execute(f"REVOKE SELECT ({READ}) ON app.icp_events FROM authenticated")  # noqa: S608 - constants
    op.execute("GRANT SELECT ON app.icp_events TO authenticated")
    op.execute("ALTER TABLE app.icp_events DROP COLUMN missed_by")
