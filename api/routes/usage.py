"""What a user has used of the limits and credits."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from api.limits import WINDOW_S
from api.operations import Call, Operation, operation
from domain import accounts
from search.response import Answer


class RouteUsage(Answer):
    """A route in the current minute."""

    operation: str
    route: Annotated[str, Meta(examples=["POST /v1/contacts/search"])]
    limit: int
    used: int
    remaining: int
    resets_in_s: int


class Credits(Answer):
    balance: int
    plan: str
    plan_name: str
    monthly_credits: int


class Usage(Answer):
    window_s: int
    counted_by: Literal["redis", "process"]
    routes: list[RouteUsage]
    credits: Credits


@operation("GET", "/v1/usage", tag="Usage", summary="Limits used, and credits left", session="read")
async def show_usage(call: Call) -> Usage:
    """For every route how many requests the current minute has seen from you and how many it takes, and
    your credits. `counted_by: process` means that Redis is down and this process counts for itself.
    """
    operations: list[Operation] = [op for op in call.request.app.state.operations if op.is_limited]
    limiter = call.services.limiter
    standings = await limiter.standings(who=f"user:{call.user_id}", routes=[op.name for op in operations])
    user = await accounts.get(call.session, user_id=call.user_id) or call.user
    plan = await accounts.plan_of(call.session, user=user)
    routes = [
        RouteUsage(
            operation=op.name,
            route=f"{op.method} {op.path}",
            limit=standings[op.name].limit,
            used=standings[op.name].used,
            remaining=standings[op.name].remaining,
            resets_in_s=standings[op.name].resets_in_s,
        )
        for op in operations
    ]
    return Usage(
        window_s=WINDOW_S,
        counted_by=limiter.counted_by,
        routes=routes,
        credits=Credits(
            balance=user.credit_balance,
            plan=plan.id,
            plan_name=plan.name,
            monthly_credits=plan.monthly_credits,
        ),
    )


OPERATIONS: Final[list[Operation]] = [show_usage]
