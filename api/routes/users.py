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
from domain.paging import BadCursor
from domain.users import Account, LastAdministrator, UnknownPlan
from search.request import Form
from search.response import Answer

PlanName = Annotated[str, Meta(min_length=1, max_length=60, examples=["pro"])]


class UserPath(Form, frozen=True):
    user_id: UUID


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
    errors=(BadCursor,),
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


OPERATIONS: Final[list[Operation]] = [search_users, show_user, change_user, disable_user, enable_user]
