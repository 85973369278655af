"""Writes down what a comparison came to, in its own transaction: events, members, and the state of now."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from pyroaring import BitMap
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain import webhooks
from domain.alerts import states
from domain.alerts.batches import Compared, Events, Seen, Watch, ids_at
from search.request import Entity


async def keep_seen(session: AsyncSession, watch: Watch, seen: Seen, compared: Sequence[Compared]) -> None:
    """Those who came by time alone: their state of now, beside the older one that others may go by."""
    came = list(compared[0].members - watch.members) if compared else []
    parameters = {
        "letter": states.LETTERS[watch.entity],
        "icp_id": watch.icp_id,
        "ids": came,
        "now": [seen.now[record] for record in came],
    }
    rows = "unnest(CAST(:ids AS integer[]), CAST(:now AS text[])) AS s (id, now)"
    await session.execute(
        text(
            'INSERT INTO app.alert_states (entity, record_id, "values")'  # noqa: S608 - a constant
            f' SELECT CAST(:letter AS "char"), s.id, s.now FROM {rows} ON CONFLICT DO NOTHING'
        ),
        parameters,
    )
    await session.execute(
        text(
            'INSERT INTO app.alert_overrides (icp_id, record_id, "values")'  # noqa: S608
            f" SELECT :icp_id, s.id, s.now FROM {rows} JOIN app.alert_states k"
            ' ON k.entity = CAST(:letter AS "char") AND k.record_id = s.id AND k."values" <> s.now'
            ' ON CONFLICT (icp_id, record_id) DO UPDATE SET "values" = excluded."values"'
        ),
        parameters,
    )


async def move_states(session: AsyncSession, entity: Entity, seen: Seen, kept: int) -> None:
    """Keep the state of now of those who fit any ICP, and none of the others."""
    letter = states.LETTERS[entity]
    keep = [record for record in ids_at(seen, kept) if seen.before.get(record) != seen.now[record]]
    if keep:
        await session.execute(
            text(
                """
                INSERT INTO app.alert_states (entity, record_id, "values")
                SELECT CAST(:letter AS "char"), s.id, s.now
                FROM unnest(CAST(:ids AS integer[]), CAST(:now AS text[])) AS s (id, now)
                ON CONFLICT (entity, record_id)
                    DO UPDATE SET "values" = excluded."values", hidden_by = NULL
                """
            ),
            {"letter": letter, "ids": keep, "now": [seen.now[record] for record in keep]},
        )
    fitting = set(ids_at(seen, kept))
    drop = [record for record in seen.before if record not in fitting]
    if drop:
        await session.execute(
            text(
                'DELETE FROM app.alert_states WHERE entity = CAST(:letter AS "char")'
                " AND record_id = ANY(CAST(:ids AS integer[]))"
            ),
            {"letter": letter, "ids": drop},
        )
    if seen.overrides:
        await session.execute(
            text(
                "DELETE FROM app.alert_overrides WHERE icp_id = ANY(:icps)"
                " AND record_id = ANY(CAST(:ids AS integer[]))"
            ),
            {"icps": list(seen.overrides), "ids": list(seen.touched)},
        )


async def forget_gone(session: AsyncSession, entity: Entity, gone: Sequence[int]) -> None:
    """What earlier events say of a record that is not in the catalogue any more is said no longer."""
    await session.execute(
        text(
            'DELETE FROM app.alert_evidence WHERE entity = CAST(:letter AS "char")'
            " AND record_id = ANY(CAST(:ids AS integer[]))"
        ),
        {"letter": states.LETTERS[entity], "ids": list(gone)},
    )
    await webhooks.forget_subjects(session, [subject(entity, record) for record in gone])


def subject(entity: Entity, record_id: int) -> str:
    """What a webhook's event of a record is about: those of one record are sent in order."""
    return f"{entity}:{record_id}"


# Arrays of arrays of different lengths travel as their text. `id` is that of the last event of a row.
_INSERT = text(
    """
    INSERT INTO app.icp_events
        (id, size, icp_id, version, records, kinds, fields, missed_by, position, created_at)
    SELECT :before + sum(length(e.kinds)) OVER (ORDER BY e.place), length(e.kinds), e.icp, e.version,
           CAST(e.records AS integer[]), e.kinds, CAST(e.fields AS text[]), CAST(e.missed_by AS uuid[]),
           :position, (SELECT app.now())
    FROM unnest(CAST(:icps AS uuid[]), CAST(:versions AS integer[]), CAST(:records AS text[]),
                CAST(:kinds AS text[]), CAST(:fields AS text[]), CAST(:missed AS text[])) WITH ORDINALITY
         AS e (icp, version, records, kinds, fields, missed_by, place)
    """
)
# So many ids in a row; whoever compares alone draws them.
_DRAW = text("SELECT setval('app.icp_event_ids', nextval('app.icp_event_ids') + :number - 1) - :number")


