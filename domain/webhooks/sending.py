"""Sends what has been announced: signed, one after the other per subject, again and again for three days.

A delivery is claimed under a lease and sent with no transaction open; a crash in between sends it once more,
under the same id, by which its receiver knows it. A receiver that has been deaf for three days is switched
off, and its owner is told.
"""

import asyncio
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpcore
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks import Webhook as Signer

from core import clock
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain import mail
from domain.webhooks import keeping
from domain.webhooks.network import TIMEOUT_S, BadWebhookUrl, Checked, allowed_hosts, read_url

log = get_logger(__name__)

NOTICE: Final = "webhooks.notice"
LEASE_S: Final = 60.0
KEEP_DAYS: Final = 30
# After each failure; together three days. The first is the schedule of Standard Webhooks, cut there.
PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 73_495)
)
_JITTER: Final = 0.1
_NETWORK_ERRORS: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)
_GONE: Final = 410
_ERROR_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed delivery and where it goes."""

    id: UUID
    webhook_id: UUID
    url: str
    event_id: str
    kind: str
    payload: dict[str, Any]
    attempts: int
    created_at: datetime
    claimed_by: UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the receiver said: its status, or why there is none."""

    status: int | None
    error: str | None

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """One per process: holds the connections."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._db = db
        self._allowed = allowed_hosts(settings.webhooks.allowed_hosts)
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=100, max_keepalive_connections=0, network_backend=Checked(self._allowed)
        )

    async def close(self) -> None:
        await self._pool.aclose()

    async def deliver(self, due: Due) -> Outcome:
        """Send a claimed delivery and write down what came of it."""
        async with self._db.transaction(SERVICE, read_only=True) as session:
            secrets = await keeping.live_secrets(session, webhook_id=due.webhook_id)
        outcome = await self._post(due, secrets)
        await _settle(self._db, due, outcome)
        return outcome

    async def _post(self, due: Due, secrets: list[str]) -> Outcome:
        body = msgspec.json.encode(
            {"type": due.kind, "timestamp": due.created_at.isoformat(), "data": due.payload}
        )
        now = clock.now()
        signatures = [Signer(secret).sign(due.event_id, now, body.decode()) for secret in secrets]
        headers: dict[bytes | str, bytes | str] = {
            "content-type": "application/json",
            "user-agent": "LeadFuel",
            "webhook-id": due.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        try:
            read_url(due.url, allowed=self._allowed)
            # What the receiver says beyond its status is never read.
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._pool.stream("POST", due.url, headers=headers, content=body) as answer,
            ):
                return Outcome(answer.status, None)
        except BadWebhookUrl as error:
            return Outcome(None, error.detail)
        except TimeoutError:
            return Outcome(None, f"It did not answer within {TIMEOUT_S:.0f} s.")
        except (*_NETWORK_ERRORS, OSError) as error:
            return Outcome(None, f"{type(error).__name__}: {error}"[:_ERROR_LENGTH])


async def claim(db: Database, *, limit: int, per_webhook: int, busy: set[UUID]) -> list[Due]:
    """Deliveries that are due, under a lease: a few per webhook, none before an earlier of its subject."""
    mine = uuid.uuid4()
    async with db.transaction(SERVICE) as session:
        rows = await session.execute(
            text(
                """
                WITH due AS (
                    SELECT d.id, w.url FROM app.webhooks w CROSS JOIN LATERAL (
                        SELECT p.id, p.next_attempt_at FROM app.webhook_deliveries p
                        WHERE p.webhook_id = w.id AND p.state = 'pending'
                          AND p.next_attempt_at <= app.now()
                          AND (p.claimed_until IS NULL OR p.claimed_until < clock_timestamp())
                          AND NOT EXISTS (
                              SELECT 1 FROM app.webhook_deliveries earlier
                              WHERE earlier.webhook_id = w.id AND earlier.subject = p.subject
                                AND earlier.seq < p.seq AND earlier.state = 'pending')
                        ORDER BY p.next_attempt_at, p.seq LIMIT :per_webhook
                        FOR UPDATE OF p SKIP LOCKED
                    ) d
                    WHERE w.enabled AND w.id <> ALL(:busy)
                    ORDER BY d.next_attempt_at LIMIT :limit
                )
                UPDATE app.webhook_deliveries AS p
                SET claimed_by = :mine, claimed_until = clock_timestamp() + make_interval(secs => :lease_s),
                    attempts = attempts + 1
                FROM due WHERE p.id = due.id
                RETURNING p.id, p.webhook_id, due.url, p.event_id, p.kind, p.payload, p.attempts,
                          p.created_at, p.claimed_by
                """
            ),
            {
                "limit": limit,
                "per_webhook": per_webhook,
                "busy": list(busy),
                "mine": mine,
                "lease_s": LEASE_S,
            },
        )
        return [Due(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's own API


async def _settle(db: Database, due: Due, outcome: Outcome) -> None:
    """Write down the outcome; a lease that somebody else holds by now is theirs to settle."""
    over = outcome.is_delivered or due.attempts > len(PAUSES) or outcome.status == _GONE
    pause = timedelta(0) if over else PAUSES[due.attempts - 1]
    pause *= random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter is no secret
    state = "delivered" if outcome.is_delivered else "failed" if over else "pending"
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                """
                UPDATE app.webhook_deliveries
                SET state = :state, last_status = :status, last_error = :error,
                    next_attempt_at = app.now() + :pause, claimed_until = NULL,
                    finished_at = CASE WHEN :state <> 'pending' THEN app.now() END
                WHERE id = :id AND claimed_by = :mine AND state = 'pending'
                """
            ),
            {
                "id": due.id,
                "mine": due.claimed_by,
                "state": state,
                "status": outcome.status,
                "error": outcome.error,
                "pause": pause,
            },
        )
        if state == "failed":
            await _switch_off_if_deaf(session, due, gone=outcome.status == _GONE)


async def _switch_off_if_deaf(session: AsyncSession, due: Due, *, gone: bool) -> None:
    """Switch off a webhook that says it is gone, or took nothing since a delivery that was given up began."""
    reason = "It answered that it is gone (410)." if gone else "It took nothing for three days."
    switched = await session.execute(
        text(
            """
            UPDATE app.webhooks w SET enabled = false, disabled_reason = :reason
            WHERE w.id = :id AND w.enabled AND (:gone OR NOT EXISTS (
                SELECT 1 FROM app.webhook_deliveries d
                WHERE d.webhook_id = w.id AND d.state = 'delivered' AND d.finished_at >= :since))
            RETURNING 1
            """
        ),
        {"id": due.webhook_id, "reason": reason, "gone": gone, "since": due.created_at},
    )
    if switched.one_or_none() is not None:
        log.info("a webhook was switched off", **{"webhook.id": str(due.webhook_id)})
        await session.execute(
            text(
                "INSERT INTO app.outbox (job, payload)"
                " VALUES (:job, jsonb_build_object('webhook_id', CAST(:id AS text)))"
            ),
            {"job": NOTICE, "id": str(due.webhook_id)},
        )


async def send_notice(settings: Settings, db: Database, *, webhook_id: UUID) -> None:
    """Tell the owner that a webhook was switched off, if it still is."""
    async with db.transaction(SERVICE, read_only=True) as session:
        row = (
            await session.execute(
                text(
                    "SELECT u.email::text AS email, w.url, w.disabled_reason FROM app.webhooks w"
                    " JOIN app.users u ON u.id = w.user_id WHERE w.id = :id AND NOT w.enabled"
                    " AND w.disabled_reason IS NOT NULL"
                ),
                {"id": webhook_id},
            )
        ).one_or_none()
    if row is None:
        return
    letter = mail.Letter(
        key=f"webhook-{webhook_id}-{clock.today()}",
        to=row.email,
        subject="A webhook was switched off",
        paragraphs=[
            f"The webhook {row.url} was switched off. {row.disabled_reason}",
            (
                "What had not been delivered by then is kept for 30 days. Once the receiver is back,"
                " switch the webhook on again and redeliver what is missing."
            ),
        ],
    )
    await mail.send(settings.mail, letter)


async def forget(db: Database) -> int:
    """Delete deliveries from the log that are older than it is kept; how many."""
    async with db.transaction(SERVICE) as session:
        gone: Any = await session.execute(
            text(
                "DELETE FROM app.webhook_deliveries"
                " WHERE created_at <= app.now() - make_interval(days => :keep)"
            ),
            {"keep": KEEP_DAYS},
        )
        await session.execute(text("DELETE FROM app.webhook_secrets WHERE expires_at <= app.now()"))
    return int(gone.rowcount)
