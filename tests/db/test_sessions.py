import asyncio
import contextlib
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from core import clock
from core.ids import UserId
from core.settings import BadSetting, DatabaseSettings
from db.sessions import ANON, SERVICE, SIGN_IN, Actor, Database, acting, driver_connection, member
from embedded.stack import admin_url
from tests.db.world import make_contact, make_user

WHO = text("SELECT current_user, auth.uid(), auth.role()")


@pytest.fixture
async def single(database_url):
    """A pool of one connection, so that every transaction follows another on it."""
    database = Database(DatabaseSettings(url=database_url, pool_size=1))
    yield database
    await database.close()


async def who(session):
    return tuple((await session.execute(WHO)).one())


async def test_each_actor_runs_under_its_own_role_and_claims(db):
    user = UserId(uuid4())
    async with db.transaction(ANON) as session:
        assert await who(session) == ("anon", None, "anon")
    async with db.transaction(SERVICE) as session:
        assert await who(session) == ("service_role", None, "service_role")
    async with db.transaction(member(user)) as session:
        assert await who(session) == ("authenticated", user, "authenticated")


ASK = "SELECT current_user::text, auth.uid(), auth.role(), current_setting('transaction_read_only')"


async def test_a_short_read_runs_as_its_actor_and_leaves_nothing(single):
    user = UserId(uuid4())
    found = await single.fetch(member(user), f"{ASK}, $1::int + 1", 41)
    assert [tuple(row) for row in found] == [("authenticated", user, "authenticated", "on", 42)]
    assert tuple((await single.fetch(ANON, ASK))[0])[:3] == ("anon", None, "anon")
    async with single._engine.connect() as connection:
        asked = "SELECT current_user, nullif(current_setting('request.jwt.claims', true), ''), now()"
        assert tuple((await connection.execute(text(asked))).one())[:2] == ("leadfuel_app", None)


async def test_a_short_read_writes_nothing_and_fails_for_itself_alone(single):
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await single.fetch(SERVICE, "INSERT INTO app.users (email) VALUES ('a@x.example') RETURNING id")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await single.fetch(ANON, "SELECT 1/0")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await single.fetch(member(UserId(uuid4())), "SELECT email FROM app.contacts")
    assert (await single.fetch(SERVICE, ASK))[0][0] == "service_role"


async def test_a_short_read_that_is_cancelled_gives_its_connection_to_nobody(single):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await single.fetch(member(UserId(uuid4())), "SELECT pg_sleep(5)")
    async with single.transaction(ANON) as session:
        assert await who(session) == ("anon", None, "anon")


async def test_a_short_read_has_the_clock_that_was_moved(single):
    with clock.shifted(timedelta(days=40)):
        (row,) = await single.fetch(ANON, "SELECT app.now() - now() AS ahead")
    assert row["ahead"] == timedelta(days=40)


async def test_nothing_of_a_transaction_stays_on_its_connection(single):
    async with single.transaction(member(UserId(uuid4())), read_only=True) as session:
        await session.execute(WHO)
    async with single._engine.connect() as connection:
        row = (
            await connection.execute(
                text(
                    "SELECT current_user, nullif(current_setting('request.jwt.claims', true), ''),"
                    " current_setting('transaction_read_only'), current_setting('statement_timeout')"
                )
            )
        ).one()
    assert tuple(row) == ("leadfuel_app", None, "off", "0")


async def test_a_failed_transaction_leaves_nothing_on_its_connection(single):
    with pytest.raises(DBAPIError):
        async with single.transaction(member(UserId(uuid4()))) as session:
            await session.execute(text("SELECT 1/0"))
    async with single.transaction(ANON) as session:
        assert await who(session) == ("anon", None, "anon")


async def test_interleaved_members_never_see_each_others_claims(database_url):
    database = Database(DatabaseSettings(url=database_url, pool_size=3))

    async def one(number):
        user = UserId(uuid4())
        async with database.transaction(member(user)) as session:
            await asyncio.sleep(0.001 * (number % 3))
            return (await who(session))[1] == user

    assert all(await asyncio.gather(*(one(number) for number in range(60))))
    await database.close()


