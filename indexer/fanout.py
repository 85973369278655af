"""A changed organization stands in the documents of its contacts: they are queued piece by piece.

The transaction that renames a company only appends a row to `company_fanout`. Here it is expanded by
keyset, each piece in a transaction of its own, at a low priority that direct edits overtake. A piece
that is rolled back is done again from the last that was committed; a second rename starts over.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from indexer import queue
from indexer.feed import Feed

PIECE_CONTACTS = 5_000
PIECE_ORGANIZATIONS = 200


@dataclass(frozen=True, slots=True)
class Waiting:
    """A changed organization, the rows that say so, and how far its contacts have been queued."""

    organization_id: int
    numbers: tuple[int, ...]
    last_contact_id: int


async def expand_piece(feed: Feed, *, contacts: int = PIECE_CONTACTS) -> int | None:
    """Queue the next contacts of changed organizations; how many, None when no organization waits."""
    async with feed.service() as session:
        waiting = await _lock(session)
        if not waiting:
            return None
        found = await session.execute(
            text(
                """
                SELECT changed.place, contact.id
                FROM unnest(CAST(:organizations AS integer[]), CAST(:lasts AS integer[]))
                     WITH ORDINALITY AS changed(id, last, place)
                CROSS JOIN LATERAL (
                    SELECT id FROM contacts
                    WHERE organization_id = changed.id AND id > changed.last
                    ORDER BY id LIMIT :contacts
                ) AS contact
                ORDER BY changed.place, contact.id LIMIT :contacts
                """
            ),
            {
                "organizations": [each.organization_id for each in waiting],
                "lasts": [each.last_contact_id for each in waiting],
                "contacts": contacts,
            },
        )
        piece = [(int(place), int(contact)) for place, contact in found]
        await queue.enqueue(session, "contacts", [contact for _, contact in piece], priority=queue.BULK)
        if len(piece) < contacts:
            await _finish(session, waiting)
        else:
            reached, last = piece[-1]
            await _finish(session, waiting[: reached - 1])
            await _advance(session, waiting[reached - 1], last)
        return len(piece)


async def count(session: AsyncSession) -> int:
    """How many changes of organizations wait to be expanded."""
    return int((await session.execute(text("SELECT count(*) FROM company_fanout"))).scalar_one())


async def _lock(session: AsyncSession) -> list[Waiting]:
    """The organizations that have waited longest; one that was changed again starts over."""
    found = await session.execute(
        text(
            """
            SELECT organization_id, seq, last_contact_id FROM company_fanout
            ORDER BY seq LIMIT :organizations FOR UPDATE SKIP LOCKED
            """
        ),
        {"organizations": PIECE_ORGANIZATIONS},
    )
    folded: dict[int, list[tuple[int, int]]] = {}
    for organization, number, last in found:
        folded.setdefault(organization, []).append((number, last))
    return [
        Waiting(organization, tuple(number for number, _ in rows), rows[0][1] if len(rows) == 1 else 0)
        for organization, rows in folded.items()
    ]


async def _finish(session: AsyncSession, done: list[Waiting]) -> None:
    await session.execute(
        text("DELETE FROM company_fanout WHERE seq = ANY(:numbers)"),
        {"numbers": [number for each in done for number in each.numbers]},
    )


async def _advance(session: AsyncSession, reached: Waiting, last: int) -> None:
    *folded, newest = reached.numbers
    await session.execute(text("DELETE FROM company_fanout WHERE seq = ANY(:numbers)"), {"numbers": folded})
    await session.execute(
        text("UPDATE company_fanout SET last_contact_id = :last WHERE seq = :number"),
        {"last": last, "number": newest},
    )
