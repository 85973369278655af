"""Whether this installation works: for the load balancer, the operator and `leadfuel stack status`."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, Literal

import msgspec

from api.operations import Call, Operation, WithStatus, operation
from api.services import Services
from core.logs import get_logger
from search.response import Answer

log = get_logger(__name__)

# Long enough for a busy database, short enough for the prober behind us.
CHECK_TIMEOUT_S: Final = 2.0


class Live(Answer):
    """The process runs and answers."""

    status: Literal["ok"]


class Part(Answer):
    """The state of one part: `off` means that this installation does without it."""

    status: Literal["ok", "down", "off"]
    detail: str
    took_ms: float | None = None


class Parts(Answer):
    database: Part
    redis: Part
    opensearch: Part


class Ready(Answer):
    """`ok`; `degraded` when everything is answered but not in the usual way; `down` when nothing is."""

    status: Literal["ok", "degraded", "down"]
    search: Literal["opensearch", "pg_trgm"]
    parts: Parts


@operation("GET", "/health/live", tag="Health", summary="Is the process alive?", access="public")
async def live(call: Call) -> Live:  # noqa: ARG001 - every handler takes its call
    """Answers as long as this process can answer at all; asks no other part."""
    return Live(status="ok")


@operation(
    "GET",
    "/health/ready",
    tag="Health",
    summary="Can requests be answered, and by what?",
    access="public",
    other_statuses=(503,),
)
async def ready(call: Call) -> Ready:
    """The state of each part. Without OpenSearch or Redis the installation is degraded and still answers
    (status 200): searches run on PostgreSQL's pg_trgm, requests are counted by each process. Without
    PostgreSQL it is down (503).
    """
    services = call.services
    database, redis, opensearch = await asyncio.gather(
        _check("database", services.database.ping(), "PostgreSQL, the system of record"),
        _redis(services),
        _opensearch(services),
    )
    is_searching = opensearch.status == "ok" and services.searcher.engine == "opensearch"
    if database.status != "ok":
        status: Literal["ok", "degraded", "down"] = "down"
    else:
        status = "ok" if is_searching and redis.status == "ok" else "degraded"
    answer = Ready(
        status=status,
        search="opensearch" if is_searching else "pg_trgm",
        parts=Parts(database=database, redis=redis, opensearch=opensearch),
    )
    return WithStatus(content=answer, status=503) if status == "down" else answer  # type: ignore[return-value]


async def _redis(services: Services) -> Part:
    if not services.settings.redis.url:
        return Part(status="off", detail="No REDIS_URL; each process counts requests for itself")
    part = await _check("redis", services.limiter.ping(), "Redis, for jobs and request limits")
    if part.status == "down":
        part = msgspec.structs.replace(part, detail="No answer; each process counts requests for itself")
    return part


async def _opensearch(services: Services) -> Part:
    client = services.opensearch
    if client is None:
        return Part(status="off", detail="No OPENSEARCH_URL; searches run on PostgreSQL's pg_trgm")
    prefix = services.settings.opensearch.index_prefix

    async def ask() -> None:
        for entity in ("contacts", "organizations"):
            if not await client.indices.exists_alias(
                name=f"{prefix}{entity}", params={"timeout": CHECK_TIMEOUT_S}
            ):
                raise LookupError(entity)

    part = await _check("opensearch", ask(), "OpenSearch, with both indices")
    if part.status == "down":
        detail = "No answer or no index; searches run on PostgreSQL's pg_trgm"
        part = msgspec.structs.replace(part, detail=detail)
    return part


async def _check(name: str, question: Awaitable[object], detail: str) -> Part:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await question
    except Exception as error:  # noqa: BLE001 - whatever a client library raises means that its part is down
        log.debug("health check failed", part=name, **{"error.kind": type(error).__name__})
        return Part(status="down", detail="No answer", took_ms=_ms(started))
    return Part(status="ok", detail=detail, took_ms=_ms(started))


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


OPERATIONS: Final[list[Operation]] = [live, ready]
