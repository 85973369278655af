"""The search index, for its operators: how it is, what waits, what was refused, and setting it right.

What takes long is only asked for here; a worker does it (`indexer.asked`).
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations import Call, Operation, operation
from api.routes.index_shapes import (
    AbortedRebuild,
    DeadLetterAnswer,
    DeadLetterChoice,
    DeadLetterDrop,
    DeadLetterPage,
    DeadLettersAnswer,
    DropOrphans,
    EntityRebuild,
    EntityVerify,
    IndexCount,
    IndexedRecord,
    IndexedRecords,
    IndexExplanation,
    IndexNames,
    IndexPaused,
    IndexRebuilds,
    IndexStatus,
    IndexVerifies,
    NewPause,
    NewRebuild,
    NewVerify,
    SentDocuments,
)
from core.errors import Invalid, NotFound
from db.sessions import SERVICE
from domain import audit
from indexer import asked, control, deadletters, indices, rebuild, record, status
from indexer.asked import AskedAlready
from indexer.feed import ENTITIES, Entity, NoEngine
from indexer.indices import EngineDown, IndexRefused
from indexer.rebuild import RebuildInterrupted, RebuildRunning

T = TypeVar("T")

_ENGINE: Final = (NoEngine, EngineDown, IndexRefused)


@operation(
    "GET",
    "/v1/admin/index/status",
    tag="Index",
    summary="How the index is",
    access="admin",
    errors=(NoEngine,),
)
async def show_index_status(call: Call) -> IndexStatus:
    """Both sides of the feed: records and documents, what waits and since when, how long a change takes from
    its commit until a search finds it, what was rejected, a rebuild under way, the last verify, the engine.
    """
    return _as(IndexStatus, await status.status(call.services.feed))


@operation(
    "POST",
    "/v1/admin/index/refresh",
    tag="Index",
    summary="Send records to the index now",
    access="admin",
    errors=_ENGINE,
    example={"entity": "contacts", "ids": [1]},
)
async def refresh_index(call: Call, body: IndexedRecords) -> SentDocuments:
    """Sends these records as they are now, past the queue, and shows what was sent. One that is not in the
    database is deleted from the index.
    """
    feed = call.services.feed
    with indices.in_our_words():
        sent = await record.send(feed, body.entity, body.ids)
    async with feed.service() as session:
        await _note(call, session, "index.refreshed", body.entity, ids=body.ids)
    return _as(SentDocuments, {"sent": sent})


@operation(
    "GET",
    "/v1/admin/index/explain/{entity}/{record_id}",
    tag="Index",
    summary="One record on both sides",
    access="admin",
    errors=_ENGINE,
)
async def explain_indexed(call: Call, path: IndexedRecord) -> IndexExplanation:
    """What the database says, what the index holds and under which version, and what is queued."""
    with indices.in_our_words():
        return _as(IndexExplanation, await record.explain(call.services.feed, path.entity, path.record_id))


@operation(
    "POST",
    "/v1/admin/index/pause",
    tag="Index",
    summary="Stop writing to the index",
    access="admin",
    session="service",
    example={"reason": "maintenance of OpenSearch"},
)
async def pause_index(call: Call, body: NewPause) -> IndexPaused:
    """Until it is taken back, also over restarts. Changes wait in the queue."""
    await control.pause(call.session, reason=body.reason)
    await _note(call, call.session, "index.paused", reason=body.reason)
    return IndexPaused(paused=True)


@operation(
    "POST",
    "/v1/admin/index/resume",
    tag="Index",
    summary="Write to the index again",
    access="admin",
    session="service",
)
async def resume_index(call: Call) -> IndexPaused:
    """Takes a pause back; without one nothing changes."""
    if await control.resume(call.session):
        await _note(call, call.session, "index.resumed")
    return IndexPaused(paused=False)


@operation(
    "GET",
    "/v1/admin/index/dead-letters",
    tag="Index",
    summary="Documents the engine will not take",
    access="admin",
    session="service_read",
    links={"entity": "$response.body#/results/0/entity", "record_id": "$response.body#/results/0/id"},
)
async def list_dead_letters(call: Call, query: DeadLetterPage) -> DeadLettersAnswer:
    """The latest first, without their documents."""
    return _as(DeadLettersAnswer, {"results": await deadletters.listed(call.session, limit=query.limit)})


@operation(
    "GET",
    "/v1/admin/index/dead-letters/{entity}/{record_id}",
    tag="Index",
    summary="One dead letter",
    access="admin",
    session="service_read",
)
async def show_dead_letter(call: Call, path: IndexedRecord) -> DeadLetterAnswer:
    """With the document as it was sent."""
    return _as(DeadLetterAnswer, await deadletters.show(call.session, path.entity, path.record_id))


@operation(
    "POST",
    "/v1/admin/index/dead-letters/retry",
    tag="Index",
    summary="Send dead letters again",
    access="admin",
    session="service",
    errors=(NotFound,),
    example={"entity": "contacts", "record_id": 1},
)
async def retry_dead_letters(call: Call, body: DeadLetterChoice) -> IndexCount:
    """Queues the records: one, an entity's, or all. What is taken this time is a dead letter no more."""
    retried = await deadletters.retry(call.session, _of_which(body), body.record_id)
    await _note(call, call.session, "dead_letters.retried", body.entity, id=body.record_id, records=retried)
    return IndexCount(records=retried)


