"""What the mails carry: links that are good once, and short codes that stand for them.

A link is sealed and cannot be guessed. A code can, so only a few guesses are taken at each, counted before
they are compared. Wrong, used, too old, for another purpose: the answer is the same.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from core.settings import Settings
from db.sessions import SERVICE, SIGN_IN, Database, acting
from domain.auth import flows, people, seals, sessions, signup
from domain.auth.asking import Challenge
from domain.auth.errors import EmailExists, OtpExpired
from domain.auth.people import Origin
from domain.auth.sessions import SignedIn

Kind = Literal[
    "signup",
    "invite",
    "magiclink",
    "recovery",
    "email_change_current",
    "email_change_new",
    "reauthentication",
]
Type = Literal["signup", "invite", "magiclink", "recovery", "email", "email_change"]

MAX_CODE_ATTEMPTS: Final = 5
# What a client calls the mail -> what it may be. Who signs up by a link alone asked for a magic link.
KINDS: Final[Mapping[Type, Sequence[Kind]]] = {
    "signup": ("signup",),
    "invite": ("invite",),
    "magiclink": ("magiclink", "signup"),
    "email": ("magiclink", "signup"),
    "recovery": ("recovery",),
    "email_change": ("email_change_current", "email_change_new"),
}
_METHODS: Final[Mapping[Kind, str]] = {
    "signup": "email/signup",
    "invite": "invite",
    "magiclink": "magiclink",
    "recovery": "recovery",
    "email_change_current": "email_change",
    "email_change_new": "email_change",
}


@dataclass(frozen=True, slots=True)
class HalfDone:
    """The change of an address is confirmed from one of its two ends."""

    message: str = "Confirmation link accepted. Please proceed to confirm link sent to the other email"


@dataclass(frozen=True, slots=True)
class _Token:
    id: UUID
    kind: Kind
    user_id: UUID | None
    signup_id: UUID | None
    email: str
    challenge: Challenge | None


Outcome = SignedIn | HalfDone | str


async def keep(
    session: AsyncSession,
    settings: Settings,
    *,
    id_: UUID,
    kind: Kind,
    email: str,
    user_id: UUID | None = None,
    signup_id: UUID | None = None,
    challenge: Challenge | None = None,
) -> None:
    """Let a token be redeemed; the account's earlier ones of its kind are good no more."""
    if user_id is not None:
        await session.execute(
            text("DELETE FROM auth.one_time_tokens WHERE user_id = :user_id AND kind = :kind AND id <> :id"),
            {"user_id": user_id, "kind": kind, "id": id_},
        )
    await session.execute(
        text(
            """
            INSERT INTO auth.one_time_tokens (id, kind, user_id, signup_id, email, code_challenge,
                                              code_challenge_method, expires_at)
            VALUES (:id, :kind, :user_id, :signup_id, :email, :challenge, :method,
                    app.now() + make_interval(secs => :lifetime_s))
            ON CONFLICT DO NOTHING
            """
        ),
        {
            "id": id_,
            "kind": kind,
            "user_id": user_id,
            "signup_id": signup_id,
            "email": email,
            "challenge": challenge.code_challenge if challenge else None,
            "method": challenge.method if challenge else None,
            "lifetime_s": float(settings.sign_in.one_time_s),
        },
    )


async def redeem_link(
    db: Database,
    settings: Settings,
    *,
    token: str,
    type_: Type,
    origin: Origin,
    for_code: bool = False,
) -> Outcome:
    """Sign in by a link. With `for_code`, one that was asked for with a challenge gives a code instead.

    Raises `OtpExpired`.
    """
    token_id = seals.unseal(settings.auth, "mail", token)
    async with db.transaction(SIGN_IN) as session:
        taken = await _take(session, ids=[token_id] if token_id else [], type_=type_)
        return await _settle(session, settings, taken, origin=origin, for_code=for_code)


async def redeem_code(
    db: Database, settings: Settings, *, email: str, code: str, type_: Type, origin: Origin
) -> Outcome:
    """Sign in by the short code of a mail; raises `OtpExpired`."""
    matching = await _matching(db, settings, email=email, code=code, kinds=KINDS[type_])
    async with db.transaction(SIGN_IN) as session:
        taken = await _take(session, ids=matching, type_=type_)
        return await _settle(session, settings, taken, origin=origin, for_code=False)


async def redeem_nonce(db: Database, settings: Settings, *, email: str, nonce: str) -> bool:
    """Whether the code is that of a mail by which somebody signed in shows once more who they are."""
    matching = await _matching(db, settings, email=email, code=nonce, kinds=["reauthentication"])
    async with db.transaction(SIGN_IN) as session:
        found = await session.execute(
            text(
                "DELETE FROM auth.one_time_tokens WHERE id = ANY(:ids) AND expires_at > app.now() RETURNING 1"
            ),
            {"ids": matching},
        )
        return found.first() is not None


