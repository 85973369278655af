"""The matrix against the catalogue is `test_check`; here each of its cells meets a real statement."""

import asyncpg
import pytest

from db import access
from db.connections import connect
from db.roles import NAMES
from db.sessions import SEARCH_PATH


@pytest.fixture(scope="module")
async def login(database_url):
    connection = await connect(database_url, search_path=SEARCH_PATH)
    yield connection
    await connection.close()


def statements(relation, columns):
    """Per command and column one statement that changes nothing, with the words that would allow it."""
    for column, kind, generated in columns:
        yield f'SELECT "{column}" FROM {relation} LIMIT 0', {"select", f"select({column})"}
        if generated != "s":
            into = f'INSERT INTO {relation} ("{column}") OVERRIDING SYSTEM VALUE'
            yield f"{into} SELECT NULL::{kind} WHERE false", {"insert", f"insert({column})"}
        # PostgreSQL lets a generated column be set to nothing but its default.
        yield f'UPDATE {relation} SET "{column}" = DEFAULT WHERE false', {"update", f"update({column})"}
    yield f"DELETE FROM {relation} WHERE false", {"delete"}


async def allowed(connection, role, statement):
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL ROLE {role}")
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    else:
        return True
    finally:
        await transaction.rollback()


MATRIX = access.expected()


@pytest.mark.parametrize("role", NAMES)
@pytest.mark.parametrize("relation", sorted(MATRIX.relations))
async def test_a_role_can_do_what_the_matrix_says_and_nothing_else(login, owner, relation, role):
    granted = MATRIX.relations[relation].grants.get(role, frozenset())
    columns = await owner.fetch(
        "SELECT attname, format_type(atttypid, atttypmod), attgenerated::text FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
        relation,
    )
    is_view = MATRIX.relations[relation].runs_as is not None
    for statement, words in statements(relation, columns):
        if is_view and not granted & words and not statement.startswith("SELECT"):
            continue  # whether a view can be written at all is told before whether one may
        assert await allowed(login, role, statement) == bool(granted & words), (role, statement)
    if not is_view:
        assert not await allowed(login, role, f"TRUNCATE {relation}")


async def test_whole_rows_of_contacts_are_refused(login):
    for statement in (
        "SELECT contacts FROM app.contacts",
        "SELECT * FROM app.contacts",
        "TABLE app.contacts",
    ):
        assert not await allowed(login, "authenticated", statement)


@pytest.mark.parametrize(
    "words, read",
    [
        ("select", {"select"}),
        ("select (a, b), delete", {"select(a)", "select(b)", "delete"}),
        ("select, insert (\n    a,\n    b)", {"select", "insert(a)", "insert(b)"}),
    ],
)
def test_privileges_are_read_as_they_are_granted(words, read):
    assert access.read_privileges(words) == read
