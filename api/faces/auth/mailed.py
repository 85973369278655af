"""What goes by mail: `/recover`, `/otp`, `/magiclink`, `/resend`, and `/verify` for what the mails carry.

A request for a mail is answered the same for every address; the job that sends it finds out the rest.
"""

from typing import Any, Final, get_args

import msgspec

from api.faces.auth import shapes
from api.faces.auth.door import Call, Endpoint, Reply, challenge_of, endpoint, redirect
from api.faces.auth.entering import session_reply
from core.errors import LeadFuelError
from db.sessions import SIGN_IN
from domain.auth import asking, onetime, people, redirects, sessions, signup
from domain.auth.asking import Purpose, Request
from domain.auth.errors import ValidationFailed
from domain.auth.onetime import HalfDone, Type
from domain.auth.sessions import SignedIn


class MailBody(msgspec.Struct):
    email: str | None = None
    phone: str | None = None
    type: str | None = None
    create_user: bool | None = None
    data: dict[str, Any] | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


class VerifyBody(msgspec.Struct):
    type: str | None = None
    token: str | None = None
    token_hash: str | None = None
    email: str | None = None
    phone: str | None = None
    redirect_to: str | None = None


@endpoint("POST", "/recover")
async def recover(call: Call) -> Reply:
    return await _ask(call, "recovery", await call.body(MailBody))


@endpoint("POST", "/otp")
async def otp(call: Call) -> Reply:
    return await _otp(call)


@endpoint("POST", "/magiclink")
async def magic_link(call: Call) -> Reply:
    return await _otp(call)


@endpoint("POST", "/resend")
async def resend(call: Call) -> Reply:
    body = await call.body(MailBody)
    if body.type == "signup":
        return await _ask(call, "resend_signup", body)
    if body.type == "email_change":
        return await _ask(call, "resend_email_change", body)
    raise ValidationFailed("type must be signup or email_change")


@endpoint("POST", "/verify")
async def verify(call: Call) -> Reply:
    body = await call.body(VerifyBody)
    type_ = _type(body.type)
    origin = call.origin
    await call.services.sign_in.throttle.attempt(origin, account=body.email or "")
    if body.token_hash:
        outcome = await onetime.redeem_link(
            call.database, call.settings, token=body.token_hash, type_=type_, origin=origin
        )
    elif body.token and body.email:
        outcome = await onetime.redeem_code(
            call.database,
            call.settings,
            email=body.email.strip(),
            code=body.token,
            type_=type_,
            origin=origin,
        )
    else:
        raise ValidationFailed("Verify requires either a token or a token hash, and with a token the email")
    if isinstance(outcome, SignedIn):
        return await session_reply(call, outcome)
    words = outcome.message if isinstance(outcome, HalfDone) else outcome
    return Reply({"msg": words, "code": "200"})


@endpoint("GET", "/verify")
async def follow_link(call: Call) -> Reply:
    """A link in a mail, followed by a browser: whatever comes of it is told in a redirect."""
    target = call.redirect_to()
    try:
        type_ = _type(call.parameter("type"))
        await call.services.sign_in.throttle.attempt(call.origin)
        token = call.parameter("token") or call.parameter("token_hash")
        outcome = await onetime.redeem_link(
            call.database, call.settings, token=token, type_=type_, origin=call.origin, for_code=True
        )
    except LeadFuelError as error:
        if error.status >= 500:
            raise
        return redirect(redirects.with_fragment(target, failure(error)))
    if isinstance(outcome, str):
        return redirect(redirects.with_query(target, {"code": outcome}))
    if isinstance(outcome, HalfDone):
        return redirect(redirects.with_fragment(target, {"message": outcome.message}))
    tokens = await sessions.issue(call.services.keyring, call.settings, outcome)
    return redirect(redirects.with_fragment(target, shapes.fragment(tokens, type_=type_)))


def failure(error: LeadFuelError) -> dict[str, str]:
    """What went wrong, as the clients read it from a redirect."""
    return {
        "error": "access_denied",
        "error_code": error.slug.replace("-", "_"),
        "error_description": error.detail,
    }


async def _otp(call: Call) -> Reply:
    body = await call.body(MailBody)
    metadata = people.read_metadata(body.data)
    creates = body.create_user is not False and call.settings.sign_in.signup != "closed"
    # Who has an account need not agree to the terms again, and who has none is not told.
    agrees = signup.agreed(call.settings, metadata) if "terms_version" in metadata else None
    if call.settings.sign_in.terms_version and agrees is None:
        creates = False
    return await _ask(call, "otp", body, create_user=creates, user_metadata=metadata, terms_version=agrees)


async def _ask(call: Call, purpose: Purpose, body: MailBody, **more: Any) -> Reply:
    if not body.email:
        raise ValidationFailed("An email address is required")
    address = people.read_address(body.email)
    await call.services.sign_in.throttle.mail(call.origin, account=address)
    request = Request(
        purpose,
        address,
        call.redirect_to(),
        challenge=challenge_of(body.code_challenge, body.code_challenge_method),
        origin=call.origin,
        **more,
    )
    async with call.database.transaction(SIGN_IN) as session:
        await asking.ask(session, request)
    return Reply({})


def _type(given: str | None) -> Type:
    if given not in get_args(Type):
        raise ValidationFailed("Verify requires a verification type: " + ", ".join(get_args(Type)))
    return given  # type: ignore[return-value]


ENDPOINTS: Final[tuple[Endpoint, ...]] = (recover, otp, magic_link, resend, verify, follow_link)
