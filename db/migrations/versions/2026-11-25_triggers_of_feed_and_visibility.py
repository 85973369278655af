"""What happens by itself: the index feed, the versions of hidden sets, suppression, shared lists.

All triggers work on whole statements, so that a load of a million rows runs each of them once. Their
functions are the owner's (SECURITY DEFINER): whoever may change a record need not be able to write, or
even to see, what follows from it.
"""
# ruff: noqa: S608 - what these statements are put together from are constants of this file

from alembic import op

revision = "5b1d2c7e9a05"
down_revision = "5b1d2c7e9a04"
branch_labels = None
depends_on = None

# The columns that documents are made of; `db/indexed.py` has the same lists and the check compares them.
CONTACTS = """
    organization_id first_name middle_name last_name full_name name_terms name_sort name_search linkedin_url
    title title_normalized title_terms seniority departments country region city city_name latitude longitude
    email_status email_verified_at has_email has_phone position_started_on last_refreshed_at
"""
ORGANIZATIONS = """
    name name_key name_sort website domain aliases alias_keys linkedin_url industries naics employees_min
    employees_max headcount_bands revenue_min revenue_max revenue_currency technologies keywords funding_stage
    funding_amount funding_currency funding_date founded_year country region city city_name latitude longitude
    description last_refreshed_at
"""
# What a contact's document says of the company.
ORGANIZATIONS_IN_CONTACTS = """
    name name_key name_sort domain aliases alias_keys industries naics employees_min employees_max
    headcount_bands revenue_min revenue_max revenue_currency technologies keywords funding_stage
    funding_amount funding_currency funding_date founded_year country region city city_name latitude longitude
    last_refreshed_at
"""
EMPLOYMENT_HISTORY = """
    contact_id organization_id company company_key title title_normalized title_terms start_date end_date
    is_past
"""

