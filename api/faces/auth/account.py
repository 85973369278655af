"""One's own account: `/user`, `/reauthenticate`."""

from typing import Any, Final

import msgspec

from api.faces.auth import shapes
from api.faces.auth.door import Call, Endpoint, Reply, challenge_of, endpoint
from db.sessions import SIGN_IN
from domain.auth import account, asking
from domain.auth.asking import Request
from domain.auth.errors import ValidationFailed


class UserBody(msgspec.Struct):
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    nonce: str | None = None
    data: dict[str, Any] | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


@endpoint("GET", "/user")
async def show_user(call: Call) -> Reply:
    return Reply(shapes.user((await call.caller()).person))


@endpoint("PUT", "/user")
async def change_user(call: Call) -> Reply:
    body = await call.body(UserBody)
    caller = await call.caller()
    origin = call.origin
    if body.phone:
        raise ValidationFailed("An account has no phone number here")
    if body.password is not None:
        await call.services.sign_in.throttle.attempt(origin, account=caller.person.email)
    if body.email is not None:
        await call.services.sign_in.throttle.mail(origin, account=caller.person.email)
    changed = await account.change(
        call.database,
        call.settings,
        call.services.sign_in.hasher,
        person=caller.person,
        at=caller.session,
        user_metadata=body.data,
        password=body.password,
        email=body.email or None,
        nonce=body.nonce or None,
        redirect_to=call.redirect_to(),
        challenge=challenge_of(body.code_challenge, body.code_challenge_method),
        origin=origin,
    )
    return Reply(shapes.user(changed))


@endpoint("GET", "/reauthenticate")
async def reauthenticate(call: Call) -> Reply:
    caller = await call.caller()
    await call.services.sign_in.throttle.mail(call.origin, account=caller.person.email)
    request = Request(
        "reauthentication",
        caller.person.email,
        call.redirect_to(),
        origin=call.origin,
        user_id=caller.person.id,
    )
    async with call.database.transaction(SIGN_IN) as session:
        await asking.ask(session, request)
    return Reply({})


ENDPOINTS: Final[tuple[Endpoint, ...]] = (show_user, change_user, reauthenticate)
