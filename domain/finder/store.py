"""Models in the database: each learning is a version, and the newest is the one that answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.settings import ValidatorSettings
from db.sessions import SERVICE, Database
from domain.finder import evidence, learning
from domain.finder.learning import Company, Figures
from domain.finder.model import Model, model_from_json

# More companies do not change the priors; the rest of the catalogue speaks when one of its people is sought.
MAX_COMPANIES: Final = 4_000
_KEPT_VERSIONS: Final = 60
# Changes are learned every day, everything anew after so long.
LEARN_EVERY: Final = timedelta(days=1)
ANEW_EVERY: Final = timedelta(days=30)

Learning = Callable[[Sequence[Company]], tuple[Model, Figures]]
# Runs a learning aside, for it keeps a processor busy for minutes.
Aside = Callable[[Learning, Sequence[Company]], Awaitable[tuple[Model, Figures]]]
# How answers have done in the world so far.
Live = Callable[[AsyncSession], Awaitable[Mapping[str, Any]]]


async def learn(
    db: Database,
    settings: ValidatorSettings,
    *,
    limit: int = MAX_COMPANIES,
    only_changed: bool = False,
    aside: Aside = asyncio.to_thread,
    live: Live | None = None,
) -> tuple[Model, Figures] | None:
    """Learn from the catalogue and keep what was learned; reading and writing are two transactions.

    With `only_changed` the newest version is moved on by the companies whose addresses have changed since;
    None when there are none. What `live` tells is kept with the figures, so that it can be seen over time.
    """
    async with db.transaction(SERVICE, read_only=True) as session:
        before = await newest(session) if only_changed else Model()
        since = await session.scalar(
            text("SELECT created_at FROM finder_models WHERE id = :id"), {"id": before.version}
        )
        companies = await evidence.companies(session, settings, limit=limit, since=since)
    if since is not None and not companies:
        return None
    learning_of = partial(learning.refine, before) if since is not None else learning.learn
    model, figures = await aside(learning_of, companies)
    async with db.transaction(SERVICE) as session:
        more = {"whole": since is None} | ({"live": await live(session)} if live is not None else {})
        version = await save(session, model, figures.as_json() | more)
    return replace(model, version=version), figures


async def held_back(db: Database, settings: ValidatorSettings, *, limit: int = MAX_COMPANIES) -> Figures:
    """How good a model of today's catalogue would be on companies it had not seen; nothing is kept."""
    async with db.transaction(SERVICE, read_only=True) as session:
        companies = await evidence.companies(session, settings, limit=limit)
    return await asyncio.to_thread(learning.crossed, companies)


async def learn_when_due(
    db: Database, settings: ValidatorSettings, *, aside: Aside, live: Live | None = None
) -> int | None:
    """Learn what has changed if a day has passed, or everything after a month; the new version, if any.

    Two processes that find it due at once both learn, which does no harm. An installation without known
    addresses learns nothing.
    """
    async with db.transaction(SERVICE, read_only=True) as session:
        found = await session.execute(
            text(
                """
                SELECT max(created_at) AS last,
                       max(created_at) FILTER (WHERE CAST(figures ->> 'whole' AS bool)) AS whole,
                       EXISTS (SELECT FROM contacts WHERE email IS NOT NULL AND organization_id > 0) AS known
                FROM finder_models
                """
            )
        )
        row = found.one()
    now = clock.now()
    if not row.known or (row.last is not None and now - row.last < LEARN_EVERY):
        return None
    only_changed = row.whole is not None and now - row.whole < ANEW_EVERY
    learned = await learn(db, settings, only_changed=only_changed, aside=aside, live=live)
    return learned[0].version if learned is not None else None


async def save(session: AsyncSession, model: Model, figures: Mapping[str, Any]) -> int:
    """Keep a model as the newest version; the oldest ones go."""
    found = await session.execute(
        text(
            "INSERT INTO finder_models (model, figures)"
            " VALUES (CAST(:model AS jsonb), CAST(:figures AS jsonb)) RETURNING id"
        ),
        {
            "model": orjson.dumps(model.as_json()).decode(),
            "figures": orjson.dumps(figures).decode(),
        },
    )
    version: int = found.scalar_one()
    await session.execute(
        text("DELETE FROM finder_models WHERE id <= :oldest"), {"oldest": version - _KEPT_VERSIONS}
    )
    return version


async def newest(session: AsyncSession) -> Model:
    """The model that answers; before anything was learned, the one that knows nothing."""
    found = await session.execute(text("SELECT id, model FROM finder_models ORDER BY id DESC LIMIT 1"))
    row = found.one_or_none()
    return model_from_json(row.model, version=row.id) if row else Model()


async def history(session: AsyncSession) -> list[tuple[int, datetime, dict[str, Any]]]:
    """The figures of all kept versions, the newest first."""
    found = await session.execute(text("SELECT id, created_at, figures FROM finder_models ORDER BY id DESC"))
    return [(row.id, row.created_at, row.figures) for row in found]
