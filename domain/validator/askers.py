"""How many people of one domain an asker may ask for in a day.

Names tried one after the other would list a company's mailboxes. Who looks after a list of contacts asks for
some hundreds at a company; the bound is far above that. Domains of free mail have none: what they would tell
is no company's directory, and lists of customers are full of them.
"""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import LeadFuelError
from core.logs import get_logger
from core.settings import ValidatorSettings
from domain.validator import lists

log = get_logger(__name__)

_WINDOW_S: Final = 86_400


class TooManyOfDomain(LeadFuelError):
    """So many people of one company were asked for that it would become its directory; wait for a day.

    `limit` is how many may be asked for within a day, `domain` where.
    """

    status = 429
    slug = "too-many-of-a-domain"
    title = "Too many addresses of one domain"


class Askers(Protocol):
    """Who has asked for whom at which domain; a repetition is not counted."""

    async def admit(self, asker: str, domain: str, subject: str) -> None:
        """Raises `TooManyOfDomain`."""


@dataclass(slots=True)
class _Asked:
    until: float
    subjects: set[str] = field(default_factory=set)


class LocalAskers:
    """Counted in this process."""

    def __init__(self, settings: ValidatorSettings) -> None:
        self._settings = settings
        self._asked: dict[tuple[str, str], _Asked] = {}

    async def admit(self, asker: str, domain: str, subject: str) -> None:
        most = _most(self._settings, domain)
        if not most:
            return
        now = time.monotonic()
        if len(self._asked) > 10_000:
            self._asked = {key: kept for key, kept in self._asked.items() if kept.until > now}
        asked = self._asked.get((asker, domain))
        if asked is None or asked.until <= now:
            asked = self._asked[asker, domain] = _Asked(now + _WINDOW_S)
        if subject not in asked.subjects and len(asked.subjects) >= most:
            raise _refusal(most, domain)
        asked.subjects.add(subject)


_ADMIT: Final = """
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 1 end
local count = redis.call('SCARD', KEYS[1])
if count >= tonumber(ARGV[2]) then return 0 end
redis.call('SADD', KEYS[1], ARGV[1])
if count == 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
"""


class RedisAskers:
    """Counted for all processes together; with Redis out of reach each counts by itself."""

    def __init__(
        self, redis: "Redis", settings: ValidatorSettings, *, prefix: str = "leadfuel:asked:"
    ) -> None:
        self._settings = settings
        self._prefix = prefix
        self._own = LocalAskers(settings)
        self._admit: Any = redis.register_script(_ADMIT)

    async def admit(self, asker: str, domain: str, subject: str) -> None:
        most = _most(self._settings, domain)
        if not most:
            return None
        key = f"{self._prefix}{asker}:{_mark(domain)}"
        try:
            is_admitted = await self._admit(keys=[key], args=[_mark(subject), most, _WINDOW_S])
        except RedisError as error:
            log.warning("the shared count of askers does not answer", error=str(error)[:200])
            return await self._own.admit(asker, domain, subject)
        if not is_admitted:
            raise _refusal(most, domain)
        return None


def _most(settings: ValidatorSettings, domain: str) -> int:
    """The bound for a domain; 0 is none."""
    return 0 if domain in lists.load(settings.lists_folder).free else max(settings.per_domain, 0)


def _mark(text: str) -> str:
    """Short, and does not say whose it is."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _refusal(most: int, domain: str) -> TooManyOfDomain:
    return TooManyOfDomain(
        f"More than {most} people at {domain} were asked for within a day.", limit=most, domain=domain
    )
