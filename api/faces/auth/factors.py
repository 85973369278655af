"""Second factors: `/factors` and what lies below it."""

from typing import Any, Final
from uuid import UUID

import msgspec

from api.faces.auth.door import Call, Endpoint, Reply, endpoint
from api.faces.auth.entering import session_reply
from db.sessions import SIGN_IN
from domain.auth import factors, managing, redirects
from domain.auth.errors import MfaFactorNotFound, ValidationFailed

_MAX_NAME_LENGTH: Final = 100


class FactorBody(msgspec.Struct):
    factor_type: str | None = None
    friendly_name: str | None = None
    issuer: str | None = None


class CodeBody(msgspec.Struct):
    challenge_id: str | None = None
    code: str | None = None


@endpoint("POST", "/factors")
async def enroll(call: Call) -> Reply:
    body = await call.body(FactorBody)
    caller = await call.caller()
    if body.factor_type != "totp":
        raise ValidationFailed("factor_type needs to be totp")
    names = (body.friendly_name or "", body.issuer or "")
    if any(len(name) > _MAX_NAME_LENGTH or ":" in name for name in names):
        raise ValidationFailed("friendly_name and issuer can have 100 characters and no colon")
    async with call.database.transaction(SIGN_IN) as session:
        made = await factors.enroll(
            session,
            call.settings,
            person=caller.person,
            at=caller.session,
            friendly_name=body.friendly_name or None,
            issuer=body.issuer or redirects.host(call.settings),
        )
    shown = {"id": made.id, "type": "totp", "friendly_name": made.friendly_name or ""}
    totp = {"qr_code": made.qr_code, "secret": made.secret, "uri": made.uri}
    return Reply({**shown, "totp": totp})


@endpoint("POST", "/factors/{id:str}/challenge")
async def challenge(call: Call) -> Reply:
    caller = await call.caller()
    await call.services.sign_in.throttle.attempt(call.origin, account=caller.person.email)
    async with call.database.transaction(SIGN_IN) as session:
        begun = await factors.challenge(session, person=caller.person, factor_id=_id(call))
    expires_at = int(begun.expires_at.timestamp())
    return Reply({"id": begun.id, "type": "totp", "expires_at": expires_at})


@endpoint("POST", "/factors/{id:str}/verify")
async def verify(call: Call) -> Reply:
    body = await call.body(CodeBody)
    caller = await call.caller()
    await call.services.sign_in.throttle.attempt(call.origin, account=caller.person.email)
    try:
        challenge_id = UUID(body.challenge_id or "")
    except ValueError:
        raise ValidationFailed("challenge_id must be an UUID") from None
    raised = await factors.verify(
        call.database,
        call.settings,
        person=caller.person,
        at=caller.session,
        factor_id=_id(call),
        challenge_id=challenge_id,
        code=body.code or "",
        origin=call.origin,
    )
    return await session_reply(call, raised)


@endpoint("DELETE", "/factors/{id:str}")
async def remove(call: Call) -> Reply:
    caller = await call.caller()
    factor_id = _id(call)
    async with call.database.transaction(SIGN_IN) as session:
        await factors.remove(
            session, person=caller.person, at=caller.session, factor_id=factor_id, origin=call.origin
        )
    return Reply({"id": factor_id})


@endpoint("GET", "/admin/users/{id:str}/factors")
async def list_of_user(call: Call) -> Reply:
    await call.require_service()
    async with call.database.transaction(SIGN_IN, read_only=True) as session:
        person = await managing.show(session, user_id=call.path_id())
    found: Any = list(person.factors)
    return Reply(found)


@endpoint("DELETE", "/admin/users/{id:str}/factors/{factor:str}")
async def remove_of_user(call: Call) -> Reply:
    await call.require_service()
    factor_id = _id(call, "factor")
    async with call.database.transaction(SIGN_IN) as session:
        person = await managing.show(session, user_id=call.path_id())
        await managing.drop_factor(session, person=person, factor_id=factor_id, origin=call.origin)
    return Reply({"id": factor_id})


def _id(call: Call, name: str = "id") -> UUID:
    try:
        return UUID(call.request.path_params[name])
    except ValueError:
        raise MfaFactorNotFound("Factor not found") from None


ENDPOINTS: Final[tuple[Endpoint, ...]] = (enroll, challenge, verify, remove, list_of_user, remove_of_user)
