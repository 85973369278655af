"""Who is asking: the bearer token verified, the person and the role read from our own database."""

import time
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request

from core.errors import LeadFuelError
from core.ids import UserId
from core.settings import AuthSettings
from db.sessions import Database, member
from domain import accounts, tokens

# How long a member is taken to be one without asking the database again. Administrators are looked up
# for every request: a right taken away ends at once.
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


@dataclass(frozen=True, slots=True)
class _Remembered:
    user: accounts.User
    until: float


class Authenticator:
    """Turns a request's token into a user; one instance per process."""

    def __init__(self, settings: AuthSettings, database: Database) -> None:
        tokens.check_secret(settings)
        self._settings = settings
        self._database = database
        self._remembered: dict[UserId, _Remembered] = {}

    def claimed_by(self, request: Request[Any, Any, Any]) -> UserId:
        """The user id of a verified token; no database is asked."""
        header = request.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        if not header:
            raise Unauthenticated("This path needs an Authorization header with a bearer token.")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
        return tokens.verify(self._settings, token.strip()).user_id

    async def user(self, user_id: UserId, *, afresh: bool = False) -> accounts.User:
        """The user behind a verified token, `afresh` from the database or as known a moment ago."""
        now = time.monotonic()
        known = self._remembered.get(user_id)
        if known is not None and now < known.until and not afresh:
            return known.user
        async with self._database.transaction(member(user_id), read_only=True) as session:
            user = await accounts.get(session, user_id=user_id)
        if user is None:
            self._remembered.pop(user_id, None)
            raise Unauthenticated("The bearer token names a user who does not exist.")
        if len(self._remembered) >= _REMEMBER_AT_MOST:
            self._remembered.clear()
        self._remembered[user_id] = _Remembered(user, now + REMEMBER_S)
        return user