async def test_a_savepoint_and_what_follows_a_repeated_begin_keep_the_actor(db):
    user = UserId(uuid4())
    async with db.transaction(member(user)) as session:
        async with session.begin_nested():
            assert (await who(session))[1] == user
        savepoint = await session.begin_nested()
        await savepoint.rollback()
        assert (await who(session))[1] == user
    async with db._session(bind=db._engine, info=session.info) as again:
        assert (await who(again))[1] == user
        await again.commit()
        assert (await who(again))[1] == user


async def test_who_acts_as_another_is_who_they_were_before(db):
    async with db.transaction(SERVICE) as session:
        async with acting(session, SIGN_IN):
            async with acting(session, SERVICE):
                assert (await who(session))[0] == "service_role"
            assert (await who(session))[0] == "auth_admin"
        assert (await who(session))[0] == "service_role"
    with pytest.raises(ZeroDivisionError):
        async with db.transaction(SERVICE) as session, acting(session, SIGN_IN):
            raise ZeroDivisionError
    async with db.transaction(SERVICE) as session:
        assert (await who(session))[0] == "service_role"


async def test_the_login_itself_may_do_nothing(single):
    async with single._engine.connect() as connection:
        for table in ("app.contacts", "app.plans", "public.contacts", "public.plans"):
            with pytest.raises(DBAPIError, match="permission denied"):
                await connection.execute(text(f"SELECT * FROM {table}"))
            await connection.rollback()


async def test_a_clean_exit_commits_and_an_error_rolls_back(db, clean_database):
    async with db.transaction(SERVICE) as session:
        user = await make_user(session)
    with pytest.raises(DBAPIError):
        await _write_and_fail(db)
    async with db.transaction(SERVICE) as session:
        assert list(await session.scalars(text("SELECT id FROM users"))) == [user]


async def test_a_read_only_transaction_cannot_write_nor_become_writable(db):
    async with db.transaction(SERVICE, read_only=True) as session:
        for attempt in (
            "INSERT INTO sources (name) VALUES ('x')",
            "SET TRANSACTION READ WRITE",
            "SELECT set_config('transaction_read_only', 'off', true)",
        ):
            with pytest.raises(DBAPIError, match=r"read-only|read-write"):
                async with session.begin_nested():
                    await session.execute(text(attempt))
        await session.rollback()


async def test_no_connection_is_taken_before_the_first_statement(single):
    async with single.transaction(SERVICE) as holding:
        await holding.execute(WHO)
        async with single.transaction(SERVICE):
            pass


