import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db import indexed
from db.models import contacts, employment_history, organizations
from db.sessions import SERVICE, member
from embedded.stack import admin_url
from tests.db.world import make_contact, make_list, make_organization, make_user, share_list
from tests.fixtures.database import act_as


@pytest.fixture
async def session(session_as):
    async with session_as(SERVICE) as session:
        yield session


async def queued(session):
    """What waits for the index, and then forget it."""
    rows = await session.execute(text("SELECT CAST(entity AS text), id FROM search_dirty ORDER BY seq"))
    found = [tuple(row) for row in rows]
    await session.execute(text("DELETE FROM search_dirty"))
    return found


async def fanned_out(session):
    found = list(await session.scalars(text("SELECT organization_id FROM company_fanout ORDER BY seq")))
    await session.execute(text("DELETE FROM company_fanout"))
    return found


async def test_insert_update_and_delete_queue_the_record(session):
    company = await make_organization(session)
    person = await make_contact(session)
    assert await queued(session) == [("o", company), ("c", person)]
    await session.execute(text("UPDATE contacts SET title = 'CTO'"))
    assert await queued(session) == [("c", person)]
    await session.execute(text("UPDATE organizations SET description = 'Anvils'"))
    assert await queued(session) == [("o", company)]
    await session.execute(text("DELETE FROM contacts"))
    await session.execute(text("DELETE FROM organizations"))
    assert await queued(session) == [("c", person), ("o", company)]


async def test_one_statement_queues_each_of_its_rows_once(session):
    await session.execute(
        text("INSERT INTO contacts (first_name) SELECT 'n' || n FROM generate_series(1, 50) AS n")
    )
    ids = list(await session.scalars(text("SELECT id FROM contacts ORDER BY id")))
    assert await queued(session) == [("c", number) for number in ids]
    await session.execute(text("UPDATE contacts SET seniority = 'vp' WHERE id % 2 = 0"))
    assert await queued(session) == [("c", number) for number in ids if number % 2 == 0]


async def test_a_copy_queues_as_an_insert_does(stack, migration_url):
    # Row-level security lets nobody but an administrator COPY into the catalogue itself.
    url = urlsplit(admin_url(stack))._replace(path=urlsplit(migration_url).path).geturl()
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.copy_records_to_table(
        "contacts", schema_name="app", columns=["first_name"], records=[("a",), ("b",)]
    )
    copied = await connection.fetch("SELECT id FROM app.contacts ORDER BY id")
    found = await connection.fetch("SELECT id FROM app.search_dirty WHERE entity = 'c' ORDER BY id")
    await transaction.rollback()
    await connection.close()
    assert len(found) == 2
    assert found == copied


async def test_on_conflict_and_merge_queue_what_they_did(session):
    person = await make_contact(session)
    await queued(session)
    upsert = text(
        "INSERT INTO contacts (id, first_name) OVERRIDING SYSTEM VALUE VALUES (:id, :name)"
        " ON CONFLICT (id) DO UPDATE SET first_name = excluded.first_name"
    )
    await session.execute(upsert, {"id": person, "name": "Ann"})
    assert await queued(session) == []
    await session.execute(upsert, {"id": person, "name": "Anna"})
    assert await queued(session) == [("c", person)]
    merge = text(
        "MERGE INTO contacts USING (SELECT CAST(:id AS integer) AS id) AS given ON contacts.id = given.id"
        " WHEN MATCHED THEN UPDATE SET last_name = :name"
    )
    await session.execute(merge, {"id": person, "name": "Lee"})
    assert await queued(session) == [("c", person)]


