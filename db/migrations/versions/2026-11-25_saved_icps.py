"""Saved ICPs: what they ask for, every version of it, and the people who share them.

People are named by address, not by account: who has no account yet sees the ICP as soon as there is one,
and nobody who shares learns whether there is.
"""

# ruff: noqa: S608, ISC004 - what these statements are put together from are constants of this file

from alembic import op

revision = "8821207f888f"
down_revision = "5b1d2c7e9a30"
branch_labels = None
depends_on = None

TABLES = ("icp_versions", "icp_members")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        ALTER TABLE app.icp_profiles
            ADD COLUMN entity text NOT NULL DEFAULT 'contacts',
            ADD COLUMN notes text,
            ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
            ADD COLUMN version integer NOT NULL DEFAULT 1,
            ADD COLUMN updated_at timestamptz NOT NULL DEFAULT app.now(),
            ADD CONSTRAINT icp_profiles_entity_check CHECK (entity IN ('contacts', 'organizations')),
            ADD CONSTRAINT icp_profiles_notes_check CHECK (length(notes) <= 5000),
            ADD CONSTRAINT icp_profiles_tags_check CHECK (cardinality(tags) <= 20)
        """
    )
    _tables()
    _functions()
    _policies()
    op.execute(
        "CREATE OR REPLACE VIEW public.icp_profiles WITH (security_invoker = true)"
        " AS SELECT * FROM app.icp_profiles"
    )
    for schema in ("app", "public"):
        op.execute(
            f"GRANT INSERT (entity, notes, tags), UPDATE (notes, tags) ON {schema}.icp_profiles"
            " TO authenticated"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for policy in ("members_read", "owners_make", "editors_change", "owners_delete"):
        op.execute(f"DROP POLICY {policy} ON app.icp_profiles")
    for table in TABLES:
        op.execute(f"DROP TABLE app.{table}")
    for trigger in ("keep_to_plan_on_write", "count_icp_versions_on_update", "keep_icp_versions_on_write"):
        op.execute(f"DROP TRIGGER {trigger} ON app.icp_profiles")
    for function in ("my_icp_ids(text)", "count_icp_versions()", "keep_icp_versions()"):
        op.execute(f"DROP FUNCTION app.{function}")
    op.execute("DROP VIEW public.icp_profiles")
    op.execute(
        "ALTER TABLE app.icp_profiles DROP COLUMN entity, DROP COLUMN notes, DROP COLUMN tags,"
        " DROP COLUMN version, DROP COLUMN updated_at"
    )
    op.execute(
        "CREATE VIEW public.icp_profiles WITH (security_invoker = true) AS SELECT * FROM app.icp_profiles"
    )
    op.execute(
        "GRANT SELECT, INSERT (id, user_id, name, filters), UPDATE (name, filters), DELETE"
        " ON public.icp_profiles TO authenticated"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON public.icp_profiles TO service_role")
    op.execute(
        "CREATE POLICY own_rows ON app.icp_profiles TO authenticated"
        " USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()))"
    )


def _tables() -> None:
    op.execute(
        """
        CREATE TABLE app.icp_versions (
            icp_id uuid NOT NULL,
            version integer NOT NULL,
            filters jsonb NOT NULL,
            changed_by uuid,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT icp_versions_pkey PRIMARY KEY (icp_id, version),
            CONSTRAINT icp_versions_icp_id_fkey
                FOREIGN KEY (icp_id) REFERENCES app.icp_profiles (id) ON DELETE CASCADE,
            CONSTRAINT icp_versions_changed_by_fkey
                FOREIGN KEY (changed_by) REFERENCES app.users (id) ON DELETE SET NULL
        )
        """
    )
    op.execute("CREATE INDEX icp_versions_changed_by_idx ON app.icp_versions (changed_by)")
    op.execute(
        "INSERT INTO app.icp_versions (icp_id, version, filters, changed_by, created_at)"
        " SELECT id, 1, filters, user_id, created_at FROM app.icp_profiles"
    )
    op.execute(
        """
        CREATE TABLE app.icp_members (
            icp_id uuid NOT NULL,
            email citext NOT NULL,
            role text NOT NULL DEFAULT 'viewer',
            added_by uuid DEFAULT auth.uid(),
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT icp_members_pkey PRIMARY KEY (icp_id, email),
            CONSTRAINT icp_members_icp_id_fkey
                FOREIGN KEY (icp_id) REFERENCES app.icp_profiles (id) ON DELETE CASCADE,
            CONSTRAINT icp_members_added_by_fkey
                FOREIGN KEY (added_by) REFERENCES app.users (id) ON DELETE SET NULL,
            CONSTRAINT icp_members_role_check CHECK (role IN ('viewer', 'editor', 'owner')),
            CONSTRAINT icp_members_email_check CHECK (length(email::text) BETWEEN 3 AND 320)
        )
        """
    )
    op.execute("CREATE INDEX icp_members_email_idx ON app.icp_members (email)")
    op.execute("CREATE INDEX icp_members_added_by_idx ON app.icp_members (added_by)")


def _functions() -> None:
    op.execute(
        """
        CREATE FUNCTION app.my_icp_ids(at_least text DEFAULT 'viewer') RETURNS SETOF uuid
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE ROWS 20
        SET search_path = pg_catalog, extensions, pg_temp AS $$
            SELECT profile.id FROM app.icp_profiles AS profile WHERE profile.user_id = auth.uid()
            UNION
            SELECT part.icp_id FROM app.icp_members AS part
            JOIN app.users AS me ON me.email = part.email AND me.id = auth.uid()
            WHERE CASE at_least WHEN 'viewer' THEN true
                                WHEN 'editor' THEN part.role IN ('editor', 'owner')
                                ELSE part.role = 'owner' END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.my_icp_ids(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION app.my_icp_ids(text) TO authenticated, service_role")
    op.execute(
        """
        CREATE FUNCTION app.count_icp_versions() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            NEW.updated_at := app.now();
            IF (NEW.filters, NEW.entity) IS DISTINCT FROM (OLD.filters, OLD.entity) THEN
                NEW.version := OLD.version + 1;
            END IF;
            RETURN NEW;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION app.keep_icp_versions() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            INSERT INTO app.icp_versions (icp_id, version, filters, changed_by)
            SELECT NEW.id, NEW.version, NEW.filters, (SELECT id FROM app.users WHERE id = auth.uid())
            ON CONFLICT DO NOTHING;
            RETURN NULL;
        END
        $$
        """
    )
    for function in ("count_icp_versions", "keep_icp_versions"):
        op.execute(f"REVOKE ALL ON FUNCTION app.{function}() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER count_icp_versions_on_update BEFORE UPDATE ON app.icp_profiles"
        " FOR EACH ROW EXECUTE FUNCTION app.count_icp_versions()"
    )
    op.execute(
        "CREATE TRIGGER keep_icp_versions_on_write AFTER INSERT OR UPDATE ON app.icp_profiles"
        " FOR EACH ROW EXECUTE FUNCTION app.keep_icp_versions()"
    )
    op.execute(
        "CREATE TRIGGER keep_to_plan_on_write BEFORE INSERT OR UPDATE OF user_id ON app.icp_profiles"
        " FOR EACH ROW EXECUTE FUNCTION app.keep_to_plan('icps', 'user_id')"
    )


def _policies() -> None:
    mine = "user_id = (SELECT auth.uid())"
    editable = "ANY (ARRAY(SELECT app.my_icp_ids('editor')))"
    owned = "ANY (ARRAY(SELECT app.my_icp_ids('owner')))"
    seen = "ANY (ARRAY(SELECT app.my_icp_ids()))"
    op.execute("DROP POLICY own_rows ON app.icp_profiles")
    for name, rule in (
        # The first half is for INSERT … RETURNING: the function does not see that row yet.
        ("members_read", f"FOR SELECT TO authenticated USING ({mine} OR id = {seen})"),
        ("owners_make", f"FOR INSERT TO authenticated WITH CHECK ({mine})"),
        (
            "editors_change",
            f"FOR UPDATE TO authenticated USING (id = {editable}) WITH CHECK (id = {editable})",
        ),
        ("owners_delete", f"FOR DELETE TO authenticated USING ({mine})"),
    ):
        op.execute(f"CREATE POLICY {name} ON app.icp_profiles {rule}")
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT ON app.icp_versions TO authenticated")
    op.execute(
        f"CREATE POLICY members_read ON app.icp_versions FOR SELECT TO authenticated USING (icp_id = {seen})"
    )
    op.execute(
        "GRANT SELECT, INSERT (icp_id, email, role), UPDATE (role), DELETE ON app.icp_members"
        " TO authenticated"
    )
    for name, rule in (
        ("members_read", f"FOR SELECT TO authenticated USING (icp_id = {seen})"),
        ("owners_share", f"FOR INSERT TO authenticated WITH CHECK (icp_id = {owned})"),
        (
            "owners_change",
            f"FOR UPDATE TO authenticated USING (icp_id = {owned}) WITH CHECK (icp_id = {owned})",
        ),
        (
            "owners_or_self_remove",
            f"FOR DELETE TO authenticated USING (icp_id = {owned}"
            " OR email = (SELECT me.email FROM app.users AS me WHERE me.id = (SELECT auth.uid())))",
        ),
    ):
        op.execute(f"CREATE POLICY {name} ON app.icp_members {rule}")
