"""Users, for administrators: search, look, give roles and plans, shut and open accounts."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta

from api.operations import Call, Operation, operation
from api.routes.hidden import Page
from core.errors import NotFound
from core.ids import UserId
from domain import users
from domain.accounts import Role
from domain.auth import overseen
from domain.paging import WrongCursor
from domain.users import Account, LastAdministrator, UnknownPlan
from search.request import Form
from search.response import Answer

PlanName = Annotated[str, Meta(min_length=1, max_length=60, examples=["pro"])]


class UserPath(Form, frozen=True):
    user_id: UUID


class SessionPath(UserPath, frozen=True):
    session_id: UUID


class UsersQuery(Page, frozen=True):
    """Which users; what is not given is not asked for."""

    q: (
        Annotated[str, Meta(min_length=1, max_length=200, description="A part of the e-mail address")] | None
    ) = None
    role: Role | None = None
    plan: PlanName | None = None
    status: Literal["active", "disabled"] | None = None


class UserChanges(Form, frozen=True):
    """What is not given stays."""

    role: Role | None = None
    plan: PlanName | None = None


class Disabling(Form, frozen=True):
    because: Annotated[str, Meta(min_length=1, max_length=500, description="For the audit log")]


class UserAnswer(Answer):
    """An erased account has only its id and its books left."""

    id: UUID
    email: str
    role: Role
    plan: str
    credit_balance: int
    credits_owed: int
    spending_stopped: bool
    created_at: datetime
    disabled_at: datetime | None
    disabled_because: str | None
    erased_at: datetime | None


class SessionAnswer(Answer):
    """`level` is `aal2` after a second factor."""

    id: UUID
    level: str
    address: str | None
    user_agent: str | None
    created_at: datetime
    last_used_at: datetime


class SessionsAnswer(Answer):
    results: list[SessionAnswer]


class UsersAnswer(Answer):
    results: list[UserAnswer]
    cursor: str | None


@operation(
    "GET",
    "/v1/admin/users",
    tag="Administration",
    summary="Search users",
    access="admin",
    session="service_read",
    errors=(WrongCursor,),
    links={"user_id": "$response.body#/results/0/id"},
)
async def search_users(call: Call, query: UsersQuery) -> UsersAnswer:
    """The newest first."""
    page = await users.search(
        call.session,
        limit=query.limit,
        cursor=query.cursor,
        q=query.q,
        role=query.role,
        plan_id=query.plan,
        disabled=None if query.status is None else query.status == "disabled",
    )
    return UsersAnswer(results=[_answer(account) for account in page.accounts], cursor=page.cursor)


@operation(
    "GET",
    "/v1/admin/users/{user_id}",
    tag="Administration",
    summary="One user",
    access="admin",
    session="service_read",
    errors=(NotFound,),
)
async def show_user(call: Call, path: UserPath) -> UserAnswer:
    """Also one whose account has been erased."""
    return _answer(await users.get(call.session, user_id=UserId(path.user_id)))


@operation(
    "PATCH",
    "/v1/admin/users/{user_id}",
    tag="Administration",
    summary="Give a user another role or plan",
    access="admin",
    session="service",
    errors=(NotFound, LastAdministrator, UnknownPlan),
    example={"plan": "pro"},
)
async def change_user(call: Call, path: UserPath, body: UserChanges) -> UserAnswer:
    """From the user's next request on. Credits are not changed by it."""
    return _answer(
        await users.change(
            call.session,
            actor_id=call.user_id,
            user_id=UserId(path.user_id),
            role=body.role,
            plan_id=body.plan,
        )
    )


@operation(
    "POST",
    "/v1/admin/users/{user_id}/disable",
    tag="Administration",
    summary="Disable an account",
    access="admin",
    session="service",
    errors=(NotFound, LastAdministrator),
    example={"because": "Left the company"},
)
async def disable_user(call: Call, path: UserPath, body: Disabling) -> UserAnswer:
    """The user's next request is refused, whatever token or API key it bears. Nothing of theirs is lost."""
    return _answer(
        await users.disable(
            call.session, actor_id=call.user_id, user_id=UserId(path.user_id), because=body.because
        )
    )


@operation(
    "POST",
    "/v1/admin/users/{user_id}/enable",
    tag="Administration",
    summary="Enable an account again",
    access="admin",
    session="service",
    errors=(NotFound,),
)
async def enable_user(call: Call, path: UserPath) -> UserAnswer:
    """Tokens and API keys that have not ended meanwhile are good again."""
    return _answer(await users.enable(call.session, actor_id=call.user_id, user_id=UserId(path.user_id)))


@operation(
    "GET",
    "/v1/admin/users/{user_id}/sessions",
    tag="Administration",
    summary="Where a user is signed in",
    access="admin",
    session="service",
    errors=(NotFound,),
    links={"user_id": "$request.path.user_id", "session_id": "$response.body#/results/0/id"},
)
async def list_user_sessions(call: Call, path: UserPath) -> SessionsAnswer:
    """Sessions that go on, the last used first."""
    found = await overseen.of_user(call.session, user_id=UserId(path.user_id))
    return SessionsAnswer(
        results=[
            SessionAnswer(
                id=each.id,
                level=each.aal,
                address=each.address,
                user_agent=each.user_agent,
                created_at=each.created_at,
                last_used_at=each.refreshed_at,
            )
            for each in found
        ]
    )


@operation(
    "DELETE",
    "/v1/admin/users/{user_id}/sessions",
    tag="Administration",
    summary="Sign a user out everywhere",
    access="admin",
    session="service",
    errors=(NotFound,),
)
async def end_user_sessions(call: Call, path: UserPath) -> None:
    """No session can be refreshed any more, and no access token of one is good. Tokens of other issuers and
    API keys go on: to end these, too, disable the account.
    """
    await overseen.end(call.session, actor_id=call.user_id, user_id=UserId(path.user_id))


@operation(
    "DELETE",
    "/v1/admin/users/{user_id}/sessions/{session_id}",
    tag="Administration",
    summary="End a session of a user",
    access="admin",
    session="service",
    errors=(NotFound,),
)
async def end_user_session(call: Call, path: SessionPath) -> None:
    """One of those that the list shows."""
    await overseen.end(
        call.session, actor_id=call.user_id, user_id=UserId(path.user_id), session_id=path.session_id
    )


def _answer(account: Account) -> UserAnswer:
    return UserAnswer(
        id=account.id,
        email=account.email,
        role=account.role,
        plan=account.plan_id,
        credit_balance=account.credit_balance,
        credits_owed=account.credits_owed,
        spending_stopped=account.is_frozen,
        created_at=account.created_at,
        disabled_at=account.disabled_at,
        disabled_because=account.disabled_because,
        erased_at=account.erased_at,
    )


OPERATIONS: Final[list[Operation]] = [
    search_users,
    show_user,
    change_user,
    disable_user,
    enable_user,
    list_user_sessions,
    end_user_sessions,
    end_user_session,
]
