"""An export is never longer than its owner's plan allows, whoever writes it down."""

from alembic import op

revision = "a2d64b07c9e1"
down_revision = "5e0c7a91d3b4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    # The user's row is locked, as for the other limits: the plan is not changed under the comparison.
    op.execute(
        """
        CREATE FUNCTION app.keep_export_to_plan() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            plan text;
            allowed integer;
        BEGIN
            SELECT person.plan_id INTO plan FROM app.users AS person
            WHERE person.id = NEW.user_id FOR NO KEY UPDATE;
            SELECT (features -> 'limits' ->> 'export_rows')::integer INTO allowed
            FROM app.plans WHERE plans.id = plan;
            IF NEW.row_count > allowed THEN
                RAISE EXCEPTION USING ERRCODE = 'PT402',
                    MESSAGE = format('The plan %s allows %s rows in an export.', plan, allowed),
                    DETAIL = jsonb_build_object('limit', allowed, 'of', 'export_rows', 'plan', plan)::text;
            END IF;
            RETURN NEW;
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.keep_export_to_plan() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER keep_export_to_plan_on_write BEFORE INSERT OR UPDATE OF row_count, user_id"
        " ON app.exports FOR EACH ROW WHEN (NEW.row_count IS NOT NULL)"
        " EXECUTE FUNCTION app.keep_export_to_plan()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TRIGGER keep_export_to_plan_on_write ON app.exports")
    op.execute("DROP FUNCTION app.keep_export_to_plan()")
