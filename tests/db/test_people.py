"""The matrix by persons: who reaches whose rows, for every table that members can touch, by real statements.

Ann owns a list and an ICP that a viewer and an editor share, and everything else; Bob is a stranger, Mia an
administrator of the product, who has no more in the database than any member. Each number is how many of the
rows a person sees, changes or removes; whoever is not named reaches none. A table that members can touch and
that is not here fails the last test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db import access
from db.sessions import ANON, SERVICE, Actor, member
from tests.db.world import make_contact, make_list, make_organization, make_user, share_list
from tests.fixtures.database import act_as

PEOPLE = ("ann", "viewer", "editor", "bob", "mia")
# Rows of these everybody who has signed in may read; what is secret in them is secret by column.
CATALOGUE = {"contacts", "organizations", "employment_history", "plans", "vocabulary_terms"}


@dataclass(frozen=True)
class Reach:
    """How many rows each sees, changes and removes; and who may add a row like the one there is."""

    see: Mapping[str, int]
    change: Mapping[str, int] = field(default_factory=dict)
    remove: Mapping[str, int] = field(default_factory=dict)
    add: tuple[str, ...] = ()


def anns(**more: Any) -> Reach:
    return Reach({"ann": 1}, **more)


SHARED = {"ann": 1, "viewer": 1, "editor": 1}
EACH_OWN = dict.fromkeys(PEOPLE, 1)
MATRIX: dict[str, Reach] = {
    "users": Reach(EACH_OWN),
    "visibility_versions": anns(),
    "unlocks": anns(),
    "transactions": anns(),
    "credit_purchases": anns(),
    "email_finder_logs": anns(),
    "email_validation_logs": anns(),
    "hidden_contacts": anns(remove={"ann": 1}, add=("ann",)),
    "hidden_companies": anns(remove={"ann": 1}, add=("ann",)),
    # Whose a job or an export is cannot be said: it is the writer's own.
    "jobs": anns(change={"ann": 1}, add=PEOPLE),
    "exports": anns(add=PEOPLE),
    "lists": Reach(SHARED, change={"ann": 1}, remove={"ann": 1}, add=("ann",)),
    # An editor adds too, but not in Ann's name, as this row is.
    "list_contacts": Reach(SHARED, remove={"ann": 1, "editor": 1}, add=("ann",)),
    "list_organizations": Reach(SHARED, remove={"ann": 1, "editor": 1}, add=("ann",)),
    "list_members": Reach(
        {"ann": 2, "viewer": 2, "editor": 2},
        change={"ann": 2},
        # Everybody may leave.
        remove={"ann": 2, "viewer": 1, "editor": 1},
        add=("ann",),
    ),
    "list_invitations": Reach({"ann": 1, "editor": 1}, change={"ann": 1, "editor": 1}, add=("ann", "editor")),
    "list_activity": Reach({"ann": 1, "viewer": 1, "editor": 1}),
    "icp_profiles": Reach(SHARED, change={"ann": 1, "editor": 1}, remove={"ann": 1}, add=("ann",)),
    "icp_versions": Reach(SHARED),
    "icp_members": Reach(
        {"ann": 2, "viewer": 2, "editor": 2},
        change={"ann": 2},
        remove={"ann": 2, "viewer": 1, "editor": 1},
        add=("ann",),
    ),
    "icp_alerts": Reach(SHARED),
    "icp_events": Reach(SHARED),
    "icp_event_reads": anns(change={"ann": 1}, add=("ann", "viewer", "editor")),
    "icp_subscriptions": anns(),
    "webhooks": anns(change={"ann": 1}, remove={"ann": 1}),
    "webhook_deliveries": anns(),
}


@pytest.fixture
async def people(session_as):
    """A session in which everybody is there and Ann has a row in every table."""
    async with session_as(SERVICE) as session:
        found = {
            name: await make_user(session, email=f"{name}@matrix.example", plan_id="team") for name in PEOPLE
        }
        await session.execute(text("UPDATE users SET role = 'admin' WHERE email = 'mia@matrix.example'"))
        names: dict[str, Any] = {
            "ann": found["ann"],
            "contact": await make_contact(session),
            "company": await make_organization(session),
            "list": await make_list(session, found["ann"]),
        }
        await share_list(session, names["list"], found["viewer"], "viewer")
        await share_list(session, names["list"], found["editor"], "editor")
        await session.execute(text("DELETE FROM list_activity"))
        for made, statement in (
            ("icp", "INSERT INTO icp_profiles (user_id, name) VALUES (:ann, 'Banks') RETURNING id"),
            (
                "hook",
                (
                    "INSERT INTO webhooks (user_id, url, kinds)"
                    " VALUES (:ann, 'https://hook.example', '{icp.entered}') RETURNING id"
                ),
            ),
            ("job", "INSERT INTO jobs (user_id, kind) VALUES (:ann, 'exports.run') RETURNING id"),
            (
                "event",
                (
                    "INSERT INTO icp_events (id, size, icp_id, version, records, kinds, position)"
                    " VALUES (1, 1, :icp, 1, ARRAY[CAST(:contact AS integer)], 'e', 1) RETURNING id"
                ),
            ),
        ):
            names[made] = await session.scalar(text(statement), _named(statement, names))
        for statement in _ROWS:
            await session.execute(text(statement), _named(statement, names))
        yield session, found


_ROWS = (
    "INSERT INTO unlocks (user_id, contact_id, field) VALUES (:ann, :contact, 'phone')",
    "INSERT INTO transactions (user_id, type, credits_used) VALUES (:ann, 'unlock', 1)",
    "INSERT INTO credit_purchases (user_id, credits_added, amount_cents) VALUES (:ann, 5, 500)",
    "INSERT INTO email_finder_logs (user_id, status) VALUES (:ann, 'found')",
    "INSERT INTO email_validation_logs (user_id, email) VALUES (:ann, 'x@y.test')",
    "INSERT INTO hidden_contacts (user_id, contact_id) VALUES (:ann, :contact)",
    "INSERT INTO hidden_companies (user_id, organization_id) VALUES (:ann, :company)",
    """INSERT INTO exports (user_id, job_id, entity, source, columns, format, filename)
       VALUES (:ann, :job, 'contacts', '{}', '{}', 'csv', 'x.csv')""",
    "INSERT INTO list_contacts (list_id, contact_id, added_by) VALUES (:list, :contact, :ann)",
    "INSERT INTO list_organizations (list_id, organization_id, added_by) VALUES (:list, :company, :ann)",
    """INSERT INTO list_invitations (list_id, email, role, token_hash, invited_by)
       VALUES (:list, 'new@matrix.example', 'viewer', '\\x00', :ann)""",
    "DELETE FROM list_activity",
    "INSERT INTO list_activity (list_id, user_id, action) VALUES (:list, :ann, 'list.renamed')",
    "INSERT INTO icp_members (icp_id, email, role) VALUES (:icp, 'viewer@matrix.example', 'viewer')",
    "INSERT INTO icp_members (icp_id, email, role) VALUES (:icp, 'editor@matrix.example', 'editor')",
    """INSERT INTO icp_alerts (icp_id, user_id, version, kinds, members)
       VALUES (:icp, :ann, 1, '{entered}', '\\x')""",
    "INSERT INTO icp_event_reads (icp_id, user_id, event_id) VALUES (:icp, :ann, :event)",
    "INSERT INTO icp_subscriptions (icp_id, user_id) VALUES (:icp, :ann)",
    """INSERT INTO webhook_deliveries (webhook_id, event_id, kind, payload)
       VALUES (:hook, 'one', 'icp.entered', '{}')""",
)


def _named(statement: str, names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in names.items() if f":{name}" in statement}


def _words(table: str, command: str) -> list[str]:
    """The columns for which members have this privilege; `*` is all of them."""
    granted = access.expected().relations[f"app.{table}"].grants.get("authenticated", frozenset())
    columns = [word.split("(")[1][:-1] for word in sorted(granted) if word.startswith(f"{command}(")]
    return ["*"] if command in granted else columns


async def tried(session, actor: Actor, statement: str, **values: Any) -> int | None:
    """How many rows a statement reaches, which is then undone; None when it is refused."""
    await act_as(session, actor)
    point = await session.begin_nested()
    try:
        return (await session.execute(text(statement), values)).rowcount
    except DBAPIError as error:
        cause = error.orig.__cause__
        if isinstance(cause, asyncpg.InsufficientPrivilegeError):
            return None
        if isinstance(cause, asyncpg.IntegrityConstraintViolationError):
            return 1  # it was let through to where such a row is already
        raise
    finally:
        if point.is_active:
            await point.rollback()


def reach_of(numbers: Mapping[str, int]) -> dict[str, int]:
    return dict.fromkeys(PEOPLE, 0) | dict(numbers)


@pytest.mark.parametrize("table", sorted(MATRIX))
async def test_who_reaches_whose_rows(people, table):
    session, found = people
    reach = MATRIX[table]
    seen, changed, removed, added = {}, {}, {}, set()
    columns = _words(table, "insert")
    row = {}
    if columns:
        found_row = await session.execute(text(f"SELECT * FROM app.{table} LIMIT 1"))
        row = {name: value for name, value in found_row.one()._mapping.items() if name in columns}
    for name, user_id in found.items():
        actor = member(user_id)
        for column in _words(table, "select")[:1]:
            seen[name] = await tried(session, actor, f"SELECT {column} FROM app.{table}") or 0
        for column in _words(table, "update")[:1]:
            value = "'revoked'" if table == "list_invitations" else column
            changed[name] = await tried(session, actor, f"UPDATE app.{table} SET {column} = {value}") or 0
        if _words(table, "delete"):
            removed[name] = await tried(session, actor, f"DELETE FROM app.{table}") or 0
        if row:
            # Read again by the server, so that values need no types here.
            names, same = ", ".join(row), ", ".join(f"source.{column}" for column in row)
            await act_as(session, SERVICE)
            copied = (
                f"CREATE TEMPORARY TABLE copied ON COMMIT DROP AS SELECT {names} FROM app.{table} LIMIT 1"
            )
            await session.execute(text("DROP TABLE IF EXISTS copied"))
            await session.execute(text(copied))
            await session.execute(text("GRANT SELECT ON copied TO authenticated"))
            statement = f"INSERT INTO app.{table} ({names}) SELECT {same} FROM copied AS source"
            if await tried(session, actor, statement) is not None:
                added.add(name)
    assert seen == reach_of(reach.see)
    assert changed == (reach_of(reach.change) if _words(table, "update") else {})
    assert removed == (reach_of(reach.remove) if _words(table, "delete") else {})
    assert added == set(reach.add)


@pytest.mark.parametrize("table", sorted(MATRIX))
async def test_who_has_not_signed_in_reaches_nothing(people, table):
    session, _ = people
    assert await tried(session, ANON, f"SELECT 1 FROM app.{table}") is None
    # And a token that names nobody.
    column = _words(table, "select")[0]
    assert await tried(session, Actor("authenticated"), f"SELECT {column} FROM app.{table}") == 0


@pytest.mark.parametrize("table", sorted(MATRIX))
async def test_the_service_and_its_workers_see_every_row(people, table):
    session, _ = people
    assert (await tried(session, SERVICE, f"SELECT * FROM app.{table}") or 0) >= 1


def test_every_table_that_members_touch_is_here():
    touched = {
        name.removeprefix("app.")
        for name, relation in access.expected().relations.items()
        if name.startswith("app.") and relation.grants.get("authenticated")
    }
    assert touched - CATALOGUE == set(MATRIX)
