"""Who had a company hidden is not told that its people are removed, also when both go before a comparison.

What was hidden of the company goes with it, and of whom it was is not known of somebody who is gone. So the
states of its people take over who has it hidden: when one of them is removed, and before the company is.
"""

from alembic import op

revision = "6f0c52d81ab7"
down_revision = "6f0c52d81ab6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        CREATE FUNCTION app.keep_who_had_their_company_hidden() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            UPDATE app.alert_states s SET hidden_by = s.hidden_by || gone.users
            FROM (SELECT d.id, array_agg(h.user_id) AS users
                  FROM deleted d JOIN app.hidden_companies h ON h.organization_id = d.organization_id
                  GROUP BY d.id) gone
            WHERE s.entity = 'c' AND s.record_id = gone.id;
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION app.keep_who_had_its_people_hidden() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            users uuid[] := ARRAY(SELECT h.user_id FROM app.hidden_companies h
                                  WHERE h.organization_id = OLD.id);
        BEGIN
            IF cardinality(users) > 0 THEN
                UPDATE app.alert_states s SET hidden_by = s.hidden_by || users
                FROM app.contacts c
                WHERE c.organization_id = OLD.id AND s.entity = 'c' AND s.record_id = c.id;
            END IF;
            RETURN OLD;
        END
        $$
        """
    )
    for name in ("their_company", "its_people"):
        op.execute(f"REVOKE ALL ON FUNCTION app.keep_who_had_{name}_hidden() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER keep_who_had_their_company_hidden_on_delete AFTER DELETE ON app.contacts"
        " REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT"
        " EXECUTE FUNCTION app.keep_who_had_their_company_hidden()"
    )
    # Before, for afterwards its people are nobody's.
    op.execute(
        "CREATE TRIGGER keep_who_had_its_people_hidden_on_delete BEFORE DELETE ON app.organizations"
        " FOR EACH ROW EXECUTE FUNCTION app.keep_who_had_its_people_hidden()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TRIGGER keep_who_had_its_people_hidden_on_delete ON app.organizations")
    op.execute("DROP TRIGGER keep_who_had_their_company_hidden_on_delete ON app.contacts")
    for name in ("their_company", "its_people"):
        op.execute(f"DROP FUNCTION app.keep_who_had_{name}_hidden()")
