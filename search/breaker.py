"""A circuit breaker: an engine that failed is left alone and asked in the background until it is back.

A person pays for a failure once. Until a probe has succeeded nobody else waits for the engine.
"""

import asyncio
from collections.abc import Awaitable, Callable

from core.logs import get_logger
from search.plan import EngineFailed

log = get_logger(__name__)


class Breaker:
    """`probe` raises while the engine is unfit; it is called every `pause_s` while the circuit is open."""

    def __init__(
        self, probe: Callable[[], Awaitable[None]], *, failures: int, pause_s: float, probe_timeout_s: float
    ) -> None:
        self._probe = probe
        self._failures_allowed = failures
        self._pause_s = pause_s
        self._probe_timeout_s = probe_timeout_s
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None
        self.reason: str | None = None

    @property
    def closed(self) -> bool:
        """Whether the engine may be asked."""
        return self.reason is None

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, reason: str) -> None:
        """Count a failure; the one too many opens the circuit and starts the probing."""
        self._failures += 1
        if self._failures < self._failures_allowed or not self.closed:
            return
        self.reason = reason
        log.warning("search engine left alone", reason=reason)
        self._probing = asyncio.get_running_loop().create_task(self._probe_until_back())

    async def _probe_until_back(self) -> None:
        while not self.closed:
            await asyncio.sleep(self._pause_s)
            try:
                async with asyncio.timeout(self._probe_timeout_s):
                    await self._probe()
            except EngineFailed as error:
                self.reason = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the engine is not back
                self.reason = type(error).__name__
            else:
                self.reason = None
                self._failures = 0
                log.info("search engine is back")

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
