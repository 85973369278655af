"""What this face refuses, in PostgREST's words and codes, and PostgreSQL's own errors as HTTP.

Clients tell errors apart by `code`: PGRSTxxx is the face's own, five characters are an SQLSTATE. The texts
are those of PostgREST, since some clients read them ("0 rows").
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

# By the first characters of the SQLSTATE; the longest that fits decides, and what fits none is 400.
# https://postgrest.org/en/stable/references/errors.html#http-status-codes
_STATUSES: Final = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "21000": 500,
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57P01": 503,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0001": 400,
    "P0": 500,
    "XX": 500,
}
# PostgREST answers these with 500, but it is the request that is at fault: a payload that names a row twice,
# a change of everything.
_MISTAKES: Final = ("requires a WHERE clause", "cannot affect row a second time")


class Refused(Exception):
    """The request ends here, with this status and these four keys."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: str | list[dict[str, str]] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "details": self.details, "hint": self.hint, "message": self.message}


def bad_syntax(what: str, text: str, position: int, problem: str) -> Refused:
    """PGRST100; `position` counts from 0 in `text`."""
    shown = text if len(text) <= 200 else f"{text[:200]}…"
    message = f'"failed to parse {what} ({shown})" (line 1, column {position + 1})'
    return Refused(400, "PGRST100", message, details=problem)


def too_much(problem: str) -> Refused:
    """More of something than a request may have."""
    return Refused(400, "PGRST100", "The request is too large to be answered", details=problem)


def url_too_long(limit_bytes: int) -> Refused:
    return Refused(414, "PGRST100", f"A URL has {limit_bytes:,} bytes at the most")


def bad_body(message: str = "Empty or invalid json") -> Refused:
    return Refused(400, "PGRST102", message)


def body_too_large(limit_bytes: int) -> Refused:
    return Refused(413, "PGRST102", f"A body has {limit_bytes:,} bytes at the most")


def bad_range(details: str) -> Refused:
    return Refused(416, "PGRST103", "Requested range not satisfiable", details=details)


def bad_put_filters() -> Refused:
    message = "Filters must include all and only primary key columns with 'eq' operators"
    return Refused(405, "PGRST105", message)


def unknown_schema(name: str) -> Refused:
    hint = "Only the following schemas are exposed: public"
    return Refused(406, "PGRST106", f"Invalid schema: {name}", hint=hint)


def no_media_type(asked: Sequence[str]) -> Refused:
    return Refused(406, "PGRST107", f"None of these media types are available: {', '.join(asked)}")


def wrong_content_type(sent: str) -> Refused:
    return Refused(415, "PGRST107", f"Content-Type not acceptable: {sent}")


def not_embedded(name: str) -> Refused:
    return Refused(
        400,
        "PGRST108",
        f"'{name}' is not an embedded resource in this request",
        hint=f"Verify that '{name}' is included in the 'select' query parameter.",
    )


def put_has_no_limit() -> Refused:
    message = "limit/offset querystring parameters are not allowed for PUT"
    return Refused(400, "PGRST114", message)


def put_of_another_key() -> Refused:
    return Refused(400, "PGRST115", "Payload values do not match URL in primary key column(s)")


def not_singular(rows: int) -> Refused:
    return Refused(
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        details=f"The result contains {rows} rows",
    )


def unsupported_method(method: str) -> Refused:
    return Refused(405, "PGRST117", f"Unsupported HTTP method: {method}")


def rpc_method(method: str) -> Refused:
    return Refused(405, "PGRST101", f"Cannot use the {method} method on RPC")


def order_not_to_one(origin: str, target: str) -> Refused:
    return Refused(
        400,
        "PGRST118",
        f"A related order on '{target}' is not possible",
        details=f"'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship",
    )


def only_null_of_embed(name: str) -> Refused:
    return Refused(
        400,
        "PGRST120",
        f"Bad operator on the '{name}' embedded resource",
        details="Only is null or not is null filters are allowed on embedded resources",
    )


def bad_preferences(names: Sequence[str]) -> Refused:
    return Refused(
        400,
        "PGRST122",
        "Invalid preferences given with handling=strict",
        details=f"Invalid preferences: {', '.join(names)}",
    )


def no_aggregates() -> Refused:
    return Refused(400, "PGRST123", "Use of aggregate functions is not allowed")


class BeyondPlan(Refused):
    """A page that reaches further than the plan shows; `depth` is how many records it does show."""

    def __init__(self, depth: int) -> None:
        # The status and code that the database itself gives for what a plan does not allow.
        message = f"The plan shows the first {depth:,} records of a query."
        super().__init__(402, "PT402", message, hint="Narrow it down by filters.")
        self.depth = depth


