"""Signing in with address and password.

An address with an account and one without cost the same: one statement, one run of argon2id, one answer.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from core.ids import UserId
from db.sessions import SIGN_IN, Database
from domain.auth import sessions
from domain.auth.errors import EmailNotConfirmed, InvalidCredentials
from domain.auth.passwords import MAX_LENGTH, Hasher
from domain.auth.people import Origin
from domain.auth.sessions import SignedIn


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Whose password is asked for: an account, or a sign-up that waits for its proof."""

    id: UUID
    password_hash: str | None
    is_confirmed: bool


async def with_password(
    db: Database, hasher: Hasher, *, email: str, password: str, origin: Origin
) -> SignedIn:
    """Raises `InvalidCredentials`, `EmailNotConfirmed` to who knows the password, `UserBanned`."""
    candidate = await _candidate(db, email=email.strip())
    # Longer ones are taken from nobody, and hashing them would cost whatever their sender likes.
    fits = await hasher.check(candidate.password_hash if candidate else None, password[: MAX_LENGTH + 1])
    if not fits or candidate is None or candidate.password_hash is None:
        raise InvalidCredentials("Invalid login credentials")
    if not candidate.is_confirmed:
        raise EmailNotConfirmed("Email not confirmed")
    renewed = await hasher.hash(password) if hasher.is_outdated(candidate.password_hash) else None
    async with db.transaction(SIGN_IN) as session:
        if renewed is not None:
            await session.execute(
                text("UPDATE auth.users SET password_hash = :new WHERE id = :id AND password_hash = :old"),
                {"id": candidate.id, "new": renewed, "old": candidate.password_hash},
            )
        return await sessions.open_session(
            session, user_id=UserId(candidate.id), method="password", origin=origin
        )


async def _candidate(db: Database, *, email: str) -> _Candidate | None:
    async with db.transaction(SIGN_IN, read_only=True) as session:
        found = await session.execute(
            text(
                """
                SELECT id, password_hash, is_confirmed FROM (
                    SELECT a.id, a.password_hash, a.email_confirmed_at IS NOT NULL AS is_confirmed,
                           0 AS place, a.created_at
                    FROM app.users AS u JOIN auth.users AS a ON a.id = u.id
                    WHERE u.email = CAST(:email AS citext)
                    UNION ALL
                    SELECT id, password_hash, false, 1, created_at FROM auth.signups
                    WHERE email = CAST(:email AS citext) AND expires_at > app.now()
                      AND password_hash IS NOT NULL
                ) AS candidates
                ORDER BY place, created_at DESC LIMIT 1
                """
            ),
            {"email": email},
        )
        row = found.one_or_none()
    return None if row is None else _Candidate(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
