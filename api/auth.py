"""Who is asking: the bearer verified, the person and the role read from our own database at every request.

A role taken away, an account disabled, a session ended and a key revoked hold with the next request; only a
token's signature is believed for some seconds after it was checked.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Request

from core import clock
from core.errors import LeadFuelError
from core.ids import UserId
from db.sessions import SERVICE, Actor, Database, member
from domain import accounts, api_keys, tokens
from domain.api_keys import ApiKey, Scope
from domain.outside import identities
from domain.outside.verify import Outsiders
from domain.signing.keyring import Keyring

# A signature costs a tenth of a millisecond; a user who works sends the same token again and again.
REMEMBER_S: Final = 5.0
_REMEMBER_AT_MOST: Final = 10_000


class Unauthenticated(LeadFuelError):
    """The route needs a bearer token and there is none that names a user."""

    status = 401
    slug = "unauthenticated"
    title = "Who are you?"


class NotAllowed(LeadFuelError):
    """The route is for administrators."""

    status = 403
    slug = "not-allowed"
    title = "Not allowed"


class ScopeMissing(LeadFuelError):
    """The API key was not made for this: it lacks the scope, or the route is for people alone."""

    status = 403
    slug = "scope-missing"
    title = "The API key may not do this"


class AccountDisabled(LeadFuelError):
    """An administrator has disabled this account."""

    status = 403
    slug = "account-disabled"
    title = "The account is disabled"


class SessionEnded(LeadFuelError):
    """The session that this token belongs to is over: somebody has signed out, or has a new password."""

    status = 401
    slug = "session-ended"
    title = "The session is over"


class SecondFactorNeeded(LeadFuelError):
    """The account has a second factor, and whoever bears this token has not shown it."""

    status = 403
    slug = "second-factor-needed"
    title = "Show the second factor first"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token or key a request bears, and what a key may do; None is all that the person may.

    `session_id` is that of a token that somebody got by signing in here; no other has one.
    """

    user_id: UserId
    scopes: frozenset[Scope] | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a verified token is about, until when, and of which session of ours it is."""

    user_id: UserId
    expires_at: datetime
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Verified:
    person: Person
    until: float


class Authenticator:
    """Turns a request's token into a user; one instance per process."""

    def __init__(self, ring: Keyring, outsiders: Outsiders, database: Database) -> None:
        self._ring = ring
        self._outsiders = outsiders
        self._database = database
        self._verified: dict[str, _Verified] = {}

    async def bearer(self, request: Request[Any, Any, Any]) -> Bearer:
        """Whose verified token or key a request bears; account and session may be over already."""
        header = request.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        if not header:
            raise Unauthenticated("This path needs an Authorization header with a bearer token.")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
        value = token.strip()
        if api_keys.is_key(value):
            key = await self._key(value)
            return Bearer(key.user_id, frozenset(key.scopes))
        person = await self.person(value)
        return Bearer(person.user_id, session_id=person.session_id)

    async def user(self, bearer: Bearer) -> accounts.User:
        """Who bears it as the database has them now, account and session in one look."""
        return await self.who(member(bearer.user_id, bearer.session_id))

    async def who(self, actor: Actor) -> accounts.User:
        """The person that an actor is; refuses one who may not act any more."""
        rows = await self._database.fetch(actor, accounts.SELECT_ME)
        check_standing(rows[0]["standing"] if rows else None)
        return accounts.of_row(rows[0])

    async def person(self, token: str) -> Person:
        """Whom a token, ours or another issuer's, is about; verified now or a moment ago.

        Somebody who comes with another issuer's token for the first time is made a user here.
        """
        now = time.monotonic()
        known = self._verified.get(token)
        if known is not None and now < known.until and clock.now() < known.person.expires_at:
            return known.person
        person = await self._verify(token)
        if len(self._verified) >= _REMEMBER_AT_MOST:
            self._verified.clear()
        self._verified[token] = _Verified(person, now + REMEMBER_S)
        return person

    async def actor(self, token: str) -> Actor:
        """As whom a statement runs: the person a token is about, or the role of a client's key."""
        if token not in self._verified and self._outsiders.issuer_of(token) is None:
            found = await tokens.read(self._ring, token)
            if not isinstance(found, tokens.Claims):
                return Actor(found)
        person = await self.person(token)
        return member(person.user_id, person.session_id)

    async def _verify(self, token: str) -> Person:
        issuer = self._outsiders.issuer_of(token)
        if issuer is None:
            claims = await tokens.verify(self._ring, token)
            if claims.said.get("needs_aal2") is True and claims.said.get("aal") != "aal2":
                raise SecondFactorNeeded(
                    "This account has a second factor: show it first (/auth/v1/factors)."
                )
            return Person(claims.user_id, claims.expires_at, claims.session_id)
        outsider = await self._outsiders.verified(token, issuer)
        async with self._database.transaction(SERVICE) as session:
            return Person(await identities.user_of(session, outsider), outsider.expires_at)

    async def _key(self, value: str) -> ApiKey:
        async with self._database.transaction(SERVICE) as session:
            key = await api_keys.holder(session, value=value)
            if api_keys.is_used_again(key):
                await api_keys.note_use(session, key_id=key.id)
        return key


def check_standing(standing: accounts.Standing | None) -> None:
    """Refuse who may not act any more, by what `auth.standing()` said of them."""
    if standing is None:
        raise Unauthenticated("The bearer token names a user who does not exist.")
    if standing == "disabled":
        raise AccountDisabled("This account is disabled; ask an administrator of this installation.")
    if standing == "signed_out":
        raise SessionEnded("The session of this token is over; sign in again.")
