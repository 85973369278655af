"""Who can sign in: the person of the product, how that person signs in, and what may be told of both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.ids import UserId
from db.sessions import SERVICE, acting
from domain import accounts
from domain.auth.errors import EmailAddressInvalid, UserAlreadyExists, UserBanned, ValidationFailed

# They travel in every access token, which has to fit into a header.
MAX_METADATA_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from."""

    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the one who signs in. `role` is the product's own and comes from nowhere else."""

    id: UserId
    email: str
    role: accounts.Role
    created_at: datetime
    # False for one whom an operator made and who has not signed in yet.
    signs_in: bool
    email_confirmed_at: datetime | None
    email_is_proven: bool
    disabled_at: datetime | None
    new_email: str | None
    app_metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any]
    invited_at: datetime | None
    last_sign_in_at: datetime | None
    banned_until: datetime | None
    updated_at: datetime
    identities: Sequence[Mapping[str, Any]]
    factors: Sequence[Mapping[str, Any]]

    @property
    def providers(self) -> list[str]:
        return sorted({identity["provider"] for identity in self.identities}) or ["email"]

    @property
    def shown_app_metadata(self) -> dict[str, Any]:
        """What the service keeps about the person, with the ways they sign in."""
        return {**self.app_metadata, "provider": self.providers[0], "providers": self.providers}

    @property
    def is_closed(self) -> bool:
        """Whether an administrator has disabled the account, or the service has banned it for a time."""
        is_banned = self.banned_until is not None and self.banned_until > clock.now()
        return is_banned or self.disabled_at is not None

    @property
    def has_second_factor(self) -> bool:
        return any(factor["status"] == "verified" for factor in self.factors)

    def require_open(self) -> None:
        """Refuse somebody whose account is closed."""
        if self.is_closed:
            raise UserBanned("User is banned")


@dataclass(frozen=True, slots=True)
class Consent:
    """To what somebody has agreed, when, and from where."""

    text_version: str
    origin: Origin
    given_at: datetime


PERSON: Final = """
    SELECT u.id, u.email::text AS email, u.role, u.created_at, a.id IS NOT NULL AS signs_in,
           a.email_confirmed_at, coalesce(a.email_is_proven, false) AS email_is_proven,
           u.disabled_at, a.new_email::text AS new_email, coalesce(a.app_metadata, '{}') AS app_metadata,
           coalesce(a.user_metadata, '{}') AS user_metadata, a.invited_at, a.last_sign_in_at, a.banned_until,
           coalesce(a.updated_at, u.created_at) AS updated_at,
           (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id,
                       'identity_data', i.identity_data, 'provider', i.provider,
                       'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at,
                       'updated_at', i.updated_at, 'email', i.identity_data ->> 'email')
                   ORDER BY i.created_at, i.id), '[]')
            FROM auth.identities AS i WHERE i.user_id = u.id) AS identities,
           (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'id', f.id, 'friendly_name', f.friendly_name, 'factor_type', f.factor_type,
                       'status', f.status, 'created_at', f.created_at, 'updated_at', f.updated_at)
                   ORDER BY f.created_at, f.id), '[]')
            FROM auth.mfa_factors AS f WHERE f.user_id = u.id) AS factors
    FROM app.users AS u LEFT JOIN auth.users AS a ON a.id = u.id
"""


async def get(session: AsyncSession, *, user_id: UserId) -> Person | None:
    found = await session.execute(text(f"{PERSON} WHERE u.id = :id"), {"id": user_id})
    return person_or_none(found.one_or_none())


async def by_email(session: AsyncSession, *, email: str) -> Person | None:
    statement = text(f"{PERSON} WHERE u.email = CAST(:email AS citext)")
    return person_or_none((await session.execute(statement, {"email": email})).one_or_none())


async def by_new_email(session: AsyncSession, *, email: str) -> Person | None:
    """Who was the last to ask for this address in place of their own."""
    latest = "WHERE a.new_email = CAST(:email AS citext) ORDER BY a.updated_at DESC LIMIT 1"
    statement = text(f"{PERSON} {latest}")
    return person_or_none((await session.execute(statement, {"email": email})).one_or_none())


