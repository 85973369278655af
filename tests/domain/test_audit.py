from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import clock
from core.ids import UserId
from db.sessions import ANON, SERVICE, member
from domain import audit
from domain.paging import WrongCursor

ANN, BOB = UserId(uuid4()), UserId(uuid4())


@pytest.fixture
async def session(session_as):
    async with session_as(SERVICE) as session:
        yield session


async def three(session):
    await audit.record(session, actor_id=ANN, action="user.disabled", subject=f"user:{BOB}", detail={"n": 1})
    await audit.record(session, actor_id=None, action="user.deleted", subject=f"user:{BOB}", detail={})
    await audit.record(session, actor_id=ANN, action="user.deleted", subject=f"user:{ANN}", detail={})


async def test_entries_are_read_newest_first_page_by_page(session):
    await three(session)
    first = await audit.page(session, limit=2)
    rest = await audit.page(session, limit=2, cursor=first.cursor)
    assert [(e.actor_id, e.action) for e in [*first.entries, *rest.entries]] == [
        (ANN, "user.deleted"),
        (None, "user.deleted"),
        (ANN, "user.disabled"),
    ]
    assert rest.cursor is None
    assert rest.entries[0].detail == {"n": 1}


async def test_entries_are_found_by_what_is_asked_for(session):
    await three(session)
    later = clock.now() + timedelta(hours=1)
    for asked, found in (
        ({"actor_id": ANN}, 2),
        ({"action": "user.deleted"}, 2),
        ({"subject": f"user:{BOB}"}, 2),
        ({"subject": f"user:{BOB}", "actor_id": ANN}, 1),
        ({"since": later}, 0),
        ({"until": later}, 3),
        ({"action": "user.%"}, 0),
    ):
        assert len((await audit.page(session, limit=10, **asked)).entries) == found, asked


async def test_a_cursor_of_another_list_is_refused(session):
    for cursor in ("", "nonsense", "WyJhdWRpdCIsMTAwMDAwMDAwMDAwMDAwMDAwMDAwMF0"):
        with pytest.raises(WrongCursor):
            await audit.page(session, limit=1, cursor=cursor or "x")


@pytest.mark.parametrize("action", ["", "disabled", "User.Disabled", "user disabled", "user.", "a." * 6])
async def test_an_action_is_noun_and_verb(session, action):
    with pytest.raises(DBAPIError, match="audit_log_action_check"):
        await audit.record(session, actor_id=None, action=action, subject="user:x", detail={})


async def test_a_detail_is_bounded(session):
    with pytest.raises(DBAPIError, match="audit_log_detail_check"):
        await audit.record(
            session, actor_id=None, action="a.b", subject="user:x", detail={"text": "x" * 9_000}
        )


async def refused(session, statement, match):
    with pytest.raises(DBAPIError, match=match):
        async with session.begin_nested():
            await session.execute(text(statement))


CHANGES = (
    "UPDATE app.audit_log SET action = 'a.b'",
    "DELETE FROM app.audit_log",
    "TRUNCATE app.audit_log",
    "INSERT INTO app.audit_log (action, subject, created_at) VALUES ('a.b', 'x', now() - interval '1 day')",
    "INSERT INTO app.audit_log (id, action, subject) OVERRIDING SYSTEM VALUE VALUES (1, 'a.b', 'x')",
)


async def test_the_service_can_only_add(session):
    await three(session)
    for statement in CHANGES:
        await refused(session, statement, "permission denied")


async def test_not_even_the_owner_can_take_an_entry_away(owner):
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute("INSERT INTO app.audit_log (action, subject) VALUES ('a.b', 'x')")
        for statement in CHANGES[:3]:
            inner = owner.transaction()
            await inner.start()
            with pytest.raises(Exception, match="only grows"):
                await owner.execute(statement)
            await inner.rollback()
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("actor", [ANON, member(ANN)])
async def test_nobody_else_reads_or_writes_it(session_as, actor):
    async with session_as(actor) as session:
        await refused(session, "SELECT 1 FROM app.audit_log", "permission denied")
        insert = "INSERT INTO app.audit_log (action, subject) VALUES ('a.b', 'x')"
        await refused(session, insert, "permission denied")
