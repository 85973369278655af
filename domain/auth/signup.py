"""Accounts made by those who want one.

Where addresses have to be proved, signing up makes no account: it is written down with its password, and the
link in the mail makes the account. So a second sign-up under an address with an account looks like the first
to whoever watches; only the mail that follows tells the owner of the address.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.ids import UserId
from core.settings import Settings
from db.sessions import SERVICE, SIGN_IN, Database, acting
from domain.auth import asking, passwords, people, sessions
from domain.auth.asking import Challenge, Request
from domain.auth.errors import SignupDisabled, ValidationFailed
from domain.auth.passwords import Hasher
from domain.auth.people import Consent, Origin, Person
from domain.auth.sessions import SignedIn

MAX_VERSION_LENGTH: Final = 100


async def sign_up(
    db: Database,
    settings: Settings,
    hasher: Hasher,
    *,
    email: str,
    password: str,
    user_metadata: Mapping[str, Any],
    redirect_to: str,
    challenge: Challenge | None,
    origin: Origin,
) -> SignedIn | Person:
    """Make an account and open its session, or have its address proved first: then somebody not confirmed.

    Raises `SignupDisabled`, `WeakPassword`, `ValidationFailed` without the terms, and `UserAlreadyExists`
    where no address has to be proved.
    """
    address = people.read_address(email)
    require_open(settings)
    terms_version = agreed(settings, user_metadata)
    passwords.judge(settings.sign_in, password)
    hashed = await hasher.hash(password)
    if settings.sign_in.confirm == "none" and settings.sign_in.signup == "open":
        async with db.transaction(SIGN_IN) as session:
            user_id = await people.make(
                session,
                user_id=UserId(uuid4()),
                email=address,
                password_hash=hashed,
                is_confirmed=True,
                is_proven=False,
                user_metadata=user_metadata,
                consent=Consent(terms_version, origin, clock.now()) if terms_version else None,
            )
            return await sessions.open_session(session, user_id=user_id, method="password", origin=origin)
    request = Request(
        "signup",
        address,
        redirect_to,
        challenge=challenge,
        user_metadata=user_metadata,
        terms_version=terms_version,
        origin=origin,
    )
    async with db.transaction(SIGN_IN) as session:
        await write_down(session, settings, request, password_hash=hashed)
        await asking.ask(session, request)
    return _not_confirmed(request)


def require_open(settings: Settings) -> None:
    if settings.sign_in.signup == "closed":
        raise SignupDisabled("Signups not allowed for this instance")


def agreed(settings: Settings, said: Mapping[str, Any]) -> str | None:
    """The version of the terms that somebody agrees to; raises when it is not the present one."""
    version = said.get("terms_version")
    wanted = settings.sign_in.terms_version
    if wanted and version != wanted:
        raise ValidationFailed(f"Agree to the terms: send terms_version {wanted!r}.", terms_version=wanted)
    if version is not None and (not isinstance(version, str) or not 0 < len(version) <= MAX_VERSION_LENGTH):
        raise ValidationFailed("terms_version must be the name of a version.")
    return version


async def may_join(session: AsyncSession, settings: Settings, *, email: str) -> bool:
    """Whether the installation takes somebody new under this address."""
    if settings.sign_in.signup != "invitation":
        return settings.sign_in.signup == "open"
    async with acting(session, SERVICE):
        return bool(
            await session.scalar(
                text(
                    """
                    SELECT EXISTS (SELECT FROM app.list_invitations
                                   WHERE email = CAST(:email AS citext) AND status = 'open'
                                     AND expires_at > app.now())
                        OR EXISTS (SELECT FROM app.icp_members WHERE email = CAST(:email AS citext))
                    """
                ),
                {"email": email},
            )
        )


async def write_down(
    session: AsyncSession, settings: Settings, request: Request, *, password_hash: str | None
) -> None:
    """Keep a sign-up until its address is proved. A job that runs twice writes it once."""
    await session.execute(
        text(
            """
            INSERT INTO auth.signups (id, email, password_hash, user_metadata, terms_version, address,
                                      user_agent, expires_at)
            VALUES (:id, :email, :password_hash, CAST(:user_metadata AS jsonb), :terms_version,
                    CAST(:address AS inet), :user_agent, app.now() + make_interval(secs => :lifetime_s))
            ON CONFLICT DO NOTHING
            """
        ),
        {
            "id": request.id,
            "email": request.email,
            "password_hash": password_hash,
            "user_metadata": json.dumps(dict(request.user_metadata)),
            "terms_version": request.terms_version,
            "address": request.origin.address,
            "user_agent": request.origin.user_agent,
            # The mail may be late, or be asked for again.
            "lifetime_s": float(max(86_400, settings.sign_in.one_time_s)),
        },
    )


async def newest(session: AsyncSession, *, email: str) -> UUID | None:
    """The id of the last sign-up under an address that waits for its proof."""
    found: UUID | None = await session.scalar(
        text(
            "SELECT id FROM auth.signups WHERE email = CAST(:email AS citext) AND expires_at > app.now()"
            " ORDER BY created_at DESC LIMIT 1"
        ),
        {"email": email},
    )
    return found


async def complete(session: AsyncSession, *, signup_id: UUID) -> UserId | None:
    """Make the account of a sign-up whose address is proved; None when it has one by now."""
    found = await session.execute(
        text(
            "DELETE FROM auth.signups WHERE id = :id RETURNING id, email::text AS email, password_hash,"
            " user_metadata, terms_version, host(address) AS address, user_agent, created_at"
        ),
        {"id": signup_id},
    )
    row = found.one_or_none()
    if row is None:
        return None
    person = await people.by_email(session, email=row.email)
    if person is not None and person.signs_in:
        return None
    origin = Origin(row.address, row.user_agent)
    return await people.make(
        session,
        user_id=UserId(row.id),
        email=row.email,
        password_hash=row.password_hash,
        is_confirmed=True,
        is_proven=True,
        user_metadata=row.user_metadata,
        consent=Consent(row.terms_version, origin, row.created_at) if row.terms_version else None,
    )


async def forget_old(session: AsyncSession, *, limit: int) -> int:
    """Delete sign-ups that nobody has confirmed in time; how many."""
    found = await session.execute(
        text(
            "DELETE FROM auth.signups WHERE id IN (SELECT id FROM auth.signups"
            " WHERE expires_at <= app.now() ORDER BY expires_at LIMIT :limit) RETURNING 1"
        ),
        {"limit": limit},
    )
    return len(found.all())


def _not_confirmed(request: Request) -> Person:
    """What is told of somebody whose address is still to be proved, known to us or not."""
    now = clock.now()
    identity = {
        "identity_id": str(uuid4()),
        "id": str(request.id),
        "user_id": str(request.id),
        "identity_data": {"sub": str(request.id), "email": request.email, "email_verified": False},
        "provider": "email",
        "last_sign_in_at": now.isoformat(),
        "created_at": now.isoformat(),
        "updated_at": now.isoformat(),
        "email": request.email,
    }
    return Person(
        id=UserId(request.id),
        email=request.email,
        role="member",
        created_at=now,
        signs_in=True,
        email_confirmed_at=None,
        email_is_proven=False,
        disabled_at=None,
        new_email=None,
        app_metadata={},
        user_metadata=request.user_metadata,
        invited_at=None,
        last_sign_in_at=None,
        banned_until=None,
        updated_at=now,
        identities=[identity],
        factors=[],
    )
