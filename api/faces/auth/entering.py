"""Signing up, signing in and out: `/signup`, `/token`, `/logout`."""

from typing import Any, Final, get_args

import msgspec

from api.faces.auth import shapes
from api.faces.auth.door import Call, Endpoint, Reply, challenge_of, endpoint
from core.errors import LeadFuelError
from db.sessions import SIGN_IN
from domain.auth import federation, flows, people, providers, sessions, signing_in, signup
from domain.auth.errors import ValidationFailed
from domain.auth.sessions import Scope, SignedIn


class AnonymousProviderDisabled(LeadFuelError):
    """Nobody signs in here without an address."""

    status = 422
    slug = "anonymous-provider-disabled"
    title = "Signing in anonymously is not possible"


class SignupBody(msgspec.Struct):
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


class PasswordBody(msgspec.Struct):
    email: str | None = None
    phone: str | None = None
    password: str | None = None


class RefreshBody(msgspec.Struct):
    refresh_token: str | None = None


class CodeBody(msgspec.Struct):
    auth_code: str | None = None
    code_verifier: str | None = None


class IdTokenBody(msgspec.Struct):
    provider: str | None = None
    id_token: str | None = None
    nonce: str | None = None
    terms_version: str | None = None


@endpoint("POST", "/signup")
async def sign_up(call: Call) -> Reply:
    body = await call.body(SignupBody)
    origin = call.origin
    if not body.email and not body.phone:
        raise AnonymousProviderDisabled("Anonymous sign-ins are disabled")
    if not body.email:
        raise ValidationFailed("Signing up is by e-mail address: email is missing")
    if not body.password:
        raise ValidationFailed("Signup requires a valid password")
    await call.services.sign_in.throttle.attempt(origin)
    if call.settings.sign_in.confirm == "mail":
        await call.services.sign_in.throttle.mail(origin, account=body.email)
    made = await signup.sign_up(
        call.database,
        call.settings,
        call.services.sign_in.hasher,
        email=body.email,
        password=body.password,
        user_metadata=people.read_metadata(body.data),
        redirect_to=call.redirect_to(),
        challenge=challenge_of(body.code_challenge, body.code_challenge_method),
        origin=origin,
    )
    return await session_reply(call, made) if isinstance(made, SignedIn) else Reply(shapes.user(made))


@endpoint("POST", "/token")
async def token(call: Call) -> Reply:
    grant = call.parameter("grant_type")
    if grant not in _GRANTS:
        raise ValidationFailed("unsupported_grant_type: grant_type must be " + ", ".join(_GRANTS))
    return await session_reply(call, await _GRANTS[grant](call))


@endpoint("POST", "/logout")
async def log_out(call: Call) -> Reply:
    scope: Scope = call.parameter("scope") or "global"  # type: ignore[assignment]
    if scope not in get_args(Scope):
        raise ValidationFailed("scope must be global, local or others")
    caller = await call.caller()
    session_id = caller.session.id if caller.session else None
    if session_id is None and scope != "global":
        raise ValidationFailed("The token belongs to no session: scope must be global")
    async with call.database.transaction(SIGN_IN) as session:
        await sessions.end(
            session, user_id=caller.person.id, session_id=session_id, scope=scope, origin=call.origin
        )
    return Reply(status=204)


async def session_reply(call: Call, signed_in: SignedIn) -> Reply:
    """The answer to somebody who has just signed in."""
    tokens = await sessions.issue(call.services.keyring, call.settings, signed_in)
    return Reply(shapes.session(signed_in, tokens))


async def _by_password(call: Call) -> SignedIn:
    body = await call.body(PasswordBody)
    origin = call.origin
    if not body.email or not body.password:
        raise ValidationFailed("missing email or password")
    await call.services.sign_in.throttle.attempt(origin, account=body.email)
    return await signing_in.with_password(
        call.database,
        call.services.sign_in.hasher,
        email=body.email,
        password=body.password,
        origin=origin,
    )


async def _by_refresh_token(call: Call) -> SignedIn:
    body = await call.body(RefreshBody)
    if not body.refresh_token:
        raise ValidationFailed("refresh_token is missing")
    await call.services.sign_in.throttle.refresh(call.origin)
    return await sessions.refresh(call.database, call.settings, token=body.refresh_token, origin=call.origin)


async def _by_code(call: Call) -> SignedIn:
    body = await call.body(CodeBody)
    if not body.auth_code or not body.code_verifier:
        raise ValidationFailed("invalid request: both auth code and code verifier should be non-empty")
    await call.services.sign_in.throttle.refresh(call.origin)
    return await flows.exchange(
        call.database,
        call.settings,
        code=body.auth_code,
        verifier=body.code_verifier,
        origin=call.origin,
    )


async def _by_id_token(call: Call) -> SignedIn:
    body = await call.body(IdTokenBody)
    if not body.provider or not body.id_token:
        raise ValidationFailed("id_token and provider are required")
    await call.services.sign_in.throttle.attempt(call.origin)
    return await federation.with_id_token(
        call.database,
        call.settings,
        providers.find(call.services.sign_in.providers, body.provider),
        token=body.id_token,
        nonce=body.nonce or None,
        terms_version=body.terms_version,
        origin=call.origin,
    )


_GRANTS: Final = {
    "password": _by_password,
    "refresh_token": _by_refresh_token,
    "pkce": _by_code,
    "id_token": _by_id_token,
}
ENDPOINTS: Final[tuple[Endpoint, ...]] = (sign_up, token, log_out)
