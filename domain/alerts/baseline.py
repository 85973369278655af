"""Where an alert begins: who fits at this moment, and what is known of them, is no news.

All of it is written by a few statements over sets. What has changed and is still on its way through the feed
will be compared later against the state of the last comparison, which is older; for this one ICP the state of
now is kept beside it, so that nothing from before the baseline is told.
"""

from typing import Any, Final

import msgspec
from pyroaring import BitMap
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from db.sessions import SERVICE
from domain.alerts import states
from domain.icps import Icp
from search import selection, stored
from search.engine import Searcher
from search.request import CountRequest
from search.selection import Selection

# The lock under which one process at a time compares, and baselines are taken.
LOCK: Final = 0x4C46_0010


async def selected(searcher: Searcher, icp: Icp) -> Selection:
    """What fits whoever reads it: nobody's hidden records, lists or unlocks."""
    request = icp.request()
    bare = CountRequest(q=request.q, filters=request.filters, hidden="include")
    return await searcher.selection(icp.entity, bare, SERVICE, relaxed=False)


async def take(session: AsyncSession, searcher: Searcher, icp: Icp) -> None:
    """Let the alert of an ICP begin anew, under the lock, with the reading that its request has now."""
    chosen = await selected(searcher, icp)
    members = await _keep_states(session, chosen)
    members.run_optimize()
    await session.execute(
        text(
            "WITH read AS (UPDATE app.icp_versions SET criteria = CAST(:criteria AS jsonb)"
            " WHERE icp_id = :id AND version = :version)"
            " UPDATE app.icp_alerts SET version = :version, members = :members, as_of = :as_of,"
            " baseline_at = app.now(),"
            " revision = nextval('app.alert_revision') WHERE icp_id = :id"
        ),
        {
            "id": icp.id,
            "version": icp.version,
            "members": bytes(members.serialize()),
            "as_of": clock.today(),
            "criteria": msgspec.json.encode(stored.dump(chosen.criteria)).decode(),
        },
    )
    await session.execute(text("DELETE FROM app.alert_overrides WHERE icp_id = :id"), {"id": icp.id})
    await _keep_overrides(session, icp, members)


async def position(session: AsyncSession) -> int:
    """Where the comparison has come to; it begins with the first alert, whose baseline knows the rest."""
    await session.execute(
        text(
            "INSERT INTO app.alert_position (name, position)"
            " SELECT 'applied', coalesce(max(seq), 0) FROM app.applied ON CONFLICT DO NOTHING"
        )
    )
    found = await session.scalar(text("SELECT position FROM app.alert_position WHERE name = 'applied'"))
    return int(found or 0)


async def move_on(session: AsyncSession, position: int, last: int) -> None:
    """Write down how far has been compared. The lock lets nobody else; that it did is seen here.

    Raises `TypeError` where somebody has been there in between: what was compared must not be told.
    """
    moved = await session.scalar(
        text(
            "UPDATE app.alert_position SET position = :last WHERE name = 'applied' AND position = :position"
            " RETURNING position"
        ),
        {"position": position, "last": last},
    )
    if moved is None:
        raise TypeError("two processes have compared at once")


async def _keep_states(session: AsyncSession, chosen: Selection) -> BitMap:
    """Who fits; of whom no state is kept yet, the one of now, in the same statement.

    EXCEPT has read all that it compares before it gives the first. A join against the table that is being
    filled was looked up in by one pass through it for each record wherever it was thought to be empty. In the
    order of their ids they are merged with the catalogue and go to the end of the key's index: a third less.
    """
    await selection.ready(session)
    # Enough to remember what a hundred thousand companies say.
    await session.execute(text("SELECT set_config('work_mem', '32MB', true)"))
    query, parameters = chosen.sql()
    entity = chosen.entity
    found = await session.scalar(
        text(
            f"""
            WITH fit AS MATERIALIZED ({query}), fresh AS MATERIALIZED (
                (SELECT id FROM fit EXCEPT
                 SELECT s.record_id FROM app.alert_states s
                 WHERE s.entity = CAST(:letter AS "char") AND s.record_id IN (SELECT id FROM fit))
                ORDER BY id
            ), kept AS (
                INSERT INTO app.alert_states (entity, record_id, "values")
                SELECT CAST(:letter AS "char"), now.id, now.values
                FROM ({states.select(entity)} JOIN fresh ON fresh.id = {states.key(entity)}) now
            )
            SELECT array_agg(id) FROM fit
            """  # noqa: S608 - names of ours, and a query that binds its values
        ),
        parameters | {"letter": states.LETTERS[entity]},
    )
    return BitMap(found or ())


_ON_ITS_WAY: Final = """
    SELECT id FROM app.search_dirty WHERE entity = CAST(:letter AS "char")
    UNION SELECT id FROM app.applied
    WHERE entity = CAST(:letter AS "char")
      AND seq > (SELECT position FROM app.alert_position WHERE name = 'applied')
    UNION SELECT c.id FROM app.company_fanout f JOIN app.contacts c ON c.organization_id = f.organization_id
    WHERE CAST(:letter AS "char") = 'c'
"""


async def _keep_overrides(session: AsyncSession, icp: Icp, members: BitMap) -> None:
    """For those with a change on its way: what this ICP has seen already."""
    entity = icp.entity
    rows: Any = await session.execute(
        text(
            f"""
            WITH flying AS MATERIALIZED ({_ON_ITS_WAY})
            SELECT now.id, now.values FROM flying
            JOIN app.alert_states s ON s.entity = CAST(:letter AS "char") AND s.record_id = flying.id
            JOIN ({states.select(entity)}) now ON now.id = flying.id
            WHERE now.values <> s.values
            """  # noqa: S608 - names of ours
        ),
        {"letter": states.LETTERS[entity]},
    )
    seen = [(row.id, row.values) for row in rows if row.id in members]
    if seen:
        await session.execute(
            text(
                'INSERT INTO app.alert_overrides (icp_id, record_id, "values")'
                " SELECT :icp_id, s.id, s.seen"
                " FROM unnest(CAST(:ids AS integer[]), CAST(:seen AS text[])) AS s (id, seen)"
            ),
            {"icp_id": icp.id, "ids": [one[0] for one in seen], "seen": [one[1] for one in seen]},
        )
