"""One batch, end to end: claim, token, read, write, acknowledge.

The order is the guarantee. The claim commits first. Then the token is drawn, then the rows are read in a
new snapshot, so whoever claims later writes a higher version over what is older. Rows are acknowledged
after the engine has answered for them, in the transaction that records what it refused. A crash anywhere
leaves rows claimed until their lease ends, and doing it again changes nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from core.logs import get_logger
from indexer import catalogue, control, deadletters, indices, queue, truncation
from indexer.bulk import DONE, BulkSender, Kind, Operation, Outcome
from indexer.deadletters import Rejected
from indexer.feed import ENTITIES, Entity, Feed
from indexer.queue import Claim, Key

log = get_logger(__name__)

# A claim outlives the sender's patience, reading and acknowledging by far, and the memory of deletions
# (an hour) outlives a claim by far.
LEASE_S = 60.0
PATIENCE_S = 20.0
CLAIM_ROWS = 2_000
READ_AT_ONCE = 1_000


@dataclass(slots=True)
class Batch:
    """What became of one claim."""

    token: int = 0
    written: int = 0
    deleted: int = 0
    rejected: int = 0
    later: int = 0
    stopped: str | None = None
    busy: str | None = None
    seen: dict[Entity, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.written + self.deleted + self.rejected + self.later


@dataclass(frozen=True, slots=True)
class Sent:
    """A slice of a claim after the engine has answered."""

    entity: Entity
    done: tuple[int, ...]
    written: tuple[int, ...]
    rejected: tuple[Rejected, ...]
    later: tuple[int, ...]
    reasons: tuple[Outcome, ...]
    outdated: str | None


async def apply_batch(
    feed: Feed,
    sender: BulkSender,
    *,
    entities: Sequence[Entity] = ENTITIES,
    limit: int = CLAIM_ROWS,
    indexer: int = queue.NOBODY,
) -> Batch | None:
    """Claim up to `limit` rows and bring their records to the index; None when nothing was free."""
    held = await claim(feed, entities=entities, limit=limit, indexer=indexer)
    return None if held is None else await apply(feed, sender, held)


async def claim(
    feed: Feed, *, entities: Sequence[Entity], limit: int = CLAIM_ROWS, indexer: int = queue.NOBODY
) -> Claim | None:
    """Up to `limit` rows for the length of a lease; None when nothing was free. Committed on return."""
    async with feed.service() as session:
        return await queue.claim(session, entities=entities, limit=limit, lease_s=LEASE_S, indexer=indexer)


async def apply(feed: Feed, sender: BulkSender, held: Claim) -> Batch:
    """Bring what was claimed to the index, and acknowledge it."""
    for entity in held.truncated():
        await truncation.expand(feed, entity)
        async with feed.service() as session:
            await queue.acknowledge(session, held, [(entity, queue.EVERYTHING)])
    async with feed.service() as session:
        batch = Batch(token=await queue.draw_token(session))
    slices = [(entity, ids) for entity in ENTITIES for ids in _chunks(held.ids(entity), READ_AT_ONCE)]
    for sent in await asyncio.gather(
        *(write(feed, sender, entity, ids, token=batch.token) for entity, ids in slices)
    ):
        await _settle(feed, held, sent, batch)
    log.debug(
        "a batch was applied",
        token=batch.token,
        written=batch.written,
        deleted=batch.deleted,
        rejected=batch.rejected,
        later=batch.later,
    )
    return batch


async def write(feed: Feed, sender: BulkSender, entity: Entity, ids: Sequence[int], *, token: int) -> Sent:
    """Read the records as they are now and send them; what is not there is deleted."""
    async with feed.service(read_only=True) as session:
        bodies = await feed.source.read(session, entity, ids)
        to = await indices.targets(session, feed, entity)
    if not to:
        nowhere = Outcome(Kind.STOPPED, "There is no index to write to.")
        return Sent(entity, (), (), (), tuple(ids), (nowhere,), None)
    operations = [
        Operation(indices.write_alias(index), record, token, bodies.get(record))
        for index in to.write
        for record in ids
    ]
    gone = [record for record in ids if record not in bodies]
    purges = [
        Operation(indices.write_alias(index), record, token, None) for index in to.purge for record in gone
    ]
    outcomes = await sender.send([*operations, *purges], patience_s=PATIENCE_S)
    outcomes = await _unless_ahead(feed, entity, outcomes)
    judged = [
        # A kept index may have been taken away by now; what is not there needs no deletion.
        (operation.id, DONE if outcome.kind is Kind.MISSING and at >= len(operations) else outcome)
        for at, (operation, outcome) in enumerate(zip([*operations, *purges], outcomes, strict=True))
    ]
    return _sorted_out(entity, judged, bodies, outdated=to.outdated)


async def _unless_ahead(feed: Feed, entity: Entity, outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes; a conflict with a version that was never drawn is not the peace that others are.

    Either somebody wrote into the index by hand, or the database is older than the index, as after a backup
    was restored. The tokens are drawn past it, the record is sent again, and the status asks for a verify.
    """
    highest = max((outcome.version_there for outcome in outcomes), default=0)
    if not highest:
        return outcomes
    async with feed.service() as session:
        drawn = await queue.last_token(session)
        if highest <= drawn:
            return outcomes
        await control.remember(session, control.ahead(entity), {"version": highest, "token": drawn})
        await queue.outrun(session, highest, margin=1)
    log.error("the index holds versions that were never drawn", entity=entity, version=highest, token=drawn)
    again = Outcome(Kind.RETRY, "the index holds a version that was never drawn")
    return [again if outcome.version_there > drawn else outcome for outcome in outcomes]