async def test_a_transaction_begins_with_its_first_statement(single):
    statements = []
    event.listen(single._engine.sync_engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    async with single.transaction(member(UserId(uuid4())), read_only=True) as session:
        assert statements == []
        await session.execute(WHO)
    assert len(statements) == 1


async def test_a_transaction_without_a_statement_leaves_nothing_to_the_next(single):
    async with single.transaction(member(UserId(uuid4()))) as session:
        await session.connection()
    assert tuple((await single.fetch(ANON, ASK))[0])[:3] == ("anon", None, "anon")
    async with single.transaction(member(UserId(uuid4()))) as session:
        await session.connection()
    async with single._engine.connect() as connection:
        asked = "SELECT current_user, nullif(current_setting('request.jwt.claims', true), '')"
        assert tuple((await connection.execute(text(asked))).one()) == ("leadfuel_app", None)


async def test_a_transaction_that_cannot_begin_as_its_actor_says_nothing_at_all(single):
    for _ in range(2):
        with pytest.raises(DBAPIError, match="nobody_at_all"):
            async with single.transaction(Actor("nobody_at_all")) as session:
                await session.execute(WHO)
        async with single.transaction(ANON) as session:
            assert await who(session) == ("anon", None, "anon")


@pytest.fixture
def held_back(monkeypatch):
    """`held_back("BEGIN")` lets PostgreSQL do what begins so, and its answer never arrive."""

    def hold(word):
        reached, execute = asyncio.Event(), asyncpg.Connection.execute

        async def done_but_unheard(self, query, *arguments, **options):
            said = await execute(self, query, *arguments, **options)
            if query.startswith(word):
                reached.set()
                await asyncio.sleep(60)
            return said

        monkeypatch.setattr(asyncpg.Connection, "execute", done_but_unheard)
        return reached, lambda: monkeypatch.setattr(asyncpg.Connection, "execute", execute)

    return hold


@pytest.mark.parametrize("way", ["transaction", "bare"])
@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "ROLLBACK"])
async def test_who_is_cancelled_while_a_transaction_begins_or_ends_leaves_no_connection(
    single, held_back, way, word
):
    async with single.transaction(SERVICE) as session:
        before = await session.scalar(text("SELECT pg_backend_pid()"))
    reached, let_go = held_back(word)

    async def act():
        async with contextlib.AsyncExitStack() as stack:
            if way == "bare":
                driver = await stack.enter_async_context(single.bare(SERVICE, read_only=False))
                await driver.fetch(ASK)
            else:
                await who(await stack.enter_async_context(single.transaction(SERVICE)))
            if word == "ROLLBACK":
                raise ZeroDivisionError

    acting_now = asyncio.create_task(act())
    await asyncio.wait_for(reached.wait(), 5)
    acting_now.cancel()
    with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
        await acting_now
    let_go()
    async with single.transaction(ANON) as session:
        assert await who(session) == ("anon", None, "anon")
        assert await session.scalar(text("SELECT pg_backend_pid()")) != before


async def test_cancelled_at_any_moment_nobody_is_left_as_somebody_else(database_url):
    database = Database(DatabaseSettings(url=database_url, pool_size=2))
    draw = random.Random(20261126)

    async def act(actor, patience_s):
        async with asyncio.timeout(patience_s):
            async with database.transaction(actor, read_only=draw.random() < 0.5) as session:
                first = await who(session)
                await session.execute(text("SELECT pg_sleep(0.001)"))
                second = await who(session)
            return first, second, tuple((await database.fetch(actor, ASK))[0])[:3]

    actors = [ANON, SERVICE, SIGN_IN, *(member(UserId(uuid4())) for _ in range(5))]
    chosen = [draw.choice(actors) for _ in range(150)]
    done = 0
    for start in range(0, len(chosen), 2):
        pair = chosen[start : start + 2]
        found = await asyncio.gather(
            *(act(actor, draw.uniform(0.0, 0.02) if draw.random() < 0.7 else 5) for actor in pair[:1]),
            *(act(actor, 5) for actor in pair[1:]),
            return_exceptions=True,
        )
        for actor, seen in zip(pair, found, strict=True):
            if isinstance(seen, BaseException):
                assert isinstance(seen, TimeoutError), seen
                continue
            done += 1
            assert set(seen) == {(actor.role, actor.user_id, actor.role)}
    assert 75 <= done < 150
    await database.close()


async def test_a_prepared_statement_serves_everybody_by_their_own_rights(single, clean_database):
    async with single.transaction(SERVICE) as session:
        ann, bob = [await make_user(session) for _ in range(2)]
    asked = "SELECT id FROM app.users ORDER BY id"
    # More often than PostgreSQL plans anew before it keeps a plan for everybody.
    for _ in range(8):
        assert {row["id"] for row in await single.fetch(SERVICE, asked)} == {ann, bob}
        assert [row["id"] for row in await single.fetch(member(ann), asked)] == [ann]
        assert [row["id"] for row in await single.fetch(member(bob), asked)] == [bob]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await single.fetch(ANON, asked)


async def test_without_its_begin_a_statement_runs_as_nobody(single):
    """As it would be if somebody asked for AUTOCOMMIT, which begins nothing that could say who acts."""
    engine = single._engine.execution_options(isolation_level="AUTOCOMMIT")
    info = {"leadfuel.settings": single._settings_of(SERVICE, None)}
    async with single._session(bind=engine, info=info) as session:
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(text("SELECT * FROM app.users"))
    async with single.transaction(ANON) as session:
        assert await who(session) == ("anon", None, "anon")