async def forget_old(session: AsyncSession, *, limit: int) -> int:
    """Delete tokens and codes whose time is over; how many."""
    forgotten = 0
    for table in ("one_time_tokens", "flow_state"):
        found = await session.execute(
            text(
                f"DELETE FROM auth.{table} WHERE id IN (SELECT id FROM auth.{table}"  # noqa: S608
                " WHERE expires_at <= app.now() ORDER BY expires_at LIMIT :limit) RETURNING 1"
            ),
            {"limit": limit},
        )
        forgotten += len(found.all())
    return forgotten


async def _matching(
    db: Database, settings: Settings, *, email: str, code: str, kinds: Sequence[Kind]
) -> list[UUID]:
    """Count a guess at every code of an address, and say at which it was right."""
    async with db.transaction(SIGN_IN) as session:
        tried = await session.scalars(
            text(
                """
                UPDATE auth.one_time_tokens SET code_attempts = code_attempts + 1
                WHERE email = CAST(:email AS citext) AND kind = ANY(:kinds) AND expires_at > app.now()
                  AND code_attempts < :limit
                RETURNING id
                """
            ),
            {"email": email, "kinds": list(kinds), "limit": MAX_CODE_ATTEMPTS},
        )
        ids = list(tried)
    given = code.encode()
    return [id_ for id_ in ids if hmac.compare_digest(seals.code(settings.auth, id_).encode(), given)]


async def _take(session: AsyncSession, *, ids: Sequence[UUID], type_: Type) -> _Token:
    """Take a token away; of several who ask at once, one gets it."""
    found = await session.execute(
        text(
            """
            DELETE FROM auth.one_time_tokens
            WHERE id = ANY(:ids) AND kind = ANY(:kinds) AND expires_at > app.now()
            RETURNING id, kind, user_id, signup_id, email::text AS email, code_challenge,
                      code_challenge_method
            """
        ),
        {"ids": list(ids), "kinds": list(KINDS[type_])},
    )
    row = found.first()
    if row is None:
        raise OtpExpired("Token has expired or is invalid")
    challenge = Challenge(row.code_challenge, row.code_challenge_method) if row.code_challenge else None
    return _Token(row.id, row.kind, row.user_id, row.signup_id, row.email, challenge)


async def _settle(
    session: AsyncSession, settings: Settings, taken: _Token, *, origin: Origin, for_code: bool
) -> Outcome:
    user_id = await _proved(session, taken)
    if user_id is None:
        return HalfDone()
    method = _METHODS[taken.kind]
    if for_code and taken.challenge is not None:
        return await flows.code_for(
            session, settings, user_id=user_id, challenge=taken.challenge, method=method
        )
    return await sessions.open_session(session, user_id=user_id, method=method, origin=origin)


async def _proved(session: AsyncSession, taken: _Token) -> UserId | None:
    """Whose address is proved by a token; None while another proof of the same change is to come."""
    if taken.signup_id is not None:
        made = await signup.complete(session, signup_id=taken.signup_id)
        if made is None:
            raise OtpExpired("Token has expired or is invalid")
        return made
    person = None if taken.user_id is None else await people.get(session, user_id=UserId(taken.user_id))
    if person is None:
        raise OtpExpired("Token has expired or is invalid")
    if taken.kind not in {"email_change_current", "email_change_new"}:
        await people.prove_address(session, person=person)
        return person.id
    return person.id if await _confirm_change(session, person, taken) else None


async def _confirm_change(session: AsyncSession, person: people.Person, taken: _Token) -> bool:
    """Note that one end has confirmed a change of address; with the other, make it."""
    end = taken.kind.removeprefix("email_change_")
    before = await session.scalar(
        text(
            """
            WITH was AS (SELECT id, change_confirmed_by FROM auth.users WHERE id = :id FOR UPDATE)
            UPDATE auth.users AS u SET change_confirmed_by = :end, updated_at = app.now()
            FROM was WHERE u.id = was.id RETURNING was.change_confirmed_by
            """
        ),
        {"id": person.id, "end": end},
    )
    if before is None or before == end or person.new_email is None:
        return False
    async with acting(session, SERVICE):
        moved = await session.scalar(
            text(
                "UPDATE app.users SET email = :email WHERE id = :id AND NOT EXISTS"
                " (SELECT FROM app.users WHERE email = CAST(:email AS citext) AND id <> :id) RETURNING id"
            ),
            {"id": person.id, "email": person.new_email},
        )
    if moved is None:
        raise EmailExists("A user with this email address has already been registered")
    await session.execute(
        text(
            "UPDATE auth.users SET new_email = NULL, change_confirmed_by = NULL, email_is_proven = true,"
            " email_confirmed_at = app.now() WHERE id = :id"
        ),
        {"id": person.id},
    )
    data: dict[str, Any] = {"sub": str(person.id), "email": person.new_email, "email_verified": True}
    await people.add_identity(
        session, user_id=person.id, provider="email", provider_id=str(person.id), data=data
    )
    return True
