"""Who had a record hidden that is removed is not told of it.

What is hidden goes with the record, and the removal is told a moment later. So the state of the record, which
is kept until then, takes the readers over. Those who only show a record again are none of this.
"""

from alembic import op

revision = "6f0c52d81ab5"
down_revision = "6f0c52d81ab4"
branch_labels = None
depends_on = None

HIDDEN = {
    "hidden_contacts": ("c", "contacts", "contact_id"),
    "hidden_companies": ("o", "organizations", "organization_id"),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.alert_states ADD COLUMN hidden_by uuid[]")
    for table, (letter, records, key) in HIDDEN.items():
        function = f"keep_who_had_{table}"
        op.execute(
            f"""
            CREATE FUNCTION app.{function}() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
            BEGIN
                UPDATE app.alert_states s SET hidden_by = s.hidden_by || gone.users
                FROM (SELECT d.{key} AS id, array_agg(d.user_id) AS users FROM deleted d
                      WHERE NOT EXISTS (SELECT FROM app.{records} r WHERE r.id = d.{key})
                      GROUP BY d.{key}) gone
                WHERE s.entity = '{letter}' AND s.record_id = gone.id;
                RETURN NULL;
            END
            $$
            """  # noqa: S608 - names from the table above
        )
        op.execute(f"REVOKE ALL ON FUNCTION app.{function}() FROM PUBLIC")
        # Only where the record's deletion brings it about, inside the trigger of the foreign key.
        op.execute(
            f"CREATE TRIGGER {function}_on_delete AFTER DELETE ON app.{table}"
            " REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT"
            f" WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION app.{function}()"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in HIDDEN:
        op.execute(f"DROP TRIGGER keep_who_had_{table}_on_delete ON app.{table}")
        op.execute(f"DROP FUNCTION app.keep_who_had_{table}()")
    op.execute("ALTER TABLE app.alert_states DROP COLUMN hidden_by")