async def write(
    session: AsyncSession,
    compared: Sequence[Compared],
    hiding: Mapping[int, AbstractSet[UUID]],
    *,
    token: int,
) -> None:
    """Write the events and move the members on; of ICPs that were edited meanwhile nothing is written."""
    rows = await session.execute(
        text("SELECT id, version, user_id FROM app.icp_profiles WHERE id = ANY(:ids) ORDER BY id FOR SHARE"),
        {"ids": [one.watch.icp_id for one in compared]},
    )
    profiles = {row.id: row for row in rows}
    current = [
        one
        for one in compared
        if (found := profiles.get(one.watch.icp_id)) and found.version == one.watch.version
    ]
    telling = [one for one in current if one.events]
    if telling:
        owners = {one.watch.icp_id: profiles[one.watch.icp_id].user_id for one in telling}
        written = list(_rows(telling, hiding, await _readers(session, hiding, owners)))
        number = sum(len(row.events) for row in written)
        await session.execute(
            _INSERT,
            {
                "before": await session.scalar(_DRAW, {"number": number}),
                "position": token,
                "icps": [row.watch.icp_id for row in written],
                "versions": [row.watch.version for row in written],
                "records": [_array(row.events.records) for row in written],
                "kinds": [row.events.kinds for row in written],
                "fields": [f"{{{','.join(row.watch.fields)}}}" for row in written],
                "missed": [row.missed_by for row in written],
            },
        )
        await session.execute(
            text(
                """
                UPDATE app.icp_subscriptions SET webhook_due = webhook, mail_due_at = CASE
                    WHEN email AND how = 'at_once' THEN coalesce(mail_due_at, app.now())
                    ELSE mail_due_at END
                WHERE icp_id = ANY(:icps)
                """
            ),
            {"icps": list(owners)},
        )
    moved = [one for one in current if one.members is not one.watch.members]
    if moved:
        for one in moved:
            one.members.run_optimize()
        await session.execute(
            text(
                "UPDATE app.icp_alerts a SET members = m.members"
                " FROM unnest(CAST(:ids AS uuid[]), CAST(:members AS bytea[])) AS m (id, members)"
                " WHERE a.icp_id = m.id"
            ),
            {
                "ids": [one.watch.icp_id for one in moved],
                "members": [bytes(one.members.serialize()) for one in moved],
            },
        )
        for one in moved:
            one.watch.members = one.members


_HIDING = text(
    """
    WITH record AS (
        SELECT * FROM unnest(CAST(:ids AS integer[]), CAST(:companies AS integer[])) AS r (id, company)
    ), reader AS MATERIALIZED (
        SELECT p.user_id FROM app.icp_alerts a JOIN app.icp_profiles p ON p.id = a.icp_id
        UNION
        SELECT u.id FROM app.icp_alerts a JOIN app.icp_members m ON m.icp_id = a.icp_id
        JOIN app.users u ON u.email = m.email
    )
    -- Hidden records are looked up by record and never by reader: OFFSET keeps the planner to it.
    SELECT r.id, h.user_id
    FROM record r, LATERAL (SELECT p.user_id FROM app.hidden_contacts p
                            WHERE :entity = 'contacts' AND p.contact_id = r.id OFFSET 0) h
    WHERE h.user_id IN (SELECT user_id FROM reader)
    UNION
    SELECT r.id, h.user_id
    FROM record r, LATERAL (SELECT c.user_id FROM app.hidden_companies c
                            WHERE c.organization_id = r.company OFFSET 0) h
    WHERE h.user_id IN (SELECT user_id FROM reader)
    """
)


async def hiding(session: AsyncSession, entity: Entity, seen: Seen) -> dict[int, set[UUID]]:
    """Which readers of watched ICPs have which of the records hidden at this moment.

    Events of them are marked: unhiding later brings nothing back that was missed.
    """
    # Of one that is gone, the company it was at last.
    states_of = {record: seen.now.get(record) or seen.before.get(record) for record in seen.touched}
    rows = await session.execute(
        _HIDING,
        {
            "entity": entity,
            "ids": list(states_of),
            "companies": [values and states.company(values) for values in states_of.values()],
        },
    )
    found = {record: set(users) for record, users in seen.hidden_by.items()}
    for record, user_id in rows:
        found.setdefault(record, set()).add(user_id)
    return found


async def _readers(
    session: AsyncSession, hiding: Mapping[int, AbstractSet[UUID]], owners: Mapping[UUID, UUID]
) -> dict[UUID, set[UUID]]:
    """Who reads each of these ICPs; not asked where nobody has any record hidden."""
    readers = {icp_id: {owner} for icp_id, owner in owners.items()}
    if hiding:
        members = await session.execute(
            text(
                "SELECT m.icp_id, u.id FROM app.icp_members m JOIN app.users u ON u.email = m.email"
                " WHERE m.icp_id = ANY(:icps)"
            ),
            {"icps": list(owners)},
        )
        for icp_id, user_id in members:
            readers[icp_id].add(user_id)
    return readers


@dataclass(frozen=True, slots=True)
class _Row:
    """Events of one ICP that the same readers miss."""

    watch: Watch
    events: Events
    missed_by: str | None


def _rows(
    telling: Sequence[Compared],
    hiding: Mapping[int, AbstractSet[UUID]],
    readers: Mapping[UUID, AbstractSet[UUID]],
) -> Iterator[_Row]:
    """One row per ICP, and one more for each set of readers who have the records of some hidden."""
    some_hide = BitMap(hiding)
    for one in telling:
        watch, events = one.watch, one.events
        by: dict[frozenset[UUID], BitMap] = {}
        hidden = BitMap()
        for record in events.among(some_hide).records if hiding else ():
            if missing := hiding[record] & readers[watch.icp_id]:
                by.setdefault(frozenset(missing), BitMap()).add(record)
                hidden.add(record)
        if hidden:
            events = events.among(BitMap(events.records) - hidden)
        if events:
            yield _Row(watch, events, None)
        for users, records in by.items():
            yield _Row(watch, one.events.among(records), f"{{{','.join(map(str, users))}}}")


def _array(numbers: list[int]) -> str:
    """As PostgreSQL writes an array."""
    return f"{{{str(numbers)[1:-1]}}}"