async def test_an_update_that_says_nothing_new_to_the_index_queues_nothing(session):
    company = await make_organization(session)
    person = await make_contact(session, organization_id=company, email="a@b.test", title="CTO")
    await queued(session)
    for statement in (
        "UPDATE contacts SET title = 'CTO', departments = '{}'",
        "UPDATE contacts SET email = 'c@d.test', email_hash = 'x', provenance = '{\"email\": 1}'",
        "UPDATE contacts SET updated_at = app.now(), enrichment = '{\"a\": 1}', location_raw = 'x'",
        "UPDATE organizations SET phone = '1', industry = 'raw', enrichment = '{\"a\": 1}'",
        "UPDATE contacts SET title = 'x' WHERE false",
        "DELETE FROM contacts WHERE false",
    ):
        await session.execute(text(statement))
        assert await queued(session) == []
    assert await fanned_out(session) == []
    await session.execute(text("UPDATE contacts SET email = NULL"))
    assert await queued(session) == [("c", person)]


MANY = {
    "contacts.first_name": "INSERT INTO contacts (first_name) SELECT 'n' FROM generate_series(1, 4000)",
    "organizations.name": "INSERT INTO organizations (name, name_key, name_sort)"
    " SELECT 'n', 'n', 'n' FROM generate_series(1, 4000)",
    "employment_history.company": "WITH people AS"
    " (INSERT INTO contacts (first_name) SELECT 'n' FROM generate_series(1, 4000) RETURNING id)"
    " INSERT INTO employment_history (contact_id, company, company_key) SELECT id, 'n', 'n' FROM people",
}


@pytest.mark.parametrize("where", MANY)
async def test_a_large_update_after_small_ones_takes_the_time_of_its_rows(session, where):
    table, column = where.split(".")
    await session.execute(text(MANY[where]))
    # The session keeps the plan that was made for one row.
    one = f"UPDATE {table} SET {column} = {column} || 'x' WHERE id = (SELECT min(id) FROM {table})"
    for _ in range(3):
        await session.execute(text(one))
    await queued(session)
    await session.execute(text("SET LOCAL statement_timeout = '5s'"))
    await session.execute(text(f"UPDATE {table} SET {column} = {column} || 'y'"))
    assert len(await queued(session)) == 4_000


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE contacts SET last_refreshed_at = 'infinity'",
        "UPDATE contacts SET last_refreshed_at = '290000-01-01'",
        "UPDATE contacts SET position_started_on = 'infinity'",
        "UPDATE organizations SET last_refreshed_at = '-infinity'",
        "UPDATE organizations SET funding_date = 'infinity'",
    ],
)
async def test_a_date_that_no_document_can_hold_is_refused(session, statement):
    await make_contact(session)
    await make_organization(session)
    with pytest.raises(IntegrityError, match="dates_check"):
        await session.execute(text(statement))


async def test_a_company_change_fans_out_only_when_its_people_show_it(session):
    company = await make_organization(session)
    await queued(session)
    assert await fanned_out(session) == []
    await session.execute(text("UPDATE organizations SET website = 'https://acme.test'"))
    assert await queued(session) == [("o", company)]
    assert await fanned_out(session) == []
    await session.execute(text("UPDATE organizations SET name = 'Acme 2'"))
    assert await queued(session) == [("o", company)]
    assert await fanned_out(session) == [company]


async def test_a_deleted_company_queues_the_people_who_lose_it(session):
    company = await make_organization(session)
    people = [await make_contact(session, organization_id=company) for _ in range(3)]
    await make_contact(session)
    await queued(session)
    await session.execute(text("DELETE FROM organizations"))
    assert sorted(await queued(session)) == sorted([("o", company), *(("c", person) for person in people)])


