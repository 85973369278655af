"""Watching an ICP: on or off, what is told, and which fields matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid
from core.ids import UserId
from domain import icps, plans
from domain.alerts import baseline, states
from search.engine import Searcher
from search.request import Entity, SearchRequest
from search.vocabulary import nearest

Kind = Literal["entered", "left", "changed"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class NotAlertable(Invalid):
    """The ICP has a condition that lies in other records than those it finds. Watch those instead."""

    slug = "not-alertable"
    title = "This ICP cannot be watched"


@dataclass(frozen=True, slots=True)
class Alert:
    """A watched ICP: since when, what is told, and a change of which fields."""

    icp_id: UUID
    version: int
    kinds: list[Kind]
    fields: list[str]
    baseline_at: datetime


async def turn_on(
    session: AsyncSession,
    searcher: Searcher,
    *,
    user_id: UserId,
    icp_id: UUID,
    kinds: Sequence[Kind],
    fields: Sequence[str] | None = None,
) -> Alert:
    """Watch an ICP from now on: who fits at this moment is no news. If it is watched, change what is told.

    Needs a session of the service role that acts for the user. Raises `NotAlertable`, `Invalid` for a field
    that cannot be watched, and `PlanLimit`.
    """
    icp = await icps.allowed(session, user_id=user_id, icp_id=icp_id, role="editor")
    check(icp.entity, icp.request())
    told: dict[str, Any] = {"kinds": list(kinds), "fields": _fields(icp.entity, fields)}
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": baseline.LOCK})
    changed = await session.execute(
        text(
            "UPDATE app.icp_alerts SET kinds = :kinds, fields = :fields,"
            " revision = nextval('app.alert_revision') WHERE icp_id = :icp_id RETURNING 1"
        ),
        told | {"icp_id": icp_id},
    )
    if changed.one_or_none() is None:
        await baseline.position(session)
        with plans.limits():
            await session.execute(
                text(
                    "INSERT INTO app.icp_alerts (icp_id, user_id, version, kinds, fields, members)"
                    " VALUES (:icp_id, :user_id, 0, :kinds, :fields, '')"
                ),
                told | {"icp_id": icp_id, "user_id": user_id},
            )
        await baseline.take(session, searcher, icp)
    found = await get(session, user_id=user_id, icp_id=icp_id)
    if found is None:
        raise TypeError("an alert that was just written is there")
    return found


async def turn_off(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> None:
    """Stop watching; the events so far stay. Needs a session of the service role."""
    await icps.allowed(session, user_id=user_id, icp_id=icp_id, role="editor")
    await session.execute(text("DELETE FROM app.icp_alerts WHERE icp_id = :id"), {"id": icp_id})


async def get(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> Alert | None:
    """The alert of an ICP, when it is watched."""
    await icps.get(session, user_id=user_id, icp_id=icp_id)
    row = (
        await session.execute(
            text("SELECT icp_id, version, kinds, fields, baseline_at FROM app.icp_alerts WHERE icp_id = :id"),
            {"id": icp_id},
        )
    ).one_or_none()
    return None if row is None else Alert(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API


def check(entity: Entity, request: SearchRequest) -> None:
    """Raise `NotAlertable` for conditions that no change of the record itself could tell of."""
    people = request.filters.contacts
    if entity == "organizations" and people != type(people)():
        message = "Conditions on a company's people cannot be watched; watch the people instead."
        raise NotAlertable(message, errors=[{"path": "filters.contacts", "message": message}])


def _fields(entity: Entity, chosen: Sequence[str] | None) -> list[str]:
    """The fields whose changes are told, each once; the usual ones when none are chosen."""
    if chosen is None:
        return list(states.USUAL[entity])
    known = states.FIELDS[entity]
    errors = [
        {
            "path": f"fields[{place}]",
            "message": f"{name[:80]!r} cannot be watched",
            "allowed": list(nearest(name, known) or known),
        }
        for place, name in enumerate(chosen)
        if name not in known
    ]
    if errors:
        raise Invalid("Some fields cannot be watched.", errors=errors)
    return list(dict.fromkeys(chosen))
