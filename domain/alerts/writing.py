"""Writes down what a comparison came to, in its own transaction: events, members, and the state of now."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain import webhooks
from domain.alerts import states
from domain.alerts.batches import Compared, Event, Seen, Watch, ids_at
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
                ON CONFLICT (entity, record_id) DO UPDATE SET "values" = excluded."values"
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
    """What earlier events said of a record that is not in the catalogue any more is said no longer."""
    await session.execute(
        text(
            "UPDATE app.icp_events e SET changes = '[]', reasons = '[]' FROM app.icp_profiles p"
            " WHERE p.id = e.icp_id AND p.entity = :entity AND e.record_id = ANY(CAST(:ids AS integer[]))"
        ),
        {"entity": entity, "ids": list(gone)},
    )
    await webhooks.forget_subjects(session, [subject(entity, record) for record in gone])


def subject(entity: Entity, record_id: int) -> str:
    """What a webhook's event of a record is about: those of one record are sent in order."""
    return f"{entity}:{record_id}"


async def write(
    session: AsyncSession, entity: Entity, seen: Seen, compared: Sequence[Compared], *, token: int
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
    events = [(one.watch, event) for one in current for event in one.events]
    if events:
        owners = {watch.icp_id: profiles[watch.icp_id].user_id for watch, _ in events}
        missed = await _missed_by(session, entity, seen, events, owners)
        await session.execute(
            text(
                """
                INSERT INTO app.icp_events
                    (icp_id, version, record_id, kind, reason, changes, reasons, missed_by, position)
                SELECT e.icp_id, e.version, e.record, e.kind, e.reason, CAST(e.changes AS jsonb),
                       CAST(e.reasons AS jsonb), CAST(e.missed_by AS uuid[]), :position
                FROM unnest(CAST(:icps AS uuid[]), CAST(:versions AS integer[]), CAST(:records AS integer[]),
                            CAST(:kinds AS text[]), CAST(:why AS text[]), CAST(:changes AS text[]),
                            CAST(:reasons AS text[]), CAST(:missed AS text[])) WITH ORDINALITY
                     AS e (icp_id, version, record, kind, reason, changes, reasons, missed_by, place)
                ORDER BY e.place
                """
            ),
            {
                "position": token,
                "icps": [watch.icp_id for watch, _ in events],
                "versions": [watch.version for watch, _ in events],
                "records": [event.record_id for _, event in events],
                "kinds": [event.kind for _, event in events],
                "why": [event.reason for _, event in events],
                "changes": [msgspec.json.encode(event.changes).decode() for _, event in events],
                "reasons": [msgspec.json.encode(event.reasons).decode() for _, event in events],
                "missed": missed,
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
            {"icps": list({watch.icp_id for watch, _ in events})},
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
    )
    -- Hidden records are looked up by record and never by reader: OFFSET keeps the planner to it.
    SELECT r.id, h.user_id
    FROM record r, LATERAL (SELECT p.user_id FROM app.hidden_contacts p
                            WHERE :entity = 'contacts' AND p.contact_id = r.id OFFSET 0) h
    WHERE h.user_id = ANY(CAST(:readers AS uuid[]))
    UNION
    SELECT r.id, h.user_id
    FROM record r, LATERAL (SELECT c.user_id FROM app.hidden_companies c
                            WHERE c.organization_id = r.company OFFSET 0) h
    WHERE h.user_id = ANY(CAST(:readers AS uuid[]))
    """
)


async def _missed_by(
    session: AsyncSession,
    entity: Entity,
    seen: Seen,
    events: Sequence[tuple[Watch, Event]],
    owners: Mapping[UUID, UUID],
) -> list[str | None]:
    """For each event, the readers who have its record hidden as it is written, as an array of PostgreSQL's.

    Unhiding it later brings nothing back that was missed.
    """
    members = await session.execute(
        text(
            "SELECT m.icp_id, u.id FROM app.icp_members m JOIN app.users u ON u.email = m.email"
            " WHERE m.icp_id = ANY(:icps)"
        ),
        {"icps": list(owners)},
    )
    readers = {icp_id: {owner} for icp_id, owner in owners.items()}
    for icp_id, user_id in members:
        readers[icp_id].add(user_id)
    # Of one that is gone, the company it was at last.
    told = {
        event.record_id: seen.now.get(event.record_id) or seen.before.get(event.record_id)
        for _, event in events
    }
    rows = await session.execute(
        _HIDING,
        {
            "entity": entity,
            "ids": list(told),
            "companies": [values and states.company(values) for values in told.values()],
            "readers": list(set().union(*readers.values())),
        },
    )
    hiding: dict[int, set[UUID]] = {}
    for record, user_id in rows:
        hiding.setdefault(record, set()).add(user_id)
    nobody: set[UUID] = set()
    missed = (readers[watch.icp_id] & hiding.get(event.record_id, nobody) for watch, event in events)
    return [f"{{{','.join(map(str, users))}}}" if users else None for users in missed]
