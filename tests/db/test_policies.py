"""What people can reach in each other's records, tried by statements that an attacker would send."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.ids import UserId
from db.sessions import ANON, SERVICE, Actor, member
from tests.db.world import make_contact, make_list, make_organization, make_user, share_list, unlock
from tests.fixtures.database import act_as

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


@pytest.fixture
async def world(session_as):
    """Two members, each with one row in every table; the session acts as nobody in particular yet."""
    async with session_as(SERVICE) as session:
        people = {}
        contact = await make_contact(session, email="ann@acme.test", phone="+4930123", name_search="ann lee")
        company = await make_organization(session)
        for name in ("ann", "bob"):
            user = people[name] = await make_user(session)
            mine = await make_list(session, user)
            values = {"user": user, "contact": contact, "company": company, "list": mine}
            for statement in (
                "INSERT INTO list_members (list_id, user_id, role) VALUES (:list, :user, 'owner')",
                "INSERT INTO list_contacts (list_id, contact_id, added_by) VALUES (:list, :contact, :user)",
                "INSERT INTO list_organizations (list_id, organization_id) VALUES (:list, :company)",
                "INSERT INTO unlocks (user_id, contact_id, field) VALUES (:user, :contact, 'phone')",
                "INSERT INTO transactions (user_id, type, credits_used) VALUES (:user, 'unlock', 1)",
                "INSERT INTO credit_purchases (user_id, credits_added, amount_cents) VALUES (:user, 5, 500)",
                "INSERT INTO email_finder_logs (user_id, status) VALUES (:user, 'found')",
                "INSERT INTO email_validation_logs (user_id, email) VALUES (:user, 'x@y.test')",
                "INSERT INTO icp_profiles (user_id, name) VALUES (:user, 'Banks')",
                "INSERT INTO hidden_contacts (user_id, contact_id) VALUES (:user, :contact)",
                "INSERT INTO hidden_companies (user_id, organization_id) VALUES (:user, :company)",
            ):
                named = {key: value for key, value in values.items() if f":{key}" in statement}
                await session.execute(text(statement), named)
        yield session, people, contact


async def refused(session, statement, match="permission denied", **values):
    with pytest.raises(DBAPIError, match=match):
        async with session.begin_nested():
            await session.execute(text(statement), values)


@pytest.mark.parametrize("schema", ["app", "public"])
async def test_a_member_sees_the_own_rows_alone_and_nobody_sees_none(world, schema):
    session, people, _ = world
    counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {schema}.{name}" for name in USERS_TABLES)
    for actor, rows in (
        (SERVICE, 2),
        (member(people["ann"]), 1),
        (member(people["bob"]), 1),
        (member(UserId(uuid4())), 0),
        (Actor("authenticated"), 0),
    ):
        await act_as(session, actor)
        assert dict((await session.execute(text(counts))).all()) == dict.fromkeys(USERS_TABLES, rows)


async def test_anonymous_callers_reach_the_plans_and_nothing_else(world):
    session, *_ = world
    await act_as(session, ANON)
    assert await session.scalar(text("SELECT count(*) FROM public.plans")) == 3
    for table in (*USERS_TABLES, "contacts", "organizations", "employment_history"):
        await refused(session, f"SELECT 1 FROM public.{table}")
        await refused(session, f"SELECT 1 FROM app.{table}")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET credit_balance = 1000000",
        "UPDATE public.users SET credit_balance = 1000000",
        "UPDATE users SET role = 'admin'",
        "UPDATE users SET plan_id = 'team'",
        "UPDATE users SET id = id",
        "INSERT INTO users (email, role) VALUES ('x@y.test', 'admin')",
        "UPDATE credit_ledger SET delta = 100",
        "DELETE FROM credit_ledger",
        "TRUNCATE credit_ledger",
        "INSERT INTO credit_ledger VALUES (DEFAULT, auth.uid(), 100, 'granted', 'me', 100)",
        "SELECT * FROM credit_ledger",
        "INSERT INTO transactions (user_id, type, credits_used) VALUES (auth.uid(), 'x', 0)",
        "INSERT INTO public.transactions (user_id, type, credits_used) VALUES (auth.uid(), 'x', 0)",
        "INSERT INTO credit_purchases (user_id, credits_added, amount_cents) VALUES (auth.uid(), 9, 0)",
        "INSERT INTO unlocks (user_id, contact_id, field) SELECT auth.uid(), id, 'email' FROM contacts",
        "DELETE FROM unlocks",
        "UPDATE contacts SET title = 'x'",
        "INSERT INTO contacts (first_name) VALUES ('x')",
        "DELETE FROM public.contacts",
        "UPDATE lists SET owner_id = auth.uid()",
        "UPDATE lists SET is_shared = true",
        "SELECT * FROM search_dirty",
        "SELECT * FROM suppressions",
        "SELECT * FROM contact_sources",
        "SELECT nextval('index_token')",
        "TRUNCATE hidden_contacts",
        "CREATE TABLE public.mine (a integer)",
        "CREATE TEMPORARY TABLE mine (a integer)",
        "CREATE FUNCTION pg_temp.leak(text) RETURNS text LANGUAGE sql RETURN $1",
        "ALTER TABLE lists DISABLE ROW LEVEL SECURITY",
        "SET row_security = off; SELECT 1",
    ],
)
async def test_a_member_is_refused(world, statement):
    session, people, _ = world
    await act_as(session, member(people["ann"]))
    await refused(session, statement, "permission denied|must be owner|cannot insert multiple")


@pytest.mark.parametrize(
    "expression",
    [
        "SELECT email FROM app.contacts",
        "SELECT phone FROM app.contacts",
        "SELECT 1 FROM app.contacts WHERE email LIKE 'ann%'",
        "SELECT id FROM app.contacts ORDER BY email",
        "SELECT count(DISTINCT email) FROM app.contacts",
        "SELECT lower(email) FROM app.contacts",
        "SELECT id FROM app.contacts GROUP BY id, phone",
        "SELECT CAST(email AS bytea) FROM app.contacts",
        "SELECT to_jsonb(contacts) FROM app.contacts",
        "SELECT row_to_json(contacts) ->> 'email' FROM app.contacts",
        "SELECT contacts FROM app.contacts",
        "SELECT contacts::text FROM app.contacts",
        "SELECT (contacts).email FROM app.contacts",
        "SELECT * FROM app.contacts",
        "SELECT email_hash FROM app.contacts",
        "SELECT phone_hash FROM app.contacts",
        "SELECT linkedin_hash FROM app.contacts",
        "SELECT enrichment FROM app.contacts",
        "SELECT provenance FROM app.contacts",
        "SELECT source_key FROM app.employment_history",
        "SELECT e.id FROM app.employment_history e JOIN app.contacts c ON c.email = e.company",
        "SELECT ctid, xmin, email FROM app.contacts",
        "SELECT max(email) OVER () FROM app.contacts",
        "SELECT email_hash FROM public.contacts",
        "COPY (SELECT email FROM app.contacts) TO STDOUT",
        "DELETE FROM app.contacts RETURNING email",
    ],
)
async def test_an_address_cannot_be_read_by_any_detour(world, expression):
    session, people, _ = world
    await act_as(session, member(people["bob"]))
    await refused(session, expression, "permission denied|does not exist")


async def test_the_view_shows_what_this_member_has_unlocked_and_matches_nothing_else(world):
    session, people, contact = world
    await unlock(session, people["ann"], contact, "email")
    seen = text("SELECT email, phone FROM public.contacts")
    matching = text("SELECT count(*) FROM public.contacts WHERE email ILIKE '%acme%'")
    as_json = text("SELECT to_jsonb(c) ->> 'email' FROM public.contacts c")
    sorted_by = text("SELECT email FROM public.contacts ORDER BY email NULLS LAST LIMIT 1")
    for actor, address, phone in (
        (member(people["ann"]), "ann@acme.test", "+4930123"),
        (member(people["bob"]), None, "+4930123"),
        (member(UserId(uuid4())), None, None),
        (Actor("authenticated"), None, None),
        (SERVICE, None, None),
    ):
        await act_as(session, actor)
        assert tuple((await session.execute(seen)).one()) == (address, phone)
        assert await session.scalar(matching) == (1 if address else 0)
        assert await session.scalar(as_json) == address
        assert await session.scalar(sorted_by) == address


async def test_what_may_quote_an_address_is_shown_with_both_unlocked(session_as):
    async with session_as(SERVICE) as session:
        user = await make_user(session)
        contact = await make_contact(session, email="a@b.test")
        await session.execute(text("""UPDATE contacts SET enrichment = '{"mail": "a@b.test"}'"""))
        seen = text("SELECT enrichment FROM public.contacts")
        for field, shown in (("email", None), ("phone", {"mail": "a@b.test"})):
            await act_as(session, SERVICE)
            await unlock(session, user, contact, field)
            await act_as(session, member(user))
            assert await session.scalar(seen) == shown


async def test_the_masked_view_searches_names_by_the_trigram_index(session_as):
    async with session_as(SERVICE) as session:
        user = await make_user(session)
        await session.execute(
            text("INSERT INTO contacts (name_search) SELECT 'person ' || n FROM generate_series(1, 3000) n")
        )
        await make_contact(session, name_search="anna muller")
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        for relation in ("public.contacts", "app.contacts"):
            await act_as(session, member(user))
            for condition in ("name_search ILIKE '%muller%'", "name_search % 'ana muler'"):
                statement = f"SELECT id FROM {relation} WHERE {condition}"
                assert len((await session.execute(text(statement))).all()) == 1
                plan = "\n".join(await session.scalars(text(f"EXPLAIN {statement}")))
                assert "contacts_name_search_trgm_idx" in plan, plan


async def test_every_policy_on_users_tables_uses_an_index(world):
    session, people, _ = world
    await session.execute(text("SET LOCAL enable_seqscan = off"))
    await act_as(session, member(people["ann"]))
    for table in USERS_TABLES:
        plan = "\n".join(await session.scalars(text(f"EXPLAIN SELECT * FROM app.{table}")))
        assert "Seq Scan" not in plan, plan
        assert "Index Cond" in plan, plan


async def test_a_member_writes_the_own_rows_and_no_others(world):
    session, people, contact = world
    other = await make_contact(session)
    await act_as(session, member(people["ann"]))
    await session.execute(text("DELETE FROM hidden_contacts"))
    values = {"ann": people["ann"], "bob": people["bob"], "contact": contact, "other": other}
    # Whoever does not say whose it is means himself.
    await session.execute(text("INSERT INTO hidden_contacts (contact_id) VALUES (:other)"), {"other": other})
    await session.execute(
        text("INSERT INTO public.hidden_contacts (user_id, contact_id) VALUES (:ann, :contact)"),
        {"ann": values["ann"], "contact": contact},
    )
    for statement in (
        "INSERT INTO hidden_contacts (user_id, contact_id) VALUES (:bob, :other)",
        "INSERT INTO public.hidden_contacts (user_id, contact_id) VALUES (:bob, :other)",
    ):
        await refused(session, statement, "row-level security", bob=values["bob"], other=other)
    await session.execute(text("UPDATE icp_profiles SET name = 'Insurers'"))
    await act_as(session, SERVICE)
    hidden = text("SELECT user_id, array_agg(contact_id ORDER BY contact_id) FROM hidden_contacts GROUP BY 1")
    assert dict((await session.execute(hidden)).all()) == {
        people["ann"]: sorted([contact, other]),
        people["bob"]: [contact],
    }
    named = text("SELECT user_id, name FROM icp_profiles")
    assert dict((await session.execute(named)).all()) == {people["ann"]: "Insurers", people["bob"]: "Banks"}


async def test_lists_are_reached_by_ownership_and_membership(session_as):
    async with session_as(SERVICE) as session:
        owner, viewer, editor, stranger = [await make_user(session) for _ in range(4)]
        contact, shared = await make_contact(session), await make_list(session, owner)
        private = await make_list(session, owner, "Mine")
        await share_list(session, shared, viewer)
        await share_list(session, shared, editor, "editor")

        names = text("SELECT name FROM lists ORDER BY name")
        for person, seen in (
            (owner, ["Mine", "Prospects"]),
            (viewer, ["Prospects"]),
            (editor, ["Prospects"]),
            (stranger, []),
        ):
            await act_as(session, member(person))
            assert list(await session.scalars(names)) == seen

        add = "INSERT INTO list_contacts (list_id, contact_id) VALUES (:list, :contact)"
        for person in (viewer, stranger):
            await act_as(session, member(person))
            await refused(session, add, "row-level security", list=shared, contact=contact)
        await act_as(session, member(editor))
        await refused(session, add, "row-level security", list=private, contact=contact)
        await session.execute(text(add), {"list": shared, "contact": contact})
        added_by = text("SELECT added_by FROM list_contacts")
        await act_as(session, member(viewer))
        assert await session.scalar(added_by) == editor

        invite = "INSERT INTO list_members (list_id, user_id) VALUES (:list, :user)"
        for person in (viewer, editor, stranger):
            await act_as(session, member(person))
            await refused(session, invite, "row-level security", list=shared, user=stranger)
            for statement in (
                "UPDATE list_members SET role = 'owner' RETURNING 1",
                "UPDATE lists SET name = 'Taken' RETURNING 1",
                "DELETE FROM lists RETURNING 1",
            ):
                assert (await session.execute(text(statement))).all() == []
        # Everybody may leave, and only for himself.
        await act_as(session, member(viewer))
        left = await session.scalars(text("DELETE FROM list_members RETURNING user_id"))
        assert list(left) == [viewer]
        assert list(await session.scalars(names)) == []


async def test_a_new_list_is_its_makers(session_as):
    async with session_as(SERVICE) as session:
        user, other = await make_user(session), await make_user(session)
        await act_as(session, member(user))
        made = await session.execute(
            text("INSERT INTO public.lists (name) VALUES ('New') RETURNING owner_id, is_shared")
        )
        assert tuple(made.one()) == (user, False)
        await refused(
            session,
            "INSERT INTO lists (owner_id, name) VALUES (:other, 'His')",
            "row-level security",
            other=other,
        )


async def test_the_books_only_grow(session_as):
    async with session_as(SERVICE) as session:
        user = await make_user(session)
        grant = await session.scalar(
            text(
                "INSERT INTO credit_grants (user_id, source, reference, amount, priority)"
                " VALUES (:user, 'gift', 'welcome', 9, 1) RETURNING id"
            ),
            {"user": user},
        )
        entry = (
            "INSERT INTO credit_ledger (user_id, delta, kind, reference, balance_after, grants)"
            " VALUES (:user, 5, 'granted', 'welcome', 5, jsonb_build_object(CAST(:grant AS text), 5))"
        )
        await session.execute(text(entry), {"user": user, "grant": str(grant)})
        await refused(session, entry, "credit_ledger_entry_key", user=user, grant=str(grant))
        for statement in (
            "UPDATE credit_ledger SET delta = 9",
            "DELETE FROM credit_ledger",
            "TRUNCATE credit_ledger",
            "UPDATE transactions SET credits_used = 0",
            "DELETE FROM credit_purchases",
        ):
            await refused(session, statement)
        await refused(session, "UPDATE users SET credit_balance = 1000")


async def test_whoever_casts_the_role_off_is_left_with_nothing(world):
    session, people, _ = world
    await act_as(session, member(people["ann"]))
    await session.execute(text("RESET ROLE"))
    for table in (*USERS_TABLES, "contacts", "plans"):
        await refused(session, f"SELECT 1 FROM app.{table}")
    await refused(session, "SET ROLE leadfuel_owner", "permission denied to set role")
