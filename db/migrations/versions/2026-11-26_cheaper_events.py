"""Events with three indexes instead of five and no foreign key: writing them is most of the cost of an alert.

The unique key begins with the record, which serves what looks for the events of a record as well. Events are
deleted by age once an hour and lie in the order of their age: a summary of ranges of pages is enough.

A foreign key looks the ICP up once per event, a third of the whole insertion. Its promise is kept by sets:
who writes events holds the rows of their ICPs locked, and a trigger deletes what belongs to deleted ones.
"""

from alembic import op

revision = "6f0c52d81ab4"
down_revision = "a2d64b07c9e1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP INDEX app.icp_events_record_id_idx")
    op.execute("DROP INDEX app.icp_events_created_at_idx")
    op.execute(
        "ALTER TABLE app.icp_events DROP CONSTRAINT icp_events_event_key,"
        " ADD CONSTRAINT icp_events_event_key UNIQUE (record_id, icp_id, version, position)"
    )
    op.execute("CREATE INDEX icp_events_created_at_idx ON app.icp_events USING brin (created_at)")
    op.execute("ALTER TABLE app.icp_events DROP CONSTRAINT icp_events_icp_id_fkey")
    op.execute(
        """
        CREATE FUNCTION app.forget_icp_events() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            DELETE FROM app.icp_events e USING deleted d WHERE e.icp_id = d.id;
            RETURN NULL;
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.forget_icp_events() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER forget_icp_events_on_delete AFTER DELETE ON app.icp_profiles"
        " REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION app.forget_icp_events()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TRIGGER forget_icp_events_on_delete ON app.icp_profiles")
    op.execute("DROP FUNCTION app.forget_icp_events()")
    op.execute(
        "ALTER TABLE app.icp_events ADD CONSTRAINT icp_events_icp_id_fkey"
        " FOREIGN KEY (icp_id) REFERENCES app.icp_profiles (id) ON DELETE CASCADE"
    )
    op.execute("DROP INDEX app.icp_events_created_at_idx")
    op.execute(
        "ALTER TABLE app.icp_events DROP CONSTRAINT icp_events_event_key,"
        " ADD CONSTRAINT icp_events_event_key UNIQUE (icp_id, version, record_id, position)"
    )
    op.execute("CREATE INDEX icp_events_created_at_idx ON app.icp_events (created_at)")
    op.execute("CREATE INDEX icp_events_record_id_idx ON app.icp_events (record_id)")
