"""The HTTP application: `create_app(settings)` for whoever has settings, `factory()` for uvicorn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException

from api import openapi, problems
from api.edge import Edge
from api.faces import functions, realtime, storage
from api.faces.auth import endpoints as auth_face
from api.faces.jwks import show_jwks
from api.faces.rest import serve
from api.limits import TooManyRequests
from api.operations import Operation, handlers
from api.routes import (
    alerts,
    api_keys,
    audit,
    billing,
    contacts,
    description,
    email_jobs,
    emails,
    exports,
    filters,
    health,
    hidden,
    icps,
    imports,
    index,
    jobs,
    lists,
    members,
    metrics,
    organizations,
    search,
    search_schema,
    suggest,
    usage,
    users,
    webhooks,
)
from api.routes import credits as credit_routes
from api.services import open_services
from core import logs
from core.errors import LeadFuelError
from core.settings import ApiSettings, Settings
from domain import tokens
from domain.outside import issuers

# Every noun's endpoints: the one place where they are registered.
OPERATIONS: Final[Sequence[Operation]] = (
    *search.OPERATIONS,
    *suggest.OPERATIONS,
    *filters.OPERATIONS,
    *contacts.OPERATIONS,
    *organizations.OPERATIONS,
    *hidden.OPERATIONS,
    *credit_routes.OPERATIONS,
    *billing.OPERATIONS,
    *imports.OPERATIONS,
    *emails.OPERATIONS,
    *email_jobs.OPERATIONS,
    *lists.OPERATIONS,
    *members.OPERATIONS,
    *icps.OPERATIONS,
    *alerts.OPERATIONS,
    *webhooks.OPERATIONS,
    *exports.OPERATIONS,
    *storage.OPERATIONS,
    *jobs.OPERATIONS,
    *api_keys.OPERATIONS,
    *users.OPERATIONS,
    *audit.OPERATIONS,
    *usage.OPERATIONS,
    *index.OPERATIONS,
    *health.OPERATIONS,
    *metrics.OPERATIONS,
    *description.OPERATIONS,
)


# What Supabase's clients send; a browser asks for each of them first.
_CLIENT_HEADERS: Final = (
    "ApiKey",
    "Accept",
    "Accept-Profile",
    "Content-Profile",
    "Prefer",
    "Range",
    "Range-Unit",
    "X-Client-Info",
    "X-Supabase-Api-Version",
    "X-Retry-Count",
    "X-Region",
    "X-Upsert",
    "Cache-Control",
)


def create_app(settings: Settings) -> Litestar:
    """The app over these settings; connects to nothing before it is started, and refuses a bad secret."""
    tokens.check_secret(settings.auth)
    issuers.read(settings.auth)

    @asynccontextmanager
    async def services(app: Litestar) -> AsyncIterator[None]:
        async with open_services(settings) as opened:
            app.state.services = opened
            yield

    app = Litestar(
        route_handlers=[
            *handlers((*OPERATIONS, *functions.short_paths(OPERATIONS))),
            show_jwks,
            *auth_face.HANDLERS,
            *serve.HANDLERS,
            *storage.HANDLERS,
            *realtime.HANDLERS,
        ],
        lifespan=[services],
        exception_handlers={
            HTTPException: problems.handle,
            LeadFuelError: problems.handle,
            Exception: problems.handle,
        },
        # Bodies are measured where they are read, each route by its own limit.
        request_max_body_size=None,
        cors_config=_cors(settings.api),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.state.operations = OPERATIONS
    app.state.openapi = msgspec.json.encode(openapi.describe(OPERATIONS, overlay=_overlay))
    app.asgi_handler = Edge(app.asgi_handler)
    return app


def _overlay(document: dict[str, Any]) -> None:
    """What nouns add to the description beyond the types of their operations."""
    search_schema.add_vocabularies(document)
    description.add_slugs(document)


def factory() -> Litestar:
    """For `uvicorn api.app:factory --factory`: settings from the environment, logs set up."""
    settings = Settings.from_env()
    logs.configure(level=settings.api.log_level)
    return create_app(settings)


def _cors(settings: ApiSettings) -> CORSConfig | None:
    """Cross-origin requests are refused unless origins are named."""
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "X-Request-ID", "Idempotency-Key", *_CLIENT_HEADERS],
        expose_headers=[
            "Content-Range",
            "Content-Location",
            "Location",
            "Range-Unit",
            "Preference-Applied",
            "X-Supabase-Api-Version",
            "X-Sb-Error-Code",
            "X-Relay-Error",
            "X-Total-Count",
            "Link",
            "X-Request-ID",
            "Idempotency-Replayed",
            "Retry-After",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
        ],
        max_age=600,
    )


__all__ = ["OPERATIONS", "TooManyRequests", "create_app", "factory"]
