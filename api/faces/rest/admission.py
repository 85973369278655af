"""Who asks, and how often they do: the role that a statement runs under."""

from typing import Any

from litestar import Request

from api.auth import Unauthenticated
from api.limits import TooManyRequests
from api.operations import client_address
from api.services import Services
from core.errors import LeadFuelError
from db.sessions import ANON, Actor


async def admit(request: Request[Any, Any, Any], services: Services, *, route: str) -> Actor:
    """The actor of a request; an error for a bad token, or one request too many.

    Signed-out clients send their anonymous key for a token; a request without any is anonymous, too.
    Whether a person's account is still good is seen by the statement itself (`statements.active_sql`).
    """
    refusal: LeadFuelError | None = None
    actor = ANON
    try:
        if token := _token(request):
            actor = await services.authenticator.actor(token)
    except LeadFuelError as error:
        refusal = error
    who = f"user:{actor.user_id}" if actor.user_id else f"address:{client_address(request)}"
    standing = await services.limiter.hit(who=who, route=route)
    request.scope["state"]["limit_headers"] = standing.headers()
    if standing.used > standing.limit:
        raise TooManyRequests(
            f"This installation takes {standing.limit} requests a minute to this path.",
            retry_after_s=standing.resets_in_s,
        )
    if refusal is not None:
        raise refusal
    return actor


def _token(request: Request[Any, Any, Any]) -> str:
    header = request.headers.get("authorization", "")
    if not header:
        return request.headers.get("apikey", "").strip()
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
    return token.strip()
