"""Who asks, and how often they do: the role that a statement runs under."""

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar import Request

from api.auth import Unauthenticated
from api.limits import Standing, TooManyRequests
from api.operations import client_address
from api.services import Services
from core.errors import LeadFuelError
from db.sessions import ANON, Actor


@dataclass(frozen=True, slots=True)
class Admission:
    """As whom a request runs, and its counting, which goes on meanwhile."""

    actor: Actor
    counting: "asyncio.Task[None]"


async def admit(request: Request[Any, Any, Any], services: Services, *, route: str) -> Admission:
    """Let a request in; an error for a bad token, or for somebody who is known to have asked too often.

    Signed-out clients send their anonymous key for a token; a request without any is anonymous, too.
    Whether a person's account and session go on is seen by the statement itself (`statements.standing_sql`).
    The counting is awaited before anything is changed or answered: reading goes on beside it.
    """
    refusal: LeadFuelError | None = None
    actor = ANON
    try:
        if token := _token(request):
            actor = await services.authenticator.actor(token)
    except LeadFuelError as error:
        refusal = error
    who = f"user:{actor.user_id}" if actor.user_id else f"address:{client_address(request)}"
    if (standing := services.limiter.known_over(who=who, route=route)) is not None:
        _check(request, standing)
    counting = asyncio.create_task(_count(request, services, who, route))
    if refusal is not None:
        await counting
        raise refusal
    return Admission(actor, counting)


async def _count(request: Request[Any, Any, Any], services: Services, who: str, route: str) -> None:
    _check(request, await services.limiter.hit(who=who, route=route))


def _check(request: Request[Any, Any, Any], standing: Standing) -> None:
    request.scope["state"]["limit_headers"] = standing.headers()
    if standing.used > standing.limit:
        raise TooManyRequests(
            f"This installation takes {standing.limit} requests a minute to this path.",
            retry_after_s=standing.resets_in_s,
        )


def _token(request: Request[Any, Any, Any]) -> str:
    header = request.headers.get("authorization", "")
    if not header:
        return request.headers.get("apikey", "").strip()
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
    return token.strip()
