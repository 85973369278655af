"""The job that answers a request for a mail: it alone finds out whose address it is, and what may be sent.

A job that runs twice sends the same letter with the same tokens under the same Message-ID.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SIGN_IN, Database
from domain import mail
from domain.auth import onetime, people, redirects, seals, signup
from domain.auth.asking import Purpose, Request
from domain.auth.onetime import Kind
from domain.auth.people import Person

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Words:
    """What a letter says around its link and code."""

    subject: str
    why: str
    button: str
    link_type: str


_WORDS: Final[Mapping[Kind, _Words]] = {
    "signup": _Words(
        "Confirm your address",
        "Somebody has signed up with this address. If it was you, confirm it:",
        "Confirm the address",
        "signup",
    ),
    "invite": _Words(
        "You are invited", "You have been invited. Accept by this link:", "Accept the invitation", "invite"
    ),
    "magiclink": _Words("Sign in", "Sign in by this link:", "Sign in", "magiclink"),
    "recovery": _Words(
        "Choose a new password",
        "Somebody wants to choose a new password for your account. If it was you, go on here:",
        "Choose a new password",
        "recovery",
    ),
    "email_change_current": _Words(
        "Your address is to be changed",
        "Somebody wants to give your account the address {new}. If it was you, confirm it from here as well:",
        "Confirm the change",
        "email_change",
    ),
    "email_change_new": _Words(
        "Confirm your new address",
        "Somebody wants to use this address for their account. If it was you, confirm it:",
        "Confirm the change",
        "email_change",
    ),
}
_IGNORE: Final = "If it was not you, there is nothing to do: without the link and the code nothing happens."


async def answer(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Do what a request asks for, and send the letters it leads to; none when the address is a stranger's."""
    request = Request.read(payload)
    async with db.transaction(SIGN_IN) as session:
        letters = await _ANSWERS[request.purpose](session, settings, request)
    # The talk with the mail server holds no transaction.
    for letter in letters:
        await mail.send(settings.mail, letter)
    log.info("a request for sign-in mail was answered", **{"mail.purpose": request.purpose})


async def _signup(session: AsyncSession, settings: Settings, request: Request) -> Sequence[mail.Letter]:
    person = await people.by_email(session, email=request.email)
    if person is not None and person.signs_in:
        return [_has_account(settings, request)]
    if not await signup.may_join(session, settings, email=request.email):
        return []
    await onetime.keep(
        session,
        settings,
        id_=request.id,
        kind="signup",
        email=request.email,
        signup_id=request.id,
        challenge=request.challenge,
    )
    return [_letter(settings, request, "signup", request.id, to=request.email)]


async def _otp(session: AsyncSession, settings: Settings, request: Request) -> Sequence[mail.Letter]:
    person = await people.by_email(session, email=request.email)
    if person is not None:
        return await _to_account(session, settings, request, person, "magiclink")
    if not request.create_user or not await signup.may_join(session, settings, email=request.email):
        return []
    await signup.write_down(session, settings, request, password_hash=None)
    return await _signup(session, settings, request)


async def _recovery(session: AsyncSession, settings: Settings, request: Request) -> Sequence[mail.Letter]:
    person = await people.by_email(session, email=request.email)
    return [] if person is None else await _to_account(session, settings, request, person, "recovery")


async def _resend_signup(
    session: AsyncSession, settings: Settings, request: Request
) -> Sequence[mail.Letter]:
    waiting = await signup.newest(session, email=request.email)
    person = await people.by_email(session, email=request.email)
    if person is not None and person.signs_in:
        if person.email_confirmed_at is not None:
            return []
        return await _to_account(session, settings, request, person, "magiclink")
    if waiting is None or not await signup.may_join(session, settings, email=request.email):
        return []
    await onetime.keep(
        session,
        settings,
        id_=request.id,
        kind="signup",
        email=request.email,
        signup_id=waiting,
        challenge=request.challenge,
    )
    return [_letter(settings, request, "signup", request.id, to=request.email)]


async def _email_change(session: AsyncSession, settings: Settings, request: Request) -> Sequence[mail.Letter]:
    person = await _asker(session, request)
    return [] if person is None else await _to_both_ends(session, settings, request, person)


async def _resend_email_change(
    session: AsyncSession, settings: Settings, request: Request
) -> Sequence[mail.Letter]:
    """Asked for without a token, as the clients do, by either of the two addresses."""
    person = await people.by_email(session, email=request.email)
    if person is None or person.new_email is None:
        person = await people.by_new_email(session, email=request.email)
    return [] if person is None else await _to_both_ends(session, settings, request, person)


