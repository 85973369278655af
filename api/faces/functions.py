"""Functions as Supabase's clients call them: `POST /functions/v1/<name>`, and `/functions/<name>` for short.

A function is an operation like any other, declared beside its noun by `@function(…)` and listed in that
noun's `OPERATIONS`. By default it needs a token that names a user, so that the anonymous key is refused with
401; one that proves itself otherwise, as a signed webhook does, is declared `access="public"`. What the
clients add to a call beyond the body (a region, the key as a parameter) is passed over, and JSON is taken
from a body that calls itself text. Errors have the clients' shape, those of unknown functions included.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from api.operations import Access, Handle, Operation, Session, operation
from core.errors import LeadFuelError
from domain.api_keys import Scope

PREFIX: Final = "/functions/v1/"
SHORT_PREFIX: Final = "/functions/"


def function(
    name: str,
    *,
    summary: str,
    access: Access = "member",
    session: Session = "none",
    status: int | None = None,
    errors: Sequence[type[LeadFuelError]] = (),
    example: Any = None,
    other_statuses: Sequence[int] = (),
    idempotent: bool = False,
    scope: Scope | None = None,
) -> Callable[[Handle], Operation]:
    """Declare the function that serves `name`; its parameters are those of an operation."""
    return operation(
        "POST",
        f"{PREFIX}{name}",
        tag="Functions",
        summary=summary,
        access=access,
        session=session,
        status=status,
        errors=errors,
        example=example,
        other_statuses=other_statuses,
        is_function=True,
        idempotent=idempotent,
        scope=scope,
    )


def short_paths(operations: Iterable[Operation]) -> list[Operation]:
    """The functions among these once more, under their short paths; they count as the same route."""
    return [
        replace(op, path=SHORT_PREFIX + op.path.removeprefix(PREFIX)) for op in operations if op.is_function
    ]