async def make(
    session: AsyncSession,
    *,
    user_id: UserId,
    email: str,
    password_hash: str | None = None,
    is_confirmed: bool,
    is_proven: bool,
    user_metadata: Mapping[str, Any] | None = None,
    app_metadata: Mapping[str, Any] | None = None,
    is_invited: bool = False,
    consent: Consent | None = None,
) -> UserId:
    """Make an account; the id is another one when an operator had made the person before.

    Raises `UserAlreadyExists` when there is one that signs in.
    """
    async with acting(session, SERVICE):
        made = await accounts.make(session, user_id=user_id, email=email)
    new = await session.scalar(
        text(
            """
            INSERT INTO auth.users (id, password_hash, email_confirmed_at, email_is_proven, user_metadata,
                                    app_metadata, invited_at)
            VALUES (:id, :password_hash, CASE WHEN :is_confirmed THEN app.now() END, :is_proven,
                    CAST(:user_metadata AS jsonb), CAST(:app_metadata AS jsonb),
                    CASE WHEN :is_invited THEN app.now() END)
            ON CONFLICT DO NOTHING RETURNING id
            """
        ),
        {
            "id": made,
            "password_hash": password_hash,
            "is_confirmed": is_confirmed,
            "is_proven": is_proven,
            "user_metadata": json.dumps(dict(user_metadata or {})),
            "app_metadata": json.dumps(dict(app_metadata or {})),
            "is_invited": is_invited,
        },
    )
    if new is None:
        raise UserAlreadyExists("User already registered")
    await add_identity(
        session,
        user_id=made,
        provider="email",
        provider_id=str(made),
        data={
            "sub": str(made),
            "email": email,
            "email_verified": is_confirmed and is_proven,
            "phone_verified": False,
        },
    )
    if consent is not None:
        await keep_consent(session, user_id=made, consent=consent)
    return made


async def add_identity(
    session: AsyncSession, *, user_id: UserId, provider: str, provider_id: str, data: Mapping[str, Any]
) -> None:
    """Let somebody sign in by a provider; what the provider says anew replaces what it said."""
    await session.execute(
        text(
            """
            INSERT INTO auth.identities (user_id, provider, provider_id, identity_data)
            VALUES (:user_id, :provider, :provider_id, CAST(:data AS jsonb))
            ON CONFLICT (provider, provider_id) DO UPDATE
            SET identity_data = excluded.identity_data, updated_at = app.now()
            """
        ),
        {
            "user_id": user_id,
            "provider": provider,
            "provider_id": provider_id,
            "data": json.dumps(dict(data)),
        },
    )


async def prove_address(session: AsyncSession, *, person: Person) -> None:
    """Somebody has shown that the account's address is theirs.

    If the address had been taken at its word before, whoever made the account may have been somebody else:
    the password and the sessions of that time end here.
    """
    if person.email_is_proven:
        return
    if person.email_confirmed_at is not None:
        await session.execute(text("DELETE FROM auth.sessions WHERE user_id = :id"), {"id": person.id})
    await session.execute(
        text(
            """
            UPDATE auth.users
            SET password_hash = CASE WHEN email_confirmed_at IS NULL THEN password_hash END,
                email_confirmed_at = coalesce(email_confirmed_at, app.now()), email_is_proven = true,
                updated_at = app.now()
            WHERE id = :id
            """
        ),
        {"id": person.id},
    )
    await session.execute(
        text(
            "UPDATE auth.identities SET identity_data = identity_data || '{\"email_verified\": true}',"
            " updated_at = app.now() WHERE user_id = :id AND provider = 'email'"
        ),
        {"id": person.id},
    )


async def keep_consent(session: AsyncSession, *, user_id: UserId, consent: Consent) -> None:
    """Write down an agreement; it can be neither changed nor taken away."""
    await session.execute(
        text(
            "INSERT INTO auth.consents (user_id, text_version, address, user_agent, given_at)"
            " VALUES (:user_id, :text_version, CAST(:address AS inet), :user_agent, :given_at)"
        ),
        {
            "user_id": user_id,
            "text_version": consent.text_version,
            "address": consent.origin.address,
            "user_agent": consent.origin.user_agent,
            "given_at": consent.given_at,
        },
    )


async def note(
    session: AsyncSession, *, user_id: UserId, action: str, origin: Origin, **details: str
) -> None:
    """Write down what an account has gone through; it can be neither changed nor taken away."""
    await session.execute(
        text(
            "INSERT INTO auth.events (user_id, action, address, details)"
            " VALUES (:user_id, :action, CAST(:address AS inet), CAST(:details AS jsonb))"
        ),
        {
            "user_id": user_id,
            "action": action,
            "address": origin.address,
            "details": json.dumps(details),
        },
    )


def read_address(email: str) -> str:
    """An address as it is stored; raises `EmailAddressInvalid`."""
    try:
        return accounts.read_address(email)
    except accounts.BadAddress:
        raise EmailAddressInvalid("Unable to validate email address: invalid format") from None


def read_metadata(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """What somebody says of themselves: any object of moderate size, which gives no right to anything."""
    read = dict(data or {})
    if len(json.dumps(read).encode()) > MAX_METADATA_BYTES:
        raise ValidationFailed(f"Metadata can have {MAX_METADATA_BYTES:,} bytes at the most.")
    return read


def person_or_none(row: Row[Any] | None) -> Person | None:
    return None if row is None else Person(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
