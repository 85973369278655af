"""Accounts as the service key manages them: `/admin/users`, `/admin/generate_link`, `/invite`."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from api.faces.auth import shapes
from api.faces.auth.door import PREFIX, Call, Endpoint, Reply, endpoint
from db.sessions import SIGN_IN
from domain.auth import managing, passwords, people
from domain.auth.errors import EmailExists, UserNotFound, ValidationFailed
from domain.auth.managing import MAX_PAGE, Link, LinkType
from domain.auth.people import Person
from domain.exports import store

_PAGE_SIZE: Final = 50
_MAX_PAGES: Final = 10_000


class AdminUserBody(msgspec.Struct):
    email: str | None = None
    password: str | None = None
    email_confirm: bool | None = None
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    ban_duration: str | None = None


class LinkBody(msgspec.Struct):
    type: str | None = None
    email: str | None = None
    new_email: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None
    redirect_to: str | None = None


class InviteBody(msgspec.Struct):
    email: str | None = None
    data: dict[str, Any] | None = None


@endpoint("GET", "/admin/users")
async def list_users(call: Call) -> Reply:
    await call.require_service()
    number = _number(call, "page", 1, at_most=_MAX_PAGES)
    size = _number(call, "per_page", _PAGE_SIZE, at_most=MAX_PAGE)
    async with call.database.transaction(SIGN_IN, read_only=True) as session:
        found, total = await managing.page(session, number=number, size=size)
    last = max(1, -(-total // size))
    places = [(last, "last")] if number >= last else [(number + 1, "next"), (last, "last")]
    links = ", ".join(
        f'<{PREFIX}/admin/users?page={page}&per_page={size}>; rel="{name}"' for page, name in places
    )
    return Reply(
        {"users": [shapes.user(person) for person in found], "aud": "authenticated"},
        headers={"X-Total-Count": str(total), "Link": links},
    )


@endpoint("POST", "/admin/users")
async def make_user(call: Call) -> Reply:
    await call.require_service()
    body = await call.body(AdminUserBody)
    if not body.email:
        raise ValidationFailed("Cannot create a user without an email")
    hashed = await _hashed(call, body.password)
    async with call.database.transaction(SIGN_IN) as session:
        person = await managing.make(
            session,
            email=body.email,
            password_hash=hashed,
            is_confirmed=bool(body.email_confirm),
            user_metadata=body.user_metadata or {},
            app_metadata=body.app_metadata or {},
        )
        if body.ban_duration is not None:
            person = await _change(call, session, person, AdminUserBody(ban_duration=body.ban_duration), None)
    return Reply(shapes.user(person))


@endpoint("GET", "/admin/users/{id:str}")
async def show_user(call: Call) -> Reply:
    await call.require_service()
    async with call.database.transaction(SIGN_IN, read_only=True) as session:
        return Reply(shapes.user(await managing.show(session, user_id=call.path_id())))


@endpoint("PUT", "/admin/users/{id:str}")
async def change_user(call: Call) -> Reply:
    await call.require_service()
    body = await call.body(AdminUserBody)
    hashed = await _hashed(call, body.password)
    async with call.database.transaction(SIGN_IN) as session:
        person = await managing.show(session, user_id=call.path_id())
        return Reply(shapes.user(await _change(call, session, person, body, hashed)))


@endpoint("DELETE", "/admin/users/{id:str}")
async def delete_user(call: Call) -> Reply:
    await call.require_service()
    async with call.database.transaction(SIGN_IN) as session:
        person = await managing.show(session, user_id=call.path_id())
        files = await managing.delete(session, person=person)
    kept = store.store_of(call.settings)
    for name in files:
        await asyncio.to_thread(kept.remove, name)
    return Reply({})


@endpoint("POST", "/invite")
async def invite(call: Call) -> Reply:
    await call.require_service()
    body = await call.body(InviteBody)
    if not body.email:
        raise ValidationFailed("An email address is required")
    async with call.database.transaction(SIGN_IN) as session:
        person = await managing.invite(
            session,
            email=body.email,
            user_metadata=body.data or {},
            redirect_to=call.redirect_to(),
            origin=call.origin,
        )
    return Reply(shapes.user(person))


@endpoint("POST", "/admin/generate_link")
async def make_link(call: Call) -> Reply:
    await call.require_service()
    body = await call.body(LinkBody)
    if body.type not in get_args(LinkType):
        raise ValidationFailed("type must be one of: " + ", ".join(get_args(LinkType)))
    if not body.email:
        raise ValidationFailed("An email address is required")
    type_: LinkType = body.type  # type: ignore[assignment]
    hashed = await _hashed(call, body.password)
    target = call.redirect_to(body.redirect_to)
    async with call.database.transaction(SIGN_IN) as session:
        person = await _person_for(session, type_, body, hashed)
        address = person.email
        if type_.startswith("email_change"):
            new = people.read_address(body.new_email or "")
            await managing.want_address(session, person=person, address=new)
            address = new if type_ == "email_change_new" else address
        made = await managing.link(
            session, call.settings, type_=type_, person=person, address=address, redirect_to=target
        )
    return Reply(_shown(made, type_))


def _shown(made: Link, type_: LinkType) -> dict[str, Any]:
    return {
        **shapes.user(made.person),
        "action_link": made.url,
        "email_otp": made.code,
        "hashed_token": made.token,
        "verification_type": type_,
        "redirect_to": made.redirect_to,
    }


async def _person_for(session: Any, type_: LinkType, body: LinkBody, hashed: str | None) -> Person:
    """Whom a link is for; to sign up or be invited is to be made first."""
    address = people.read_address(body.email or "")
    person = await people.by_email(session, email=address)
    if type_ in {"signup", "invite"}:
        if person is not None and person.signs_in and person.email_confirmed_at is not None:
            raise EmailExists("A user with this email address has already been registered")
        if type_ == "signup" and hashed is None:
            raise ValidationFailed("Signup requires a valid password")
        if person is None or not person.signs_in:
            return await managing.make(
                session,
                email=address,
                password_hash=hashed,
                is_confirmed=False,
                user_metadata=body.data or {},
                app_metadata={},
                is_invited=type_ == "invite",
            )
        return person
    if person is None:
        raise UserNotFound("User with this email not found")
    if not person.signs_in:
        return await managing.make(
            session,
            email=address,
            password_hash=None,
            is_confirmed=False,
            user_metadata={},
            app_metadata={},
        )
    return person


async def _change(
    call: Call, session: Any, person: Person, body: AdminUserBody, hashed: str | None
) -> Person:
    return await managing.change(
        session,
        person=person,
        email=body.email or None,
        password_hash=hashed,
        is_confirmed=body.email_confirm,
        user_metadata=body.user_metadata,
        app_metadata=_without_rights(body.app_metadata),
        ban=managing.read_ban(body.ban_duration),
        origin=call.origin,
    )


def _without_rights(said: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What the sign-in itself says about providers is not the service's to write."""
    return None if said is None else {k: v for k, v in said.items() if k not in {"provider", "providers"}}


async def _hashed(call: Call, password: str | None) -> str | None:
    if password is None:
        return None
    passwords.judge(call.settings.sign_in, password)
    return await call.services.sign_in.hasher.hash(password)


def _number(call: Call, name: str, default: int, *, at_most: int) -> int:
    given = call.parameter(name)
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or len(given) > 9 or int(given) < 1:
        raise ValidationFailed(f"{name} must be a positive number")
    return min(int(given), at_most)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    list_users,
    make_user,
    show_user,
    change_user,
    delete_user,
    invite,
    make_link,
)