def _sorted_out(
    entity: Entity, judged: Sequence[tuple[int, Outcome]], bodies: dict[int, bytes], *, outdated: str | None
) -> Sent:
    """What became of each record, over all indices it was written to: the worst that happened."""
    worst: dict[int, Outcome] = {}
    for record, outcome in judged:
        if record not in worst or outcome.kind.value > worst[record].kind.value:
            worst[record] = outcome
    later = tuple(r for r, o in worst.items() if o.kind in (Kind.RETRY, Kind.MISSING, Kind.STOPPED))
    refused = {r: o for r, o in worst.items() if o.kind is Kind.REJECTED}
    done = tuple(r for r, o in worst.items() if o.kind in (Kind.DONE, Kind.NEWER))
    return Sent(
        entity=entity,
        done=done,
        written=tuple(r for r in done if r in bodies),
        rejected=tuple(Rejected(r, bodies[r], o.reason or "") for r, o in refused.items() if r in bodies),
        later=later,
        reasons=tuple({worst[r].kind: worst[r] for r in later}.values()),
        outdated=outdated,
    )


async def _settle(feed: Feed, held: Claim, sent: Sent, batch: Batch) -> None:
    """Acknowledge what is settled and give back what is not, in one transaction."""
    settled = [*sent.done, *(letter.id for letter in sent.rejected)]
    async with feed.service() as session:
        if settled:
            await deadletters.supersede(session, sent.entity, sent.done)
            await deadletters.record(session, sent.entity, sent.rejected)
            # Also of what was rejected: else the dead letter would keep who was erased meanwhile.
            await requeue_vanished(
                session, sent.entity, [*sent.written, *(letter.id for letter in sent.rejected)]
            )
            await queue.acknowledge(session, held, _keys(sent.entity, settled))
            await queue.note_applied(session, sent.entity, sent.done, token=batch.token)
        if sent.later:
            await queue.release(session, held, _keys(sent.entity, sent.later), delay_s=1.0)
        if sent.outdated is not None and sent.done:
            # From here on the index behind the alias lacks changes that only the one being built has.
            await indices.set_state(session, sent.outdated, "old")
    for letter in sent.rejected:
        log.warning("a document was rejected", entity=sent.entity, id=letter.id, reason=letter.reason)
    batch.written += len(sent.written)
    batch.deleted += len(sent.done) - len(sent.written)
    batch.rejected += len(sent.rejected)
    batch.later += len(sent.later)
    for reason in sent.reasons:
        if reason.kind is Kind.RETRY:
            batch.busy = reason.reason
        else:
            batch.stopped = reason.reason


async def requeue_vanished(session: AsyncSession, entity: Entity, ids: Sequence[int]) -> int:
    """Queue what was deleted since it was read; how many.

    The deletion has a higher version, but the engine forgets the versions of deletions when it restarts,
    and a batch that was late by then would have brought the record back.
    """
    vanished = await catalogue.vanished(session, entity, ids)
    await queue.enqueue(session, entity, vanished)
    return len(vanished)


def _keys(entity: Entity, ids: Iterable[int]) -> list[Key]:
    return [(entity, record) for record in ids]


def _chunks(ids: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
