"""Who may do what: privileges, forced row-level security, and the views that `public` exposes.

`db/access.toml` states the same once more, as the matrix that `leadfuel db check` holds against it.
"""
# ruff: noqa: S608 - what these statements are put together from are constants of this file

from alembic import op

revision = "5b1d2c7e9a04"
down_revision = "5b1d2c7e9a03"
branch_labels = None
depends_on = None

CATALOGUE = ("plans", "organizations", "contacts", "employment_history")
USERS_TABLES = (
    "users",
    "lists",
    "list_members",
    "list_contacts",
    "list_organizations",
    "unlocks",
    "transactions",
    "credit_purchases",
    "email_finder_logs",
    "email_validation_logs",
    "icp_profiles",
    "hidden_contacts",
    "hidden_companies",
)

ORGANIZATION_COLUMNS = """
    id, name, name_key, name_sort, website, domain, aliases, alias_keys, linkedin_url, phone, industry,
    industries, naics, employees_min, employees_max, headcount_bands, revenue_min, revenue_max,
    revenue_currency, technologies, keywords, funding_stage, funding_amount, funding_currency, funding_date,
    founded_year, country, region, city, city_name, location_raw, latitude, longitude, description,
    enrichment, last_refreshed_at, created_at, updated_at
"""
# Everything but the addresses, their hashes, and what may quote them.
CONTACT_COLUMNS = """
    id, organization_id, first_name, middle_name, last_name, full_name, name_terms, name_sort, name_search,
    linkedin_url, title, title_normalized, title_terms, seniority, departments, country, region, city,
    city_name, location_raw, latitude, longitude, email_status, email_verified_at, has_email, has_phone,
    position_started_on, last_refreshed_at, created_at, updated_at
"""
# A source's own key may be an address, so it is nobody's to read.
EMPLOYMENT_COLUMNS = """
    id, contact_id, organization_id, company, company_key, title, title_normalized, title_terms,
    start_date, end_date, is_past, created_at
"""

# What the service may do with each table. The books only grow.
SERVICE = {
    "SELECT": ("plans", "visibility_versions"),
    "SELECT, INSERT": ("sources", "transactions", "credit_purchases", "credit_ledger"),
    "SELECT, INSERT, DELETE": ("unlocks", "suppressions", "email_finder_logs", "email_validation_logs"),
    "SELECT, INSERT, UPDATE": ("vocabulary_terms",),
    "SELECT, INSERT, UPDATE, DELETE": (
        "organizations",
        "contacts",
        "employment_history",
        "contact_sources",
        "organization_sources",
        "users",
        "lists",
        "list_members",
        "list_contacts",
        "list_organizations",
        "icp_profiles",
        "hidden_contacts",
        "hidden_companies",
        "imports",
        "import_chunks",
        "import_rejects",
        "outbox",
        "search_dirty",
        "company_fanout",
        "indices",
        "dead_letters",
    ),
}
TABLES = tuple(sorted(name for names in SERVICE.values() for name in names))

UID = "(SELECT auth.uid())"
MY_LISTS = "ANY (ARRAY(SELECT app.my_list_ids()))"
EDITABLE_LISTS = "ANY (ARRAY(SELECT app.my_list_ids('editor')))"
OWNED_LISTS = "ANY (ARRAY(SELECT app.my_list_ids('owner')))"

