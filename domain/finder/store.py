"""Models in the database: each learning is a version, and the newest is the one that answers."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.settings import ValidatorSettings
from db.sessions import SERVICE, Database
from domain.finder import evidence, learning
from domain.finder.learning import Figures
from domain.finder.model import Model, model_from_json

# More companies do not change the priors; the rest of the catalogue speaks when one of its people is sought.
MAX_COMPANIES: Final = 4_000
_KEPT_VERSIONS: Final = 20


async def learn(
    db: Database, settings: ValidatorSettings, *, limit: int = MAX_COMPANIES
) -> tuple[Model, Figures]:
    """Learn from the catalogue and keep what was learned; reading and writing are two transactions."""
    async with db.transaction(SERVICE, read_only=True) as session:
        companies = await evidence.companies(session, settings, limit=limit)
    model, figures = await asyncio.to_thread(learning.learn, companies)
    async with db.transaction(SERVICE) as session:
        version = await save(session, model, figures)
    return replace(model, version=version), figures


async def save(session: AsyncSession, model: Model, figures: Figures) -> int:
    """Keep a model as the newest version; the oldest ones go."""
    found = await session.execute(
        text(
            "INSERT INTO finder_models (model, figures)"
            " VALUES (CAST(:model AS jsonb), CAST(:figures AS jsonb)) RETURNING id"
        ),
        {
            "model": orjson.dumps(model.as_json()).decode(),
            "figures": orjson.dumps(figures.as_json()).decode(),
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