@operation(
    "POST",
    "/v1/admin/index/dead-letters/drop",
    tag="Index",
    summary="Forget dead letters",
    access="admin",
    session="service",
    errors=(NotFound,),
    example={"entity": "contacts", "record_id": 1, "confirm": "yes"},
)
async def drop_dead_letters(call: Call, body: DeadLetterDrop) -> IndexCount:
    """One, an entity's, or all, without sending them again. A verify still names their records."""
    dropped = await deadletters.drop(call.session, _of_which(body), body.record_id)
    await _note(call, call.session, "dead_letters.dropped", body.entity, id=body.record_id, records=dropped)
    return IndexCount(records=dropped)


@operation(
    "GET",
    "/v1/admin/index/rebuild",
    tag="Index",
    summary="How far the rebuilds are",
    access="admin",
)
async def show_rebuilds(call: Call) -> IndexRebuilds:
    """For each index: whether a rebuild was asked for, how far it is, how fast, how long it will take, and
    how the last one ended.
    """
    async with call.services.database.transaction(SERVICE, read_only=True, snapshot=True) as session:
        return await _rebuilds(session)


@operation(
    "POST",
    "/v1/admin/index/rebuild",
    tag="Index",
    summary="Build a new index",
    access="admin",
    status=202,
    errors=(*_ENGINE, RebuildRunning, RebuildInterrupted, AskedAlready),
    example={"entity": "contacts"},
)
async def start_rebuild(call: Call, body: NewRebuild) -> IndexRebuilds:
    """A worker builds it from the database while the old one answers, and puts it in its place when it is
    complete. A worker that dies leaves the rest to the next one.
    """
    if body.take_over and body.confirm is None:
        raise Invalid(
            "To replace an index that this database does not know has to be confirmed.",
            errors=[{"path": "confirm", "message": "Must be `yes`.", "allowed": ["yes"]}],
        )
    feed = call.services.feed
    with indices.in_our_words():
        await asked.ask_rebuild(feed, _chosen(body.entity), resume=body.resume, take_over=body.take_over)
    async with feed.service() as session:
        await _note(
            call,
            session,
            "index.rebuild_asked",
            body.entity,
            resume=body.resume,
            take_over=body.take_over,
        )
        return await _rebuilds(session)


@operation(
    "POST",
    "/v1/admin/index/rebuild/abort",
    tag="Index",
    summary="Take a rebuild back",
    access="admin",
    errors=_ENGINE,
    example={"confirm": "yes"},
)
async def abort_rebuild(call: Call, body: AbortedRebuild) -> IndexNames:
    """One that was asked for, runs, or was interrupted, with what it has built. The live index stays."""
    feed = call.services.feed
    with indices.in_our_words():
        removed = [
            name
            for entity in _chosen(body.entity)
            if (name := await asked.abort_rebuild(feed, entity)) is not None
        ]
    async with feed.service() as session:
        await _note(call, session, "index.rebuild_aborted", body.entity, indices=removed)
    return IndexNames(indices=removed)