async def test_a_snapshot_begins_as_its_actor_too(single):
    user = UserId(uuid4())
    async with single.transaction(member(user), read_only=True, snapshot=True) as session:
        assert await who(session) == ("authenticated", user, "authenticated")
        assert await session.scalar(text("SHOW transaction_isolation")) == "repeatable read"


async def test_a_slow_statement_of_a_member_is_ended_and_of_the_service_is_not(database_url):
    database = Database(DatabaseSettings(url=database_url, pool_size=1, statement_timeout_s=0.05))
    slow = text("SELECT pg_sleep(0.1)")
    with pytest.raises(DBAPIError, match="statement timeout"):
        async with database.transaction(member(UserId(uuid4()))) as session:
            await session.execute(slow)
    async with database.transaction(SERVICE) as session:
        await session.execute(slow)
    with pytest.raises(DBAPIError, match="statement timeout"):
        async with database.transaction(SERVICE, statement_timeout_s=0.02) as session:
            await session.execute(slow)
    await database.close()


async def test_a_snapshot_sees_the_database_at_one_moment(db, clean_database):
    count = text("SELECT count(*) FROM sources")
    async with db.transaction(SERVICE, read_only=True, snapshot=True) as session:
        before = await session.scalar(count)
        async with db.transaction(SERVICE) as writing:
            await writing.execute(text("INSERT INTO sources (name) VALUES ('meanwhile')"))
        assert await session.scalar(count) == before


async def test_the_driver_connection_is_inside_the_transaction(session_as):
    async with session_as(SERVICE) as session:
        connection = await driver_connection(session)
        assert isinstance(connection, asyncpg.Connection)
        await connection.execute("CREATE TEMPORARY TABLE staged (name text) ON COMMIT DROP")
        await connection.copy_records_to_table("staged", records=[("a",), ("b",)])
        assert await session.scalar(text("SELECT count(*) FROM staged")) == 2
        assert await connection.fetchval("SELECT current_user") == "service_role"


async def test_sql_time_follows_the_clock_of_the_process(session_as):
    with clock.shifted(timedelta(days=400)):
        async with session_as(SERVICE) as session:
            told, today = (await session.execute(text("SELECT app.now(), app.today()"))).one()
            assert abs(told - clock.now()) < timedelta(seconds=5)
            assert today == clock.today()
            contact = await make_contact(session)
            created = await session.scalar(
                text("SELECT created_at FROM contacts WHERE id = :id"), {"id": contact}
            )
            assert created == told
    async with session_as(SERVICE) as session:
        assert abs(await session.scalar(text("SELECT app.now()")) - datetime.now(UTC)) < timedelta(seconds=5)


async def test_a_connection_that_postgresql_ended_is_replaced(single, owner, stack):
    async with single.transaction(SERVICE) as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
    await _terminate(stack, pid)
    async with single.transaction(SERVICE) as session:
        assert await session.scalar(text("SELECT pg_backend_pid()")) != pid


async def test_unnamed_statements_do_for_an_old_pooler(database_url):
    joined = "&" if "?" in database_url else "?"
    url = f"{database_url}{joined}prepared_statement_cache_size=0"
    database = Database(DatabaseSettings(url=url, pool_size=1))
    async with database.transaction(SERVICE) as session:
        for _ in range(3):
            assert await session.scalar(text("SELECT CAST(:n AS integer)"), {"n": 7}) == 7
        named = await session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    assert named == 0
    await database.close()


def test_a_database_without_a_url_is_refused():
    with pytest.raises(BadSetting, match="DATABASE_URL"):
        Database(DatabaseSettings())


async def _write_and_fail(db):
    async with db.transaction(SERVICE) as session:
        await make_user(session)
        await session.execute(text("SELECT 1/0"))


async def _terminate(stack, pid):
    connection = await asyncpg.connect(admin_url(stack))
    await connection.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await connection.close()
    await asyncio.sleep(0.05)