TRIGGERS = (
    # table, event, transition table(s), function
    ("contacts", "INSERT", "NEW TABLE AS changed", "queue_contacts"),
    ("contacts", "DELETE", "OLD TABLE AS changed", "queue_contacts"),
    ("contacts", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows", "queue_updated_contacts"),
    ("contacts", "TRUNCATE", None, "queue_all_contacts"),
    ("organizations", "INSERT", "NEW TABLE AS changed", "queue_organizations"),
    ("organizations", "DELETE", "OLD TABLE AS changed", "queue_organizations"),
    ("organizations", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows", "queue_updated_organizations"),
    ("organizations", "TRUNCATE", None, "queue_all_organizations"),
    ("employment_history", "INSERT", "NEW TABLE AS changed", "queue_employed_contacts"),
    ("employment_history", "DELETE", "OLD TABLE AS changed", "queue_employed_contacts"),
    (
        "employment_history",
        "UPDATE",
        "OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "queue_reemployed_contacts",
    ),
    ("employment_history", "TRUNCATE", None, "queue_all_contacts"),
    ("suppressions", "INSERT", "NEW TABLE AS changed", "delete_suppressed_contacts"),
    ("list_members", "INSERT", "NEW TABLE AS changed", "note_shared_lists"),
    ("list_members", "DELETE", "OLD TABLE AS changed", "note_shared_lists"),
    *(
        (table, event, transition, function)
        for table in ("hidden_contacts", "hidden_companies")
        for event, transition, function in (
            ("INSERT", "NEW TABLE AS changed", "bump_visibility"),
            ("DELETE", "OLD TABLE AS changed", "bump_visibility"),
            ("UPDATE", "OLD TABLE AS changed", "bump_visibility"),
            ("UPDATE", "NEW TABLE AS changed", "bump_visibility"),
            ("TRUNCATE", None, "bump_all_visibilities"),
        )
    ),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _feed()
    _visibility()
    _suppression()
    _shared_lists()
    for number, (table, event, transition, function) in enumerate(TRIGGERS):
        referencing = f"REFERENCING {transition}" if transition else ""
        op.execute(
            f"CREATE TRIGGER {_trigger(number, event, function)} AFTER {event} ON app.{table} {referencing}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION app.{function}()"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for number, (table, event, _, function) in enumerate(TRIGGERS):
        op.execute(f"DROP TRIGGER {_trigger(number, event, function)} ON app.{table}")
    for function in sorted({function for *_, function in TRIGGERS}):
        op.execute(f"DROP FUNCTION app.{function}()")
    op.execute("DROP SEQUENCE app.visibility_version")


def _trigger(number: int, event: str, function: str) -> str:
    # Two triggers of one table may run the same function on the same event: the old rows and the new.
    before = TRIGGERS[number - 1] if number else None
    again = "_again" if before and (before[1], before[3]) == (event, function) else ""
    return f"{function}_on_{event.lower()}{again}"


def _function(name: str, body: str) -> None:
    op.execute(
        f"""
        CREATE FUNCTION app.{name}() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            {body}
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(f"REVOKE ALL ON FUNCTION app.{name}() FROM PUBLIC")


def _feed() -> None:
    _queue("queue_contacts", "c", "SELECT id FROM changed")
    _queue("queue_organizations", "o", "SELECT id FROM changed")
    _queue("queue_employed_contacts", "c", "SELECT DISTINCT contact_id FROM changed")
    _queue("queue_updated_contacts", "c", f"SELECT new_row.id FROM {_changed(CONTACTS)}")
    _queue(
        "queue_reemployed_contacts",
        "c",
        f"""
        SELECT new_row.contact_id FROM {_changed(EMPLOYMENT_HISTORY)}
        UNION SELECT old_row.contact_id FROM {_changed(EMPLOYMENT_HISTORY)}
        """,
    )
    # An id of 0 stands for the whole table.
    _queue("queue_all_contacts", "c", "SELECT 0")
    _queue("queue_all_organizations", "o", "SELECT 0")
    _queue(
        "queue_updated_organizations",
        "o",
        f"SELECT new_row.id FROM {_changed(ORGANIZATIONS)}",
        # Whether the company has people is not asked: one may be joining it in another transaction.
        f"""
        INSERT INTO app.company_fanout (organization_id)
        SELECT new_row.id FROM {_changed(ORGANIZATIONS_IN_CONTACTS)};
        """,
    )


def _queue(name: str, entity: str, ids: str, more: str = "") -> None:
    # A bulk load asks for a lower rank by `app.feed_priority`, so that direct edits overtake it.
    _function(
        name,
        f"""
        INSERT INTO app.search_dirty (entity, id, priority)
        SELECT '{entity}', touched.id,
               coalesce(nullif(current_setting('app.feed_priority', true), ''), '0')::smallint
        FROM ({ids}) AS touched (id);
        IF FOUND THEN
            {more}
            PERFORM pg_notify('search_dirty', '');
        END IF;
        """,
    )


def _changed(words: str) -> str:
    columns = words.split()
    new = ", ".join(f"new_row.{column}" for column in columns)
    old = ", ".join(f"old_row.{column}" for column in columns)
    return (
        "new_rows AS new_row JOIN old_rows AS old_row ON old_row.id = new_row.id"
        f" WHERE ({new}) IS DISTINCT FROM ({old})"
    )


def _visibility() -> None:
    # Drawn from a sequence, so that a version that was cached once never comes again, even for a user
    # whose row was removed meanwhile.
    op.execute("CREATE SEQUENCE app.visibility_version")
    _function(
        "bump_visibility",
        """
        INSERT INTO app.visibility_versions AS known (user_id, version)
        SELECT person.id, nextval('app.visibility_version')
        FROM (SELECT DISTINCT user_id FROM changed) AS touched
        -- A user who is being deleted takes the hidden records along, and needs no version any more.
        JOIN app.users AS person ON person.id = touched.user_id
        ORDER BY person.id
        ON CONFLICT (user_id) DO UPDATE SET version = nextval('app.visibility_version');
        """,
    )
    _function(
        "bump_all_visibilities",
        "UPDATE app.visibility_versions SET version = nextval('app.visibility_version');",
    )


def _suppression() -> None:
    # A suppressed domain cannot be found by its hash here; whoever suppresses one deletes its people.
    deletions = "\n".join(
        f"""
        DELETE FROM app.contacts USING changed
        WHERE changed.kind = '{kind}' AND contacts.{kind}_hash = changed.keyed_hash;
        """
        for kind in ("email", "phone", "linkedin")
    )
    _function("delete_suppressed_contacts", deletions)


def _shared_lists() -> None:
    _function(
        "note_shared_lists",
        """
        UPDATE app.lists AS list SET is_shared = now_shared.answer
        FROM (
            SELECT touched.list_id, EXISTS (
                SELECT FROM app.list_members AS part
                JOIN app.lists AS its_list ON its_list.id = part.list_id
                WHERE part.list_id = touched.list_id AND part.user_id <> its_list.owner_id
            ) AS answer
            FROM (SELECT DISTINCT list_id FROM changed) AS touched
        ) AS now_shared
        WHERE list.id = now_shared.list_id AND list.is_shared <> now_shared.answer;
        """,
    )
