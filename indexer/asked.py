"""Slow work that an operator has asked for from afar: a rebuild, a verify.

The asking is a value in `index_control`; a worker finds it, does it, and writes down how it ended. One worker
at a time is at it, as long as a lock of its connection says so. A killed one leaves the asking where it is,
and the next takes it up again: a rebuild goes on from its checkpoint.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.logs import get_logger
from db import connections
from indexer import control, indices, rebuild, verify
from indexer.feed import ENTITIES, Entity, Feed
from indexer.loop import rest
from indexer.rebuild import RebuildRunning

log = get_logger(__name__)

LOOKS_EVERY_S = 2.0
# Whatever ends a worker this often in a row is not tried again by itself.
ATTEMPTS = 5
_LOCK = 0x1EADF0E3

What = Literal["rebuild", "verify"]


class AskedAlready(LeadFuelError):
    """The same was asked for before and is not over yet."""

    status = 409
    slug = "asked-already"
    title = "That has been asked for already"


@dataclass(frozen=True, slots=True)
class Asking:
    """What is to be done, and whether somebody has begun."""

    what: What
    entity: Entity
    options: dict[str, Any]
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """How the last asking for something ended; `error` in words, None when it went well."""

    what: What
    entity: Entity
    error: str | None
    result: dict[str, Any] | None
    at: datetime


async def ask_rebuild(feed: Feed, chosen: Sequence[Entity], *, resume: bool, take_over: bool) -> None:
    """Ask for rebuilds; raises at once what one of them would be refused with, and then asks for none."""
    if resume:
        chosen = await rebuild.to_resume(feed, chosen)
    for entity in chosen:
        await rebuild.check(feed, entity, resume=resume, take_over=take_over)
    await _ask(feed, "rebuild", chosen, {"resume": resume, "take_over": take_over})


async def ask_verify(
    feed: Feed, chosen: Sequence[Entity], *, full: bool, sample: float | None, mend: bool
) -> None:
    """Ask for verifies; raises at once when there is nothing to verify."""
    for entity in chosen:
        await verify.check(feed, entity)
    await _ask(feed, "verify", chosen, {"full": full, "sample": sample, "mend": mend})


async def abort_rebuild(feed: Feed, entity: Entity) -> str | None:
    """Take back a rebuild that was asked for, runs, or was interrupted; the name of its index, if any."""
    async with feed.service() as session:
        await control.forget(session, _asked("rebuild", entity))
    return await rebuild.abort(feed, entity)


async def waiting(session: AsyncSession) -> list[Asking]:
    """What is not over yet, the oldest first."""
    found = [
        Asking(what, entity, said["options"], said["attempts"], said["at"])
        for what in ("rebuild", "verify")
        for entity in ENTITIES
        if (said := await control.recall(session, _asked(what, entity))) is not None
    ]
    return sorted(found, key=lambda asking: asking.at)


async def ended(session: AsyncSession, what: What, entity: Entity) -> Ended | None:
    """How the last one ended; None when none has."""
    said = await control.recall(session, _ended(what, entity))
    return None if said is None else Ended(what, entity, said["error"], said["result"], said["at"])


async def run(feed: Feed, stop: asyncio.Event, *, looks_every_s: float = LOOKS_EVERY_S) -> None:
    """Do what is asked for until told to stop."""
    while not stop.is_set():
        async with feed.service(read_only=True) as session:
            asked = await waiting(session)
        if asked:
            async with _alone(feed) as alone:
                if alone:
                    await _do_all(feed, asked, stop)
        await rest(stop, looks_every_s)


async def _do_all(feed: Feed, asked: Sequence[Asking], stop: asyncio.Event) -> None:
    for asking in asked:
        if not stop.is_set() and await _begin(feed, asking):
            await _do(feed, asking)


async def _do(feed: Feed, asking: Asking) -> None:
    """Do it and write down how it ended; one that another process stands in the way of waits."""
    error: str | None = None
    result: dict[str, Any] | None = None
    try:
        with indices.in_our_words():
            result = await (_rebuild if asking.what == "rebuild" else _verify)(feed, asking)
    except RebuildRunning:
        return
    except LeadFuelError as refusal:
        error = refusal.detail
        log.warning(
            "what an operator asked for was not done", what=asking.what, entity=asking.entity, reason=error
        )
    await _end(feed, asking, error=error, result=result)


async def _rebuild(feed: Feed, asking: Asking) -> dict[str, Any]:
    done = await rebuild.rebuild(
        feed,
        asking.entity,
        # One that was begun before may have died in the middle.
        resume=asking.options["resume"] or asking.attempts > 0,
        take_over=asking.options["take_over"],
    )
    return {
        "index": done.index,
        "documents": done.documents,
        "rejected": done.rejected,
        "seconds": round(done.seconds, 3),
    }


async def _verify(feed: Feed, asking: Asking) -> dict[str, Any]:
    found = await verify.verify_and_remember(feed, asking.entity, **asking.options)
    return {"drift": len(found.drift), "seconds": round(found.seconds, 3)}


async def _begin(feed: Feed, asking: Asking) -> bool:
    """Count the attempt before it begins, for it may end the process; False when it is not wanted now."""
    name = _asked(asking.what, asking.entity)
    async with feed.service() as session:
        said = await control.recall(session, name)
        if said is None or said["at"] != asking.at:
            return False
        if asking.attempts < ATTEMPTS:
            await control.amend(session, name, {"attempts": asking.attempts + 1})
            return True
    await _end(feed, asking, error=f"It was begun {asking.attempts} times and never ended.", result=None)
    return False


async def _end(feed: Feed, asking: Asking, *, error: str | None, result: dict[str, Any] | None) -> None:
    async with feed.service() as session:
        # Not one that was asked for since.
        await control.forget(session, _asked(asking.what, asking.entity), at=asking.at)
        await control.remember(
            session, _ended(asking.what, asking.entity), {"error": error, "result": result}
        )


async def _ask(feed: Feed, what: What, chosen: Sequence[Entity], options: dict[str, Any]) -> None:
    async with feed.service() as session:
        for entity in chosen:
            if not await control.remember_new(
                session, _asked(what, entity), {"options": options, "attempts": 0}
            ):
                raise AskedAlready(f"A {what} of {entity} has been asked for and is not over yet.")


@asynccontextmanager
async def _alone(feed: Feed) -> AsyncIterator[bool]:
    """Whether no other worker does what is asked for; true for the length of the block."""
    connection = await connections.connect(feed.database_url)
    try:
        yield bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK))
    finally:
        await connection.close()


def _asked(what: What, entity: Entity) -> str:
    return f"asked:{what}:{entity}"


def _ended(what: What, entity: Entity) -> str:
    return f"ended:{what}:{entity}"