async def _to_both_ends(
    session: AsyncSession, settings: Settings, request: Request, person: Person
) -> Sequence[mail.Letter]:
    if person.new_email is None or person.is_closed:
        return []
    taken = await people.by_email(session, email=person.new_email)
    ends: list[tuple[Kind, UUID, str]] = [("email_change_current", request.id, person.email)]
    # To an address that has an account nothing is sent, and the change cannot be completed.
    if taken is None:
        ends.append(("email_change_new", uuid5(request.id, "new"), person.new_email))
    for kind, token_id, address in ends:
        await onetime.keep(
            session,
            settings,
            id_=token_id,
            kind=kind,
            email=address,
            user_id=person.id,
            challenge=request.challenge,
        )
    return [
        _letter(settings, request, kind, token_id, to=address, new=person.new_email)
        for kind, token_id, address in ends
    ]


async def _invite(session: AsyncSession, settings: Settings, request: Request) -> Sequence[mail.Letter]:
    person = await _asker(session, request)
    return [] if person is None else await _to_account(session, settings, request, person, "invite")


async def _reauthentication(
    session: AsyncSession, settings: Settings, request: Request
) -> Sequence[mail.Letter]:
    person = await _asker(session, request)
    if person is None:
        return []
    await onetime.keep(
        session,
        settings,
        id_=request.id,
        kind="reauthentication",
        email=person.email,
        user_id=person.id,
    )
    code = seals.code(settings.auth, request.id)
    paragraphs = ["Enter this code to show that it is you:", code, _good_for(settings)]
    return [mail.Letter(str(request.id), person.email, f"{code} is your code", paragraphs)]


async def _to_account(
    session: AsyncSession, settings: Settings, request: Request, person: Person, kind: Kind
) -> Sequence[mail.Letter]:
    if person.is_closed:
        return []
    if not person.signs_in:
        await people.make(session, user_id=person.id, email=person.email, is_confirmed=False, is_proven=False)
    await onetime.keep(
        session,
        settings,
        id_=request.id,
        kind=kind,
        email=person.email,
        user_id=person.id,
        challenge=request.challenge,
    )
    return [_letter(settings, request, kind, request.id, to=person.email)]


async def _asker(session: AsyncSession, request: Request) -> Person | None:
    if request.user_id is None:
        return None
    return await people.get(session, user_id=UserId(request.user_id))


_ANSWERS: Final[
    Mapping[Purpose, Callable[[AsyncSession, Settings, Request], Awaitable[Sequence[mail.Letter]]]]
] = {
    "signup": _signup,
    "otp": _otp,
    "recovery": _recovery,
    "resend_signup": _resend_signup,
    "resend_email_change": _resend_email_change,
    "invite": _invite,
    "email_change": _email_change,
    "reauthentication": _reauthentication,
}


def link(settings: Settings, kind: Kind, token_id: UUID, *, redirect_to: str) -> str:
    """The address that redeems a token when a browser follows it."""
    query = urlencode(
        {
            "token": seals.seal(settings.auth, "mail", token_id),
            "type": _WORDS[kind].link_type,
            "redirect_to": redirect_to,
        }
    )
    return f"{redirects.base_url(settings)}/auth/v1/verify?{query}"


def _letter(
    settings: Settings, request: Request, kind: Kind, token_id: UUID, *, to: str, new: str = ""
) -> mail.Letter:
    words = _WORDS[kind]
    url = link(settings, kind, token_id, redirect_to=request.redirect_to)
    code = seals.code(settings.auth, token_id)
    why, or_code = words.why.format(new=new), f"Or enter this code: {code}"
    after = [_good_for(settings), _IGNORE]
    html = "".join(
        (
            f"<h2>{escape(words.subject)}</h2><p>{escape(why)}</p>",
            f'<p><a href="{escape(url)}">{escape(words.button)}</a></p>',
            f"<p>Or enter this code: <strong>{code}</strong></p>",
            *(f"<p>{escape(line)}</p>" for line in after),
        )
    )
    return mail.Letter(
        key=f"sign-in-{token_id}",
        to=to,
        subject=words.subject,
        paragraphs=[why, url, or_code, *after],
        html=html,
    )


def _has_account(settings: Settings, request: Request) -> mail.Letter:
    return mail.Letter(
        key=f"sign-in-{request.id}",
        to=request.email,
        subject="You have an account already",
        paragraphs=[
            "Somebody has tried to sign up with this address, which has an account already.",
            "If it was you, sign in, or choose a new password, here:",
            redirects.site_url(settings),
            "If it was not you, there is nothing to do.",
        ],
    )


def _good_for(settings: Settings) -> str:
    minutes = max(1, settings.sign_in.one_time_s // 60)
    return f"It is good once, for {minutes} minutes."
