"""The face itself: an ASGI app below `/rest/v1` that takes a request through the steps to its answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import msgspec
from litestar import Request, asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from api import body as intake
from api import problems
from api.auth import check_standing
from api.faces.rest import answers, calls, errors, exposed, statements
from api.faces.rest.admission import admit
from api.faces.rest.answers import Answer
from api.faces.rest.asking import Asking, read_asking
from api.faces.rest.catalogue import Catalogue, Relation
from api.faces.rest.errors import Refused
from api.faces.rest.fragments import Parameters
from api.faces.rest.payload import Payload, read_arguments, read_payload
from api.faces.rest.plan import Node, plan, reach
from api.faces.rest.query import Query, read_query
from api.faces.rest.ranges import Extent, with_range
from api.faces.rest.reads import labels
from api.faces.rest.statements import Statement
from api.faces.rest.syntax import MAX_URL_BYTES
from api.services import Services
from core.logs import get_logger
from db.sessions import Actor, Role
from search.vocabulary import nearest

log = get_logger(__name__)

PREFIX: Final = "/rest/v1"
# Longer questions are seldom asked twice, and would take much to remember.
REMEMBERED_BYTES: Final = 2_048
_READS: Final = frozenset({"GET", "HEAD"})
_VERBS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"})
_ALLOWED: Final = "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
# What PostgreSQL no longer knows: the catalogue that a statement was made from is of before a migration.
_OUTDATED: Final = frozenset({"42703", "42P01", "42883", "0A000"})
# PostgREST's codes for what every face refuses alike.
_CODES: Final = {
    "bad-token": "PGRST301",
    "unauthenticated": "PGRST301",
    "account-disabled": "PGRST301",
    "session-ended": "PGRST301",
    "too-large": "PGRST102",
    "unavailable": "PGRST001",
}


@asgi(PREFIX, is_mount=True, copy_scope=False, name="rest")
async def rest(scope: Scope, receive: Receive, send: Send) -> None:
    """Everything below `/rest/v1`."""
    # For the log: names and filters are personal data.
    scope["path_template"] = f"{PREFIX}/*"
    request: Request[Any, Any, Any] = Request(scope, receive, send)
    try:
        answer = await _answer(request)
    except Refused as refused:
        answer = answers.refusal(refused)
    except Exception as error:  # noqa: BLE001 - the face's own outermost layer: nothing leaves in another shape
        answer = _failure(request, error)
    await _send(answer, send, has_body=request.method != "HEAD")


HANDLERS: Final[tuple[ASGIRouteHandler, ...]] = (rest,)


def _failure(request: Request[Any, Any, Any], error: Exception) -> Answer:
    """What is not this face's own refusal: the product's errors, and ours."""
    failure = problems.describe(error, request_id=request.scope["state"].get("request_id", ""))
    if failure.status >= 500:
        log.error("request failed", exc_info=error, **{"error.slug": failure.slug})
    code = _CODES.get(failure.slug, failure.slug)
    expired = failure.slug == "bad-token" and "expired" in failure.detail
    refused = Refused(
        401 if failure.slug == "account-disabled" else failure.status,
        "PGRST303" if expired else code,
        "JWT expired" if expired else failure.detail,
    )
    answer = answers.refusal(refused)
    if "Retry-After" in failure.headers:
        answer.headers["retry-after"] = failure.headers["Retry-After"]
    return answer


async def _send(answer: Answer, send: Send, *, has_body: bool) -> None:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status not in (204, 304):
        headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if has_body else b"", "more_body": False})


async def _answer(request: Request[Any, Any, Any]) -> Answer:
    if request.method == "OPTIONS":
        return Answer(200, {"allow": _ALLOWED})
    if request.method not in _VERBS:
        raise errors.unsupported_method(request.method)
    if len(request.scope["query_string"]) > MAX_URL_BYTES:
        raise errors.url_too_long(MAX_URL_BYTES)
    services: Services = request.app.state.services
    admission = await admit(request, services, route="rest")
    try:
        if request.method not in _READS:
            await admission.counting
        return await _routed(_Call(request, services, admission.actor, await services.catalogue.get()))
    finally:
        # Whatever came of it, who asks too often hears that.
        await admission.counting


async def _routed(call: "_Call") -> Answer:
    request = call.request
    match [part for part in request.scope["path"].split("/") if part]:
        case []:
            raise errors.no_root()
        case ["rpc", name]:
            return await _function(call, name)
        # The front end's own spelling of one person's row.
        case ["users", user_id] if request.method in ("GET", "PATCH"):
            return await _relation(call, "users", raw=_with_id(request.scope["query_string"], user_id))
        case [name]:
            return await _relation(call, name, raw=request.scope["query_string"])
    raise errors.bad_path()


def _with_id(raw: bytes, user_id: str) -> bytes:
    """The query, and that it is about this row."""
    wanted = f"id=eq.{quote(user_id, safe='')}".encode()
    return raw + b"&" + wanted if raw else wanted


class _Call:
    """A request with what it takes to answer it."""

    __slots__ = ("actor", "catalogue", "max_rows", "request", "services")

    def __init__(
        self, request: Request[Any, Any, Any], services: Services, actor: Actor, catalogue: Catalogue
    ) -> None:
        self.request = request
        self.services = services
        self.actor = actor
        self.catalogue = catalogue
        self.max_rows = services.settings.rest.max_rows

    async def body(self) -> tuple[bytes, str]:
        limit = self.services.settings.api.body_limit_bytes
        raw = await intake.read(self.request, limit_bytes=limit)
        return raw, intake.content_type(self.request)[0] if "content-type" in self.request.headers else ""

    async def run(
        self,
        statement: Statement,
        asking: Asking,
        settle: Callable[[asyncpg.Record, int | None], Answer],
        *,
        read_only: bool,
    ) -> Answer:
        """Send the statement and settle what came of it while it can still be undone."""
        try:
            try:
                return await self._run(statement, asking, settle, read_only=read_only)
            except asyncpg.InvalidCachedStatementError:
                # The driver had prepared it before a migration; it has forgotten it now.
                return await self._run(statement, asking, settle, read_only=read_only)
        except asyncpg.PostgresError as error:
            if error.sqlstate in _OUTDATED:
                self.services.catalogue.is_outdated()
            if self.actor.role == "authenticated":
                # A statement that failed has not said whether who asked may hear why.
                await self.services.authenticator.who(self.actor)
            raise errors.of_database(error, is_anonymous=self.actor.role == "anon") from error

    async def _run(
        self,
        statement: Statement,
        asking: Asking,
        settle: Callable[[asyncpg.Record, int | None], Answer],
        *,
        read_only: bool,
    ) -> Answer:
        timeout_s = self.services.settings.rest.statement_timeout_s
        async with self.services.database.bare(
            self.actor, read_only=read_only, statement_timeout_s=timeout_s
        ) as connection:
            row = await connection.fetchrow(statement.sql, *statement.values)
            if row is None:
                raise TypeError("a statement of this face answers one row")
            check_standing(row["standing"])
            planned = None
            if statement.planned and _wants_plan(asking, row["total"], self.max_rows):
                said = await connection.fetchval(statement.planned, *statement.planned_values)
                planned = int(said[0]["Plan"]["Plan Rows"])
            answer = settle(row, planned)
            if asking.preferences.tx == "rollback":
                # The COMMIT that follows has nothing left to end.
                await connection.execute("ROLLBACK")
            return answer


def _wants_plan(asking: Asking, counted: int | None, max_rows: int) -> bool:
    return asking.preferences.count == "planned" or (counted or 0) > max_rows


def _relation_of(catalogue: Catalogue, name: str) -> Relation:
    relation = catalogue.relations.get(name)
    if relation is None:
        found = nearest(name[:80], sorted(catalogue.relations))
        raise errors.unknown_table(name[:200], found[0] if found else None)
    return relation


async def _relation(call: _Call, name: str, *, raw: bytes) -> Answer:
    method = call.request.method
    asking = read_asking(call.request, writes=method not in _READS)
    relation = _relation_of(call.catalogue, name)
    if method in _READS:
        return await _read(call, relation, raw, asking)
    query = read_query(raw, is_call=False)
    limit = query.limits.get(())
    node = plan(call.catalogue, relation, query, max_rows=call.max_rows)
    if method == "DELETE":
        return await _delete(call, node, asking, limit=limit)
    raw_body, media_type = await call.body()
    payload = read_payload(raw_body, media_type, relation, query.columns)
    if method == "POST":
        return await _insert(call, node, payload, asking, query)
    if method == "PUT":
        return await _put(call, node, payload, asking, query)
    return await _update(call, node, payload, asking, limit=limit)


@dataclass(frozen=True, slots=True)
class _Question:
    """All that a reading statement follows from: not who asks, for that is what the claims say."""

    catalogue: Catalogue
    relation: str
    raw: bytes
    range: str | None
    asking: Asking
    role: Role
    head_only: bool
    max_rows: int
    # How far the plan of who asks lets this be paged, once it is known that it would be paged further.
    depth: int | None = None


def _statement_of(question: _Question) -> tuple[Node, Statement, str]:
    query = with_range(read_query(question.raw, is_call=False), question.range)
    relation = question.catalogue.relations[question.relation]
    node = plan(question.catalogue, relation, query, max_rows=question.max_rows, depth=question.depth)
    statement = statements.read(
        node,
        question.asking,
        Actor(question.role),
        head_only=question.head_only,
        max_rows=question.max_rows,
    )
    location = f"/{relation.name}" + (f"?{query.canonical}" if query.canonical else "")
    return node, statement, location


# A page asks the same again and again; reading the question costs as much as a short answer.
_remembered_statement = lru_cache(maxsize=512)(_statement_of)


async def _read(call: _Call, relation: Relation, raw: bytes, asking: Asking) -> Answer:
    head_only = call.request.method == "HEAD"
    question = _Question(
        catalogue=call.catalogue,
        relation=relation.name,
        raw=raw,
        range=call.request.headers.get("range"),
        asking=asking,
        role=call.actor.role,
        head_only=head_only,
        max_rows=call.max_rows,
    )
    try:
        answer, node = await _asked(call, question)
    except errors.BeyondPlan as beyond:
        # Hardly ever: what the plan shows of this page is asked for anew, or there is nothing of it.
        answer, node = await _asked(call, replace(question, depth=beyond.depth))
    if relation.name in exposed.CACHEABLE and not node.children:
        return answers.with_tag(answer, call.request.headers.get("if-none-match"))
    return answer


async def _asked(call: _Call, question: _Question) -> tuple[Answer, Node]:
    """The answer to a reading question; raises `BeyondPlan` where it would show more than the plan does."""
    find = _remembered_statement if len(question.raw) <= REMEMBERED_BYTES else _statement_of
    node, statement, location = find(question)
    asking, head_only = question.asking, question.head_only

    def settle(row: asyncpg.Record, planned: int | None) -> Answer:
        if row["depth"] is not None and reach(node, row["page"]) > row["depth"]:
            raise errors.BeyondPlan(row["depth"])
        extent = Extent(node.offset, row["page"], _total(row["total"], planned))
        extent.check()
        _check_singular(asking, row["page"])
        body = _written(asking, node, row["body"] or "")
        return answers.rows(asking, extent, body, location=location, head_only=head_only)

    return await call.run(statement, asking, settle, read_only=True), node


def _total(counted: int | None, planned: int | None) -> int | None:
    return counted if planned is None else max(planned, counted or 0)


def _check_singular(asking: Asking, rows: int) -> None:
    if asking.form == "object" and rows != 1:
        raise errors.not_singular(rows)


def _written(asking: Asking, node: Node, body: str) -> str:
    return answers.csv_head(labels(node)) + body if asking.form == "csv" else body


async def _insert(call: _Call, node: Node, payload: Payload, asking: Asking, query: Query) -> Answer:
    statement, merges = statements.insert(node, payload, asking, call.actor, query.on_conflict)

    def settle(row: asyncpg.Record, _planned: int | None) -> Answer:
        _check_change(asking, row, limit=None)
        location: list[tuple[str, str]] = []
        if row["location"] is not None and row["affected"] == 1:
            location = list(zip(node.relation.primary_key, msgspec.json.decode(row["location"]), strict=True))
        return answers.inserted(
            asking,
            rows=row["affected"],
            existed=row["existed"],
            body=_represented(asking, node, row),
            location=location,
            relation=node.relation.name,
            merges=merges,
        )

    return await call.run(statement, asking, settle, read_only=False)


async def _put(call: _Call, node: Node, payload: Payload, asking: Asking, query: Query) -> Answer:
    if query.limits.get(()) is not None or query.offsets.get(()) is not None:
        raise errors.put_has_no_limit()
    statement = statements.put(node, payload, asking, call.actor)

    def settle(row: asyncpg.Record, _planned: int | None) -> Answer:
        _check_change(asking, row, limit=None)
        return answers.put(asking, existed=bool(row["existed"]), body=_represented(asking, node, row))

    return await call.run(statement, asking, settle, read_only=False)


async def _update(call: _Call, node: Node, payload: Payload, asking: Asking, *, limit: int | None) -> Answer:
    def settle(row: asyncpg.Record, _planned: int | None) -> Answer:
        _check_change(asking, row, limit=limit)
        return answers.updated(asking, rows=row["page"], body=_represented(asking, node, row))

    statement = statements.update(node, payload, asking, call.actor)
    return await call.run(statement, asking, settle, read_only=False)


async def _delete(call: _Call, node: Node, asking: Asking, *, limit: int | None) -> Answer:
    def settle(row: asyncpg.Record, _planned: int | None) -> Answer:
        _check_change(asking, row, limit=limit)
        return answers.deleted(asking, rows=row["page"], body=_represented(asking, node, row))

    statement = statements.delete(node, asking, call.actor)
    return await call.run(statement, asking, settle, read_only=False)


def _check_change(asking: Asking, row: asyncpg.Record, *, limit: int | None) -> None:
    """Refuse, and so undo, what changed more rows than was said, or not the one that was asked for.

    A `limit` on a change chooses no rows, since nothing says which; it is a promise of how many.
    """
    most = asking.preferences.max_affected
    if (most is not None and row["affected"] > most) or (limit is not None and row["affected"] > limit):
        raise errors.too_many_affected(row["affected"])
    if asking.preferences.return_ == "representation":
        _check_singular(asking, row["page"])
    elif asking.form == "object":
        _check_singular(asking, row["affected"])


def _represented(asking: Asking, node: Node, row: asyncpg.Record) -> str | None:
    if asking.preferences.return_ != "representation":
        return None
    return _written(asking, node, row["body"])


async def _function(call: _Call, name: str) -> Answer:
    request = call.request
    if request.method not in ("GET", "HEAD", "POST"):
        raise errors.rpc_method(request.method)
    is_post, head_only = request.method == "POST", request.method == "HEAD"
    asking = read_asking(request, writes=is_post)
    query = with_range(
        read_query(request.scope["query_string"], is_call=not is_post), request.headers.get("range")
    )
    arguments: dict[str, Any] = dict(query.arguments)
    if is_post:
        arguments = read_arguments(*await call.body())
    calls.check_storable(arguments)
    function = calls.find_function(call.catalogue, name[:200], arguments)
    if asking.preferences.max_affected is not None and not function.returns_set:
        raise errors.max_affected_of_one()
    parameters = Parameters()
    from_ = calls.call_sql(function, arguments, parameters)
    node = None
    if function.rows is not None:
        node = plan(call.catalogue, function.rows, query, max_rows=call.max_rows)
    statement = statements.call(function, from_, parameters, node, asking, call.actor, max_rows=call.max_rows)

    def settle(row: asyncpg.Record, planned: int | None) -> Answer:
        most = asking.preferences.max_affected
        if most is not None and row["page"] > most:
            raise errors.too_many_affected(row["page"])
        extent = Extent(node.offset if node else 0, row["page"], _total(row["total"], planned))
        extent.check()
        if function.returns_void:
            return answers.called(asking, extent, None, head_only=head_only)
        if node is not None:
            _check_singular(asking, row["page"])
        body = _written(asking, node, row["body"]) if node else row["body"]
        return answers.called(asking, extent, body, head_only=head_only)

    return await call.run(statement, asking, settle, read_only=not is_post)
