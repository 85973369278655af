"""Loops that must not end: each is started again when it falls, until all are told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping

from core.logs import get_logger

log = get_logger(__name__)

Loop = Callable[[asyncio.Event], Awaitable[None]]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# A loop that ran this long is taken to be well again.
GOOD_AFTER_S = 60.0
GRACE_S = 25.0


async def supervise(loops: Mapping[str, Loop], stop: asyncio.Event, *, grace_s: float = GRACE_S) -> None:
    """Run the loops side by side; return when `stop` is set and they have finished, or their grace is over.

    A loop that returns by itself has done its work; one that raises is started again after a pause.
    """
    tasks = {asyncio.create_task(_keep(name, loop, stop), name=name) for name, loop in loops.items()}
    stopping = asyncio.create_task(stop.wait())
    try:
        await stopping
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            log.warning("a loop did not stop in time and is cut off", loop=task.get_name())
    finally:
        stopping.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set the event for the length of the block; a second SIGINT interrupts."""
    loop = asyncio.get_running_loop()
    taken = (signal.SIGTERM, signal.SIGINT)

    def on_signal() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in taken:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


async def _keep(name: str, loop: Loop, stop: asyncio.Event) -> None:
    pause = FIRST_PAUSE_S
    clock = asyncio.get_running_loop()
    while not stop.is_set():
        started = clock.time()
        try:
            await loop(stop)
        except Exception as error:  # noqa: BLE001 - whatever ends a loop, the loop goes on
            if clock.time() - started > GOOD_AFTER_S:
                pause = FIRST_PAUSE_S
            log.warning(
                "a loop fell and is started again",
                loop=name,
                error=str(error)[:300],
                kind=type(error).__name__,
                pause_s=pause,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(LONGEST_PAUSE_S, pause * 2)
        else:
            return
