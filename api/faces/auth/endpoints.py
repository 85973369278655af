"""Every endpoint of `/auth/v1`."""

from typing import Final

from litestar.handlers import HTTPRouteHandler

from api.faces.auth import account, admin, browser, entering, factors, mailed, public
from api.faces.auth.door import Endpoint, route_handlers

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *public.ENDPOINTS,
    *entering.ENDPOINTS,
    *account.ENDPOINTS,
    *mailed.ENDPOINTS,
    *browser.ENDPOINTS,
    *admin.ENDPOINTS,
    *factors.ENDPOINTS,
)
HANDLERS: Final[list[HTTPRouteHandler]] = route_handlers(ENDPOINTS)