async def test_past_jobs_queue_their_person(session):
    ann, bob = await make_contact(session), await make_contact(session)
    await queued(session)
    await session.execute(
        text(
            "INSERT INTO employment_history (contact_id, company, company_key)"
            " VALUES (:ann, 'A', 'a'), (:ann, 'B', 'b')"
        ),
        {"ann": ann},
    )
    assert await queued(session) == [("c", ann)]
    await session.execute(text("UPDATE employment_history SET source_key = 'x'"))
    assert await queued(session) == []
    await session.execute(text("UPDATE employment_history SET is_past = true WHERE company = 'A'"))
    assert await queued(session) == [("c", ann)]
    await session.execute(
        text("UPDATE employment_history SET contact_id = :bob WHERE company = 'B'"), {"bob": bob}
    )
    assert sorted(await queued(session)) == [("c", ann), ("c", bob)]
    await session.execute(text("DELETE FROM employment_history WHERE company = 'A'"))
    assert await queued(session) == [("c", ann)]
    await session.execute(text("DELETE FROM contacts WHERE id = :bob"), {"bob": bob})
    assert ("c", bob) in await queued(session)


async def test_truncation_leaves_a_mark_for_the_whole_table(owner):
    marks = "SELECT DISTINCT entity::text, id FROM app.search_dirty ORDER BY 1"
    for statement, left in (
        ("TRUNCATE app.employment_history", [("c", 0)]),
        ("TRUNCATE app.contacts CASCADE", [("c", 0)]),
        ("TRUNCATE app.organizations CASCADE", [("c", 0), ("o", 0)]),
    ):
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute(statement)
        assert [tuple(row) for row in await owner.fetch(marks)] == left
        await transaction.rollback()


async def test_a_bulk_load_can_ask_for_a_lower_rank(session):
    await session.execute(text("SELECT set_config('app.feed_priority', '10', true)"))
    await make_contact(session)
    assert list(await session.scalars(text("SELECT priority FROM search_dirty"))) == [10]


async def test_a_change_wakes_the_listener_once_it_is_committed(db, database_url, clean_database):
    heard = asyncio.Queue()
    listener = await asyncpg.connect(database_url)
    await listener.add_listener("search_dirty", lambda *_: heard.put_nowait(True))
    try:
        async with db.transaction(SERVICE) as session:
            for _ in range(3):
                await make_contact(session)
            assert heard.empty()
        assert await asyncio.wait_for(heard.get(), timeout=5)
        await asyncio.sleep(0.05)
        assert heard.empty()
    finally:
        await listener.remove_listener("search_dirty", heard.put_nowait)
        await listener.close()


async def test_writers_of_one_record_do_not_wait_in_the_queue(db, clean_database):
    async with db.transaction(SERVICE) as session:
        ann, bob = await make_contact(session), await make_contact(session)
    change = text("UPDATE contacts SET title = 'x' WHERE id = :id")
    async with db.transaction(SERVICE) as one, db.transaction(SERVICE) as other:
        await one.execute(change, {"id": ann})
        await other.execute(text("SET LOCAL lock_timeout = '1s'"))
        await other.execute(change, {"id": bob})
        await one.execute(text("INSERT INTO search_dirty (entity, id) VALUES ('c', :id)"), {"id": bob})
        await other.execute(text("INSERT INTO search_dirty (entity, id) VALUES ('c', :id)"), {"id": ann})