def too_many_affected(rows: int) -> Refused:
    return Refused(
        400,
        "PGRST124",
        "Query result exceeds max-affected preference constraint",
        details=f"The query affects {rows} rows",
    )


def max_affected_of_one() -> Refused:
    message = "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"
    return Refused(400, "PGRST128", message)


def bad_path() -> Refused:
    return Refused(404, "PGRST125", "Invalid path specified in request URL")


def no_root() -> Refused:
    return Refused(404, "PGRST126", "Root endpoint metadata is disabled")


def unknown_table(name: str, nearest: str | None) -> Refused:
    return Refused(
        404,
        "PGRST205",
        f"Could not find the table 'public.{name}' in the schema cache",
        hint=f"Perhaps you meant the table 'public.{nearest}'" if nearest else None,
    )


def unknown_column_of_payload(relation: str, name: str) -> Refused:
    message = f"Could not find the '{name}' column of '{relation}' in the schema cache"
    return Refused(400, "PGRST204", message)


def unknown_column(alias: str, name: str) -> Refused:
    """As PostgreSQL itself says it."""
    return Refused(400, "42703", f"column {alias}.{name} does not exist")


def unknown_type(name: str) -> Refused:
    """As PostgreSQL itself says it."""
    return Refused(400, "42704", f'type "{name}" does not exist')


def no_relationship(origin: str, target: str, hint: str | None, suggestion: str | None) -> Refused:
    using = f"' using the hint '{hint}" if hint else ""
    return Refused(
        400,
        "PGRST200",
        f"Could not find a relationship between '{origin}' and '{target}' in the schema cache",
        details=(
            f"Searched for a foreign key relationship between '{origin}' and '{target}{using}' in the schema "
            "'public', but no matches were found."
        ),
        hint=f"Perhaps you meant '{suggestion}' instead of '{target}'." if suggestion else None,
    )


def ambiguous_relationship(
    origin: str, target: str, found: list[dict[str, str]], suggestions: Sequence[str]
) -> Refused:
    listed = ", ".join(f"'{suggestion}'" for suggestion in suggestions)
    return Refused(
        300,
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{origin}' and '{target}'",
        details=found,
        hint=(
            f"Try changing '{target}' to one of the following: {listed}. "
            "Find the desired relationship in the 'details' key."
        ),
    )


def unknown_function(name: str, arguments: Sequence[str], suggestion: str | None) -> Refused:
    listed = ", ".join(arguments)
    plural = "s" if len(arguments) > 1 else ""
    said = f"({listed})" if arguments else " without parameters"
    searched = f" with parameter{plural} {listed}" if arguments else " without parameters"
    return Refused(
        404,
        "PGRST202",
        f"Could not find the function public.{name}{said} in the schema cache",
        details=(
            f"Searched for the function public.{name}{searched}, "
            "but no matches were found in the schema cache."
        ),
        hint=f"Perhaps you meant to call the function public.{suggestion}" if suggestion else None,
    )


def unfiltered(verb: str) -> Refused:
    """A change of every row there is, as databases behind these clients refuse it."""
    return Refused(400, "21000", f"{verb} requires a WHERE clause")


def unstorable() -> Refused:
    """A text with NUL, as PostgreSQL itself refuses it."""
    message = "unsupported Unicode escape sequence"
    return Refused(400, "22P05", message, details="\\u0000 cannot be converted to text.")


def of_database(error: asyncpg.PostgresError, *, is_anonymous: bool) -> Refused:
    """PostgreSQL's own error, with the status that its SQLSTATE stands for."""
    code = error.sqlstate or "XX000"
    message, details, hint = str(error.args[0] if error.args else error), error.detail, error.hint
    status = _status(code, message, is_anonymous=is_anonymous)
    return Refused(status, code, message, details=details, hint=hint)


def _status(code: str, message: str, *, is_anonymous: bool) -> int:
    if code == "42501":
        return 401 if is_anonymous else 403
    if code == "21000" and any(mistake in message for mistake in _MISTAKES):
        return 400
    # Raised on purpose: PT402 asks for the status 402.
    if code.startswith("PT") and code[2:].isdecimal() and 400 <= int(code[2:]) <= 599:
        return int(code[2:])
    for length in (5, 2):
        if (status := _STATUSES.get(code[:length])) is not None:
            return status
    return 400
