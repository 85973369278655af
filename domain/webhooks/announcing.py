"""From something that happened to a delivery for each webhook that wants to hear of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId

Kind = Literal["icp.entered", "icp.left", "icp.changed", "email.validated", "email.found"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


async def announce(
    session: AsyncSession,
    *,
    user_id: UserId,
    kind: Kind,
    event_id: str,
    payload: Mapping[str, object],
    subject: str | None = None,
) -> None:
    """Queue an event for each of the user's enabled webhooks that are subscribed to its kind.

    Needs a session of the service role. `event_id` names what happened: announced twice, it is sent as one.
    Events of one `subject` reach a webhook in the order in which they were announced.
    """
    await announce_all(session, user_id=user_id, events=[(kind, event_id, payload, subject)])


async def announce_all(
    session: AsyncSession,
    *,
    user_id: UserId,
    events: list[tuple[Kind, str, Mapping[str, Any], str | None]],
) -> None:
    """The same for many events, in their order, each as kind, event id, payload, subject."""
    await session.execute(
        text(
            """
            INSERT INTO app.webhook_deliveries (webhook_id, kind, event_id, subject, payload)
            SELECT w.id, e.kind, e.event_id, e.subject, CAST(e.payload AS jsonb)
            FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:subjects AS text[]),
                        CAST(:payloads AS text[]))
                 WITH ORDINALITY AS e (kind, event_id, subject, payload, place)
            JOIN app.webhooks w ON w.user_id = :user_id AND w.enabled AND e.kind = ANY(w.kinds)
            ORDER BY e.place
            ON CONFLICT (webhook_id, event_id) DO NOTHING
            """
        ),
        {
            "user_id": user_id,
            "kinds": [event[0] for event in events],
            "ids": [event[1] for event in events],
            "payloads": [msgspec.json.encode(event[2]).decode() for event in events],
            "subjects": [event[3] for event in events],
        },
    )


async def forget_subjects(session: AsyncSession, subjects: Sequence[str]) -> None:
    """Take out of all deliveries what they say of subjects that are not to be spoken of any more.

    That something happened, and under which id, stays.
    """
    await session.execute(
        text(
            "UPDATE app.webhook_deliveries SET payload = payload - CAST(:told AS text[])"
            " WHERE subject = ANY(:subjects)"
        ),
        {"subjects": list(subjects), "told": ["name", "title", "company", "changes", "reasons"]},
    )
