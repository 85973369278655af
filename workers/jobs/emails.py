"""The loop behind addresses: requests that are due, and whether mail servers can be reached at all."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from core.logs import get_logger
from core.settings import Settings
from db.sessions import Database
from domain.emails import outcomes, requests, working
from domain.finder import store
from domain.finder.learning import Company, Figures
from domain.finder.model import Model
from domain.finder.store import Learning
from domain.validator import selfcheck
from domain.validator.shared import open_validator
from domain.validator.validate import Validator
from indexer.loop import rest

log = get_logger(__name__)

EVERY_S: Final = 1.0
PORT_EVERY_S: Final = 1_800.0
FORGET_EVERY_S: Final = 3_600.0
LEARN_EVERY_S: Final = 3_600.0


async def run(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Work on requests until told to stop."""
    async with (
        open_validator(settings, patience_s=working.PATIENCE_S) as validator,
        asyncio.TaskGroup() as beside,
    ):
        beside.create_task(_watch_port(settings, validator, stop))
        beside.create_task(_forget(settings, db, stop))
        beside.create_task(_learn(settings, db, stop))
        desk = working.Desk(settings, db, validator)
        try:
            while not stop.is_set():
                if await desk.fill() or desk.is_full:
                    await desk.some_done(within_s=EVERY_S)
                else:
                    await rest(stop, EVERY_S)
        finally:
            await desk.leave()


async def _watch_port(settings: Settings, validator: Validator, stop: asyncio.Event) -> None:
    """Say at the start, and when it changes, whether mail servers can be reached; if not, ask none."""
    said: bool | None = None
    while not stop.is_set():
        found = await selfcheck.port_is_open(settings.validator)
        if found.is_good is not None:
            await validator.tell_port(is_open=found.is_good)
        if found.is_good is not said:
            if found.is_good is False:
                log.warning("no mail server can be asked: every address stays unknown", reason=found.detail)
            else:
                log.info("mail servers can be asked", detail=found.detail)
            said = found.is_good
        await rest(stop, PORT_EVERY_S)


async def _forget(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Let go of what is older than it is kept, every hour."""
    while not stop.is_set():
        if gone := await requests.forget(db, days=settings.validator.log_days):
            log.info("old checks and searches are forgotten", rows=gone)
        await rest(stop, FORGET_EVERY_S)


async def _learn(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Learn from the catalogue when it is time to, in a process of its own: it computes for minutes."""
    while not stop.is_set():
        await rest(stop, LEARN_EVERY_S)
        if not stop.is_set():
            version = await store.learn_when_due(
                db, settings.validator, aside=_in_a_process, live=outcomes.live_figures
            )
            if version is not None:
                log.info("patterns of addresses were learned", version=version)


async def _in_a_process(learning: Learning, companies: Sequence[Company]) -> tuple[Model, Figures]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, learning, companies)
