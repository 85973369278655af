"""What the worker does for requests: it takes those that are due and asks, many at a time.

The rows are the queue. With Redis down requests are worked all the same; a process that dies loses nothing
but its leases, which end by themselves.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from core.errors import LeadFuelError
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain.credits.errors import OutOfCredits
from domain.emails import asking, requests
from domain.emails.asking import FORBIDDEN, Trade
from domain.emails.checks import Checks
from domain.emails.requests import Kind, Request
from domain.emails.searches import Searches
from domain.validator.limits import Held
from domain.validator.validate import Validator

log = get_logger(__name__)

# So often a request may be begun without anything coming of it; then the fault is not the world's.
MAX_CLAIMS: Final = 5
# How long a request waits for a place within the limits before others are let past.
PATIENCE_S: Final = 2.0
_SHORTEST_PAUSE_S: Final = 1.0


class Desk:
    """Requests at work, up to so many at once."""

    def __init__(self, settings: Settings, db: Database, validator: Validator) -> None:
        self._db = db
        self._at_once = settings.validator.at_once
        # A search may talk to three servers in turn.
        self._lease_s = 3 * settings.validator.total_timeout_s + 30
        self._trades: Mapping[Kind, Trade] = {
            "validate": Checks(settings, validator),
            "find": Searches(settings, validator, db),
        }
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        return len(self._tasks) >= self._at_once

    async def fill(self) -> int:
        """Take up what is due, as far as there is room; how many requests."""
        room = self._at_once - len(self._tasks)
        if room <= 0:
            return 0
        claimed = await requests.claim(self._db, limit=room, lease_s=self._lease_s)
        for request in claimed:
            task = asyncio.create_task(self.serve(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(claimed)

    async def some_done(self, *, within_s: float) -> None:
        """Wait until a request is done with, or the time is over."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)

    async def empty(self) -> None:
        """Wait for everything that is being worked on."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def leave(self) -> None:
        """Stop; what is not done is anybody's at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve(self, request: Request) -> None:
        """Bring one request as far as it goes now; its troubles are its own."""
        trade = self._trades[request.kind]
        try:
            await self._serve(trade, request)
        except asyncio.CancelledError:
            await requests.hand_over(self._db, request)
            raise
        except Held as held:
            await requests.put_off(self._db, request, seconds=max(held.wait_s, _SHORTEST_PAUSE_S))
        except OutOfCredits as error:
            await asking.fail(self._db, request, error=error.detail)
        except LeadFuelError as error:
            if error.status >= 500:
                await self._trouble(request, error)
            else:
                await asking.fail(self._db, request, error=error.detail, forgets=error.status == FORBIDDEN)
        except Exception as error:  # noqa: BLE001 - whatever befalls one request, the others go on
            await self._trouble(request, error)

    async def _serve(self, trade: Trade, request: Request) -> None:
        async with self._db.transaction(SERVICE) as session:
            await requests.alone(session, request)
            mine = await requests.hold(session, request)
            if mine is None:
                return
            request = await asking.prepare(session, trade, mine)
        if request.is_over:
            return
        outcome = await trade.ask(request)
        await asking.settle(self._db, trade, request, outcome, is_late=True)

    async def _trouble(self, request: Request, error: Exception) -> None:
        """An error of ours: the request is tried again when its lease ends, a few times."""
        log.error(
            "a request for an address failed",
            exc_info=error,
            **{"request.id": str(request.id), "request.kind": request.kind, "claims": request.claims},
        )
        if request.claims >= MAX_CLAIMS:
            await asking.fail(self._db, request, error="The request could not be carried out.")
