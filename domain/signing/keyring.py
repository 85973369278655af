"""The keys as a process holds them: read from the database now and then, made when there are none yet.

A key that another process has made is looked for when a token names it, but only so often: asking for keys
that nobody has must cost nothing.
"""

import asyncio
import time
from collections import deque
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import jwt

from core import clock
from core.logs import get_logger
from core.settings import AuthSettings
from db.sessions import SERVICE, Database
from domain.signing import keys
from domain.signing.envelope import DoesNotOpen
from domain.signing.keys import Purpose, SigningKey

log = get_logger(__name__)

ClientRole = Literal["anon", "service_role"]
# How often, within how long, the database is asked for keys that are not known.
UNKNOWN_READS: Final = 5
UNKNOWN_WITHIN_S: Final = 10.0
CLIENT_LIFETIME: Final = timedelta(days=3_650)


class Keyring:
    """The signing keys of this installation; one instance per process."""

    def __init__(self, settings: AuthSettings, database: Database) -> None:
        self.settings = settings
        self._database = database
        self._keys: dict[str, SigningKey] = {}
        self._read_at: float | None = None
        self._reading = asyncio.Lock()
        self._looked_at: deque[float] = deque(maxlen=UNKNOWN_READS)

    async def find(self, kid: str) -> SigningKey | None:
        """The key of this id, when there is one that still verifies."""
        await self._freshen()
        if kid not in self._keys and self._may_look():
            await self._read()
        key = self._keys.get(kid)
        return key if key is not None and key.verifies(clock.now()) else None

    async def current(self, purpose: Purpose) -> SigningKey:
        """The key that signs; the first one is made when it is wanted."""
        await self._freshen()
        key = self._current(purpose)
        if key is None:
            async with self._database.transaction(SERVICE) as session:
                await keys.ensure(session, self.settings, purpose=purpose)
            await self._read()
            key = self._current(purpose)
        if key is None:
            raise keys.SealedOtherwise("The signing keys cannot be opened.")
        return key

    async def signing_until(self, expires_at: datetime) -> SigningKey:
        """The key to sign with what lives until then: it will verify for as long, rotated or not."""
        key = await self.current("access")
        if expires_at <= clock.now() + keys.lifetime(self.settings):
            return key
        while True:
            async with self._database.transaction(SERVICE) as session:
                if await keys.cover(session, kid=key.kid, until=expires_at):
                    return key
            await self._read()
            key = await self.current("access")

    async def client_key(self, role: ClientRole) -> str:
        """The anon or the service key: a JWT without a person, the same one for as long as its key lasts."""
        key = await self.current("client")
        issued_at = key.created_at.replace(microsecond=0)
        claims = {
            "iss": self.settings.issuer,
            "role": role,
            "iat": int(issued_at.timestamp()),
            "exp": int((issued_at + CLIENT_LIFETIME).timestamp()),
        }
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid})

    async def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public halves of all keys that verify what people bear, as a JWK set (RFC 7517)."""
        await self.current("access")
        now = clock.now()
        return {"keys": [key.jwk for key in self._keys.values() if key.jwk and key.verifies(now)]}

    def _current(self, purpose: Purpose) -> SigningKey | None:
        found = (key for key in self._keys.values() if key.purpose == purpose and key.retired_at is None)
        return next(found, None)

    async def _freshen(self) -> None:
        """Read the keys again when they are old; while one caller does, the others go on with the old."""
        if self._age() < keys.NOTICED_WITHIN.total_seconds():
            return
        if self._read_at is None or not self._reading.locked():
            await self._read()

    async def _read(self) -> None:
        asked_at = time.monotonic()
        async with self._reading:
            if self._read_at is not None and self._read_at > asked_at:
                return  # somebody else has just read them
            async with self._database.transaction(SERVICE, read_only=True) as session:
                rows = await keys.rows(session)
            known, unopened = {}, 0
            for row in rows:
                try:
                    known[row.kid] = keys.opened(self.settings, row)
                except DoesNotOpen:
                    unopened += 1
            if unopened:
                log.warning("signing keys do not open with LEADFUEL_JWT_SECRET", **{"keys.count": unopened})
            self._keys = known
            self._read_at = time.monotonic()

    def _may_look(self) -> bool:
        now = time.monotonic()
        if len(self._looked_at) == UNKNOWN_READS and now - self._looked_at[0] < UNKNOWN_WITHIN_S:
            return False
        self._looked_at.append(now)
        return True

    def _age(self) -> float:
        return float("inf") if self._read_at is None else time.monotonic() - self._read_at