@operation(
    "GET",
    "/v1/admin/index/verify",
    tag="Index",
    summary="What the last verify saw",
    access="admin",
)
async def show_verifies(call: Call) -> IndexVerifies:
    """For each index: the last verify, whoever ran it, and whether another was asked for."""
    async with call.services.database.transaction(SERVICE, read_only=True, snapshot=True) as session:
        return await _verifies(session)


@operation(
    "POST",
    "/v1/admin/index/verify",
    tag="Index",
    summary="Compare index and database",
    access="admin",
    status=202,
    errors=(*_ENGINE, AskedAlready),
    example={"entity": "contacts", "full": True},
)
async def start_verify(call: Call, body: NewVerify) -> IndexVerifies:
    """A worker does it; what it saw is shown by `GET /v1/admin/index/verify`."""
    feed = call.services.feed
    with indices.in_our_words():
        await asked.ask_verify(
            feed, _chosen(body.entity), full=body.full, sample=body.sample, mend=body.repair
        )
    async with feed.service() as session:
        await _note(call, session, "index.verify_asked", body.entity, full=body.full, repair=body.repair)
        return await _verifies(session)


@operation(
    "POST",
    "/v1/admin/index/drop-orphans",
    tag="Index",
    summary="Delete indices that nothing reaches",
    access="admin",
    errors=(*_ENGINE, RebuildRunning),
    example={"confirm": "yes"},
)
async def drop_orphans(call: Call, body: DropOrphans) -> IndexNames:
    """Replaced indices, and those of our name that nobody has written down. None that a search can reach."""
    feed = call.services.feed
    with indices.in_our_words():
        dropped = await rebuild.drop_all_orphans(feed, kept_for_s=body.kept_for_s)
    async with feed.service() as session:
        await _note(call, session, "index.orphans_dropped", indices=dropped)
    return IndexNames(indices=dropped)


async def _note(
    call: Call, session: AsyncSession, action: str, entity: Entity | None = None, **detail: Any
) -> None:
    """Write the deed into the audit log."""
    subject = f"index:{entity or 'all'}"
    await audit.record(session, actor_id=call.user_id, action=action, subject=subject, detail=detail)


async def _rebuilds(session: AsyncSession) -> IndexRebuilds:
    waiting = await asked.waiting(session)
    results = []
    for entity in ENTITIES:
        ended = await asked.ended(session, "rebuild", entity)
        results.append(
            {
                "entity": entity,
                "asked_at": _asked_at(waiting, "rebuild", entity),
                "rebuilding": await status.rebuild_of(session, entity),
                "ended": ended and {"error": ended.error, "at": ended.at, **(ended.result or {})},
            }
        )
    return IndexRebuilds(results=[_as(EntityRebuild, each) for each in results])


async def _verifies(session: AsyncSession) -> IndexVerifies:
    waiting = await asked.waiting(session)
    results = []
    for entity in ENTITIES:
        ended = await asked.ended(session, "verify", entity)
        results.append(
            {
                "entity": entity,
                "asked_at": _asked_at(waiting, "verify", entity),
                "last": await control.recall(session, control.verified(entity)),
                "error": ended and ended.error,
            }
        )
    return IndexVerifies(results=[_as(EntityVerify, each) for each in results])


def _asked_at(waiting: Sequence[asked.Asking], what: asked.What, entity: Entity) -> Any:
    return next((each.at for each in waiting if (each.what, each.entity) == (what, entity)), None)


def _chosen(entity: Entity | None) -> Sequence[Entity]:
    return ENTITIES if entity is None else (entity,)


def _of_which(choice: DeadLetterChoice) -> Entity | None:
    """The entity; a record without one names nobody."""
    if choice.record_id is not None and choice.entity is None:
        raise Invalid(
            "An id alone names no record.",
            errors=[{"path": "entity", "message": "Say of which entity.", "allowed": list(ENTITIES)}],
        )
    return choice.entity


def _as(kind: type[T], found: Any) -> T:
    """What the indexer says, in the shape of an answer."""
    return msgspec.convert(found, kind, from_attributes=True)


OPERATIONS: Final[list[Operation]] = [
    show_index_status,
    refresh_index,
    explain_indexed,
    pause_index,
    resume_index,
    list_dead_letters,
    show_dead_letter,
    retry_dead_letters,
    drop_dead_letters,
    show_rebuilds,
    start_rebuild,
    abort_rebuild,
    show_verifies,
    start_verify,
    drop_orphans,
]