# What a member may do with the tables of users, beside reading what the policies let through:
# table -> privileges, and the policies as (name, command, USING, WITH CHECK).
Policy = tuple[str, str, str | None, str | None]
MEMBERS: dict[str, tuple[str, list[Policy]]] = {
    "users": ("SELECT", [("own_row", "SELECT", f"id = {UID}", None)]),
    "unlocks": ("SELECT", [("own_rows", "SELECT", f"user_id = {UID}", None)]),
    "transactions": ("SELECT", [("own_rows", "SELECT", f"user_id = {UID}", None)]),
    "credit_purchases": ("SELECT", [("own_rows", "SELECT", f"user_id = {UID}", None)]),
    "email_finder_logs": ("SELECT", [("own_rows", "SELECT", f"user_id = {UID}", None)]),
    "email_validation_logs": ("SELECT", [("own_rows", "SELECT", f"user_id = {UID}", None)]),
    "visibility_versions": ("SELECT", [("own_rows", "SELECT", f"user_id = {UID}", None)]),
    "hidden_contacts": (
        "SELECT, INSERT (user_id, contact_id), DELETE",
        [("own_rows", "ALL", f"user_id = {UID}", f"user_id = {UID}")],
    ),
    "hidden_companies": (
        "SELECT, INSERT (user_id, organization_id), DELETE",
        [("own_rows", "ALL", f"user_id = {UID}", f"user_id = {UID}")],
    ),
    "icp_profiles": (
        "SELECT, INSERT (id, user_id, name, filters), UPDATE (name, filters), DELETE",
        [("own_rows", "ALL", f"user_id = {UID}", f"user_id = {UID}")],
    ),
    "lists": (
        "SELECT, INSERT (id, owner_id, name), UPDATE (name), DELETE",
        [
            # The first half is for INSERT … RETURNING: the function does not see that row yet.
            ("members_read", "SELECT", f"owner_id = {UID} OR id = {MY_LISTS}", None),
            ("owners_make", "INSERT", None, f"owner_id = {UID}"),
            ("owners_rename", "UPDATE", f"id = {OWNED_LISTS}", f"id = {OWNED_LISTS}"),
            ("owners_delete", "DELETE", f"owner_id = {UID}", None),
        ],
    ),
    "list_members": (
        "SELECT, INSERT (list_id, user_id, role), UPDATE (role), DELETE",
        [
            ("members_read", "SELECT", f"list_id = {MY_LISTS}", None),
            ("owners_invite", "INSERT", None, f"list_id = {OWNED_LISTS}"),
            ("owners_change", "UPDATE", f"list_id = {OWNED_LISTS}", f"list_id = {OWNED_LISTS}"),
            # Everybody may leave.
            ("owners_or_self_remove", "DELETE", f"user_id = {UID} OR list_id = {OWNED_LISTS}", None),
        ],
    ),
    **{
        f"list_{noun}s": (
            f"SELECT, INSERT (list_id, {noun}_id, added_by), DELETE",
            [
                ("members_read", "SELECT", f"list_id = {MY_LISTS}", None),
                ("editors_add", "INSERT", None, f"list_id = {EDITABLE_LISTS} AND added_by = {UID}"),
                ("editors_remove", "DELETE", f"list_id = {EDITABLE_LISTS}", None),
            ],
        )
        for noun in ("contact", "organization")
    },
}