@pytest.mark.parametrize(
    "table, inside, outside",
    [
        (contacts, indexed.CONTACTS, indexed.NOT_IN_CONTACTS),
        (organizations, indexed.ORGANIZATIONS, indexed.NOT_IN_ORGANIZATIONS),
        (employment_history, indexed.EMPLOYMENT_HISTORY, indexed.NOT_IN_EMPLOYMENT_HISTORY),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_column_is_either_in_the_documents_or_not(table, inside, outside):
    assert inside | outside == {column.name for column in table.columns}
    assert not inside & outside


async def version(session, user):
    found = await session.scalar(
        text("SELECT version FROM visibility_versions WHERE user_id = :user"), {"user": user}
    )
    return found or 0


@pytest.mark.parametrize(
    "table, column", [("hidden_contacts", "contact_id"), ("hidden_companies", "organization_id")]
)
async def test_hiding_and_unhiding_moves_the_version_of_that_user_alone(session, table, column):
    ann, bob = await make_user(session), await make_user(session)
    make = make_contact if column == "contact_id" else make_organization
    records = [await make(session) for _ in range(2)]
    seen = [await version(session, ann)]
    assert seen == [0]

    async def step(statement, **values):
        await session.execute(text(statement), values)
        seen.append(await version(session, ann))
        assert seen[-1] > seen[-2]

    hide = f"INSERT INTO {table} (user_id, {column}) SELECT :user, unnest(CAST(:ids AS integer[]))"
    await step(hide, user=ann, ids=records)
    await step(f"DELETE FROM {table} WHERE {column} = :id", id=records[0])
    await step(f"UPDATE {table} SET {column} = :id", id=records[0])
    await session.execute(text(hide), {"user": bob, "ids": records})
    assert await version(session, ann) == seen[-1]
    assert await version(session, bob) > 0
    carol = await make_user(session)
    await step(f"UPDATE {table} SET user_id = :carol WHERE user_id = :ann", ann=ann, carol=carol)
    assert await version(session, carol) > 0
    await act_as(session, member(ann))
    await step(hide, user=ann, ids=records)
    await step(f"DELETE FROM {table}")


async def test_truncating_hidden_records_moves_every_version(owner):
    transaction = owner.transaction()
    await transaction.start()
    user = await owner.fetchval("INSERT INTO users (email) VALUES ('trunc@example.com') RETURNING id")
    contact = await owner.fetchval("INSERT INTO contacts (first_name) VALUES ('x') RETURNING id")
    await owner.execute("INSERT INTO hidden_contacts (user_id, contact_id) VALUES ($1, $2)", user, contact)
    before = await owner.fetchval("SELECT version FROM visibility_versions WHERE user_id = $1", user)
    await owner.execute("TRUNCATE hidden_contacts")
    after = await owner.fetchval("SELECT version FROM visibility_versions WHERE user_id = $1", user)
    await transaction.rollback()
    assert after > before


async def test_a_deleted_record_or_user_takes_the_hidden_rows_along(session):
    ann, bob = await make_user(session), await make_user(session)
    contact = await make_contact(session)
    for user in (ann, bob):
        await session.execute(
            text("INSERT INTO hidden_contacts (user_id, contact_id) VALUES (:user, :contact)"),
            {"user": user, "contact": contact},
        )
    await session.execute(text("DELETE FROM users WHERE id = :bob"), {"bob": bob})
    before = await version(session, ann)
    await session.execute(text("DELETE FROM contacts"))
    assert await version(session, ann) > before
    assert await session.scalar(text("SELECT count(*) FROM hidden_contacts")) == 0
    assert await session.scalar(text("SELECT count(*) FROM visibility_versions")) == 1


@pytest.mark.parametrize("kind", ["email", "phone", "linkedin"])
async def test_a_suppression_deletes_whom_it_names(session, kind):
    column = f"{kind}_hash"
    await make_contact(session, **{column: b"gone"})
    kept = [await make_contact(session, **{column: b"kept"}), await make_contact(session)]
    await queued(session)
    await session.execute(
        text("INSERT INTO suppressions (kind, keyed_hash) VALUES (:kind, :hash)"),
        {"kind": kind, "hash": b"gone"},
    )
    assert list(await session.scalars(text("SELECT id FROM contacts ORDER BY id"))) == kept
    assert len(await queued(session)) == 1


async def test_a_list_is_shared_while_somebody_else_has_a_part_in_it(session):
    owner, other = await make_user(session), await make_user(session)
    mine = await make_list(session, owner)
    shared = text("SELECT is_shared FROM lists")
    await share_list(session, mine, owner, "owner")
    assert await session.scalar(shared) is False
    await share_list(session, mine, other)
    assert await session.scalar(shared) is True
    await session.execute(text("DELETE FROM list_members WHERE user_id = :other"), {"other": other})
    assert await session.scalar(shared) is False


async def test_ids_are_never_used_again(session):
    first = await make_contact(session)
    await session.execute(text("DELETE FROM contacts"))
    assert await make_contact(session) > first
