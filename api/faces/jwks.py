"""The public halves of our signing keys, for whoever verifies our tokens without asking us."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get

from api.services import Services

PATH: Final = "/auth/v1/.well-known/jwks.json"
# A new key signs at once, and a verifier that meets its name fetches anew: a cache only saves repetition.
_CACHE: Final = "public, max-age=300"


@get(PATH, include_in_schema=False)
async def show_jwks(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A JWK set (RFC 7517); for everybody."""
    services: Services = request.app.state.services
    return Response(
        msgspec.json.encode(await services.keyring.jwks()),
        media_type="application/json",
        headers={"Cache-Control": _CACHE, "Access-Control-Allow-Origin": "*"},
    )