# Who a row belongs to when the writer does not say: to the writer.
OWN_DEFAULTS = (
    ("lists", "owner_id"),
    ("list_contacts", "added_by"),
    ("list_organizations", "added_by"),
    ("icp_profiles", "user_id"),
    ("hidden_contacts", "user_id"),
    ("hidden_companies", "user_id"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for schema in ("app", "auth", "extensions", "public"):
        op.execute(f"GRANT USAGE ON SCHEMA {schema} TO anon, authenticated, service_role")
    _functions()
    for table in (*TABLES, "alembic_version"):
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        # Force holds the owner, too; migrations, definer functions and the catalogue's views are its own.
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    _service()
    _catalogue()
    _members()
    _views()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for view in (*CATALOGUE, *USERS_TABLES):
        op.execute(f"DROP VIEW public.{view}")
    for table, column in OWN_DEFAULTS:
        op.execute(f"ALTER TABLE app.{table} ALTER COLUMN {column} DROP DEFAULT")
    for table in ("plans", "organizations", "contacts", "employment_history", "vocabulary_terms"):
        op.execute(f"DROP POLICY everybody_reads ON app.{table}")
    for table, (_, policies) in MEMBERS.items():
        for name, *_ in policies:
            op.execute(f"DROP POLICY {name} ON app.{table}")
    for table in TABLES:
        op.execute(f"DROP POLICY service ON app.{table}")
    for table in (*TABLES, "alembic_version"):
        op.execute(f"DROP POLICY owner_all ON app.{table}")
        op.execute(f"ALTER TABLE app.{table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} DISABLE ROW LEVEL SECURITY")
    op.execute("REVOKE ALL ON ALL TABLES IN SCHEMA app FROM anon, authenticated, service_role")
    op.execute("REVOKE ALL ON ALL SEQUENCES IN SCHEMA app FROM anon, authenticated, service_role")
    op.execute("DROP FUNCTION app.my_list_ids(text)")
    for function in ("app.now()", "app.today()", "auth.jwt()", "auth.uid()", "auth.role()"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM anon, authenticated, service_role")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")
    for schema in ("app", "auth", "extensions", "public"):
        op.execute(f"REVOKE USAGE ON SCHEMA {schema} FROM anon, authenticated, service_role")


def _functions() -> None:
    for function in ("app.now()", "app.today()", "auth.jwt()", "auth.uid()", "auth.role()"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO anon, authenticated, service_role")
    # Lists and their members need each other in their policies; two policies that read each other's table
    # recurse without end, a definer function reads both for them.
    op.execute(
        """
        CREATE FUNCTION app.my_list_ids(at_least text DEFAULT 'viewer') RETURNS SETOF uuid
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE ROWS 20 SET search_path = pg_catalog, pg_temp
        BEGIN ATOMIC
            SELECT list.id FROM app.lists AS list WHERE list.owner_id = auth.uid()
            UNION
            SELECT part.list_id FROM app.list_members AS part
            WHERE part.user_id = auth.uid()
              AND CASE at_least
                      WHEN 'viewer' THEN true
                      WHEN 'editor' THEN part.role IN ('editor', 'owner')
                      ELSE part.role = 'owner'
                  END;
        END
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.my_list_ids(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION app.my_list_ids(text) TO authenticated, service_role")


def _service() -> None:
    for privileges, tables in SERVICE.items():
        for table in tables:
            op.execute(f"GRANT {privileges} ON app.{table} TO service_role")
            op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
    op.execute("GRANT USAGE, SELECT ON SEQUENCE app.index_token TO service_role")


def _catalogue() -> None:
    # Any other condition would switch the trigram indexes off, for LIKE and % are not leakproof. What is
    # secret here is secret by column.
    for table, readers in (
        ("plans", "anon, authenticated"),
        ("organizations", "authenticated"),
        ("contacts", "authenticated"),
        ("employment_history", "authenticated"),
        ("vocabulary_terms", "authenticated"),
    ):
        op.execute(f"CREATE POLICY everybody_reads ON app.{table} FOR SELECT TO {readers} USING (true)")
    op.execute("GRANT SELECT ON app.plans TO anon, authenticated")
    op.execute("GRANT SELECT ON app.vocabulary_terms TO authenticated")
    op.execute(f"GRANT SELECT ({ORGANIZATION_COLUMNS}) ON app.organizations TO authenticated")
    op.execute(f"GRANT SELECT ({CONTACT_COLUMNS}) ON app.contacts TO authenticated")
    op.execute(f"GRANT SELECT ({EMPLOYMENT_COLUMNS}) ON app.employment_history TO authenticated")


def _members() -> None:
    for table, (privileges, policies) in MEMBERS.items():
        op.execute(f"GRANT {privileges} ON app.{table} TO authenticated")
        for name, command, using, check in policies:
            clauses = (f" USING ({using})" if using else "") + (f" WITH CHECK ({check})" if check else "")
            op.execute(f"CREATE POLICY {name} ON app.{table} FOR {command} TO authenticated{clauses}")
    for table, column in OWN_DEFAULTS:
        op.execute(f"ALTER TABLE app.{table} ALTER COLUMN {column} SET DEFAULT auth.uid()")


def _views() -> None:
    op.execute("CREATE VIEW public.plans AS SELECT * FROM app.plans")
    op.execute(f"CREATE VIEW public.organizations AS SELECT {ORGANIZATION_COLUMNS} FROM app.organizations")
    op.execute(
        f"CREATE VIEW public.employment_history AS SELECT {EMPLOYMENT_COLUMNS} FROM app.employment_history"
    )
    op.execute(
        f"""
        CREATE VIEW public.contacts AS
        SELECT {CONTACT_COLUMNS},
               CASE WHEN {_unlocked("email")} THEN contacts.email END AS email,
               CASE WHEN {_unlocked("phone")} THEN contacts.phone END AS phone,
               -- It may quote either of them.
               CASE WHEN {_unlocked("email")} AND {_unlocked("phone")}
                    THEN contacts.enrichment END AS enrichment
        FROM app.contacts
        """
    )
    op.execute("GRANT SELECT ON public.plans TO anon")
    for view in CATALOGUE:
        op.execute(f"GRANT SELECT ON public.{view} TO authenticated, service_role")
    for view in USERS_TABLES:
        op.execute(f"CREATE VIEW public.{view} WITH (security_invoker = true) AS SELECT * FROM app.{view}")
        op.execute(f"GRANT {MEMBERS[view][0]} ON public.{view} TO authenticated")
        granted = next(privileges for privileges, tables in SERVICE.items() if view in tables)
        op.execute(f"GRANT {granted} ON public.{view} TO service_role")


def _unlocked(field: str) -> str:
    return (
        "EXISTS (SELECT FROM app.unlocks WHERE unlocks.user_id = (SELECT auth.uid())"
        f" AND unlocks.contact_id = contacts.id AND unlocks.field = '{field}')"
    )
