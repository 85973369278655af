"""Our own sender for `_bulk`: every item has an outcome, and none is decided by its neighbours.

Bodies are bounded by count and bytes, a few are in flight at once. A node that is busy (429, 503, a
timeout, a cut connection) is asked again after a jittered pause with half the documents, and gets full
bodies again once it answers well. Sending an item twice does no harm: its version is external, so the
second delivery is a conflict, and a conflict means that the engine has this state or a newer one.
"""

import asyncio
import enum
import itertools
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import ConnectionError as EngineUnreachable
from opensearchpy.exceptions import TransportError

from core.logs import get_logger

log = get_logger(__name__)

# All that is read of an answer; of a good one this is some 20 bytes an item.
_ANSWER = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_MISSING_INDEX = "index_not_found_exception"
_VERSION_THERE = re.compile(r"current version \[(\d+)\]")


class Kind(enum.Enum):
    """What became of one item."""

    DONE = enum.auto()  # written or deleted
    NEWER = enum.auto()  # refused, because the engine holds this state or a newer one
    REJECTED = enum.auto()  # this document can never be taken as it is
    RETRY = enum.auto()  # not taken, may be taken later
    MISSING = enum.auto()  # not taken, because the index is gone
    STOPPED = enum.auto()  # not taken, and nothing will be until somebody acts


@dataclass(frozen=True, slots=True)
class Outcome:
    kind: Kind
    reason: str | None = None

    @property
    def version_there(self) -> int:
        """The version that made a conflict; 0 when the engine does not name it."""
        named = _VERSION_THERE.search(self.reason or "") if self.kind is Kind.NEWER else None
        return int(named[1]) if named else 0


DONE = Outcome(Kind.DONE)


@dataclass(frozen=True, slots=True)
class Operation:
    """Put the document (or, without one, the deletion) of a record under a version into an index.

    `target` is the private alias of one index, never the index itself: with `require_alias` an index
    that somebody has deleted is then reported missing instead of being made up with a guessed mapping.
    """

    target: str
    id: int
    version: int
    document: bytes | None

    def lines(self) -> bytes:
        verb = "index" if self.document is not None else "delete"
        action = (
            f'{{"{verb}":{{"_index":"{self.target}","_id":"{self.id}",'
            f'"version":{self.version},"version_type":"external"}}}}\n'
        ).encode()
        return action if self.document is None else b"%b%b\n" % (action, self.document)


def writes(target: str, version: int, documents: Mapping[int, bytes]) -> list[bytes]:
    """The lines of many documents that go to one index under one version, at a third of the cost."""
    head = f'{{"index":{{"_index":"{target}","version":{version},"version_type":"external","_id":"'.encode()
    return [b'%b%d"}}\n%b\n' % (head, record, body) for record, body in documents.items()]


@dataclass(frozen=True, slots=True)
class Limits:
    documents: int = 1_000
    bytes: int = 2_000_000
    in_flight: int = 2
    fewest_documents: int = 16
    request_timeout_s: float = 30.0
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0


@dataclass(slots=True)
class Counters:
    """What the sender has met, for status and metrics."""

    requests: int = 0
    documents: int = 0
    conflicts: int = 0
    rejected: int = 0
    retried: int = 0
    busy: int = 0


class BulkSender:
    """Sends operations; keeps what it has learnt about how much the node can take."""

    def __init__(self, client: AsyncOpenSearch, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.counters = Counters()
        self._client = client
        self._size = self.limits.documents
        self._in_flight = asyncio.Semaphore(self.limits.in_flight)
        self._good_in_a_row = 0

    @property
    def size(self) -> int:
        """How many documents a body holds at present."""
        return self._size

    async def send(self, operations: Sequence[Operation], *, patience_s: float = 20.0) -> list[Outcome]:
        """The outcome of each operation, by position; `RETRY` is left only when patience has run out."""
        return await self.send_lines([operation.lines() for operation in operations], patience_s=patience_s)

    async def send_lines(self, encoded: Sequence[bytes], *, patience_s: float = 20.0) -> list[Outcome]:
        """The same for operations that are lines already, as `Operation.lines` and `writes` make them."""
        outcomes: list[Outcome] = [DONE] * len(encoded)
        pending: Sequence[int] = range(len(encoded))
        give_up_at = time.monotonic() + patience_s
        for attempt in itertools.count():
            bodies = list(self._pack(encoded, pending))
            answers = await asyncio.gather(*(self._post([encoded[at] for at in body]) for body in bodies))
            again: list[int] = []
            for body, answer in zip(bodies, answers, strict=True):
                for at, outcome in zip(body, answer, strict=True):
                    outcomes[at] = outcome
                    if outcome.kind is Kind.RETRY:
                        again.append(at)
            pause = self._pause(attempt)
            if not again or time.monotonic() + pause > give_up_at:
                break
            self.counters.retried += len(again)
            pending = again
            await asyncio.sleep(pause)
        self._count(outcomes)
        return outcomes

    def _pack(self, encoded: Sequence[bytes], positions: Sequence[int]) -> Sequence[Sequence[int]]:
        bodies: list[list[int]] = []
        size = 0
        for at in positions:
            length = len(encoded[at])
            if not bodies or len(bodies[-1]) >= self._size or size + length > self.limits.bytes:
                bodies.append([])
                size = 0
            bodies[-1].append(at)
            size += length
        return bodies

    async def _post(self, lines: Sequence[bytes]) -> Sequence[Outcome]:
        async with self._in_flight:
            answer = await self._request(b"".join(lines), len(lines))
        if answer is not None:
            return answer
        if len(lines) == 1:
            return [Outcome(Kind.REJECTED, f"the engine refuses a document of {len(lines[0]):,} bytes")]
        middle = len(lines) // 2
        return [*await self._post(lines[:middle]), *await self._post(lines[middle:])]

    async def _request(self, body: bytes, count: int) -> Sequence[Outcome] | None:
        """The outcomes of one request, or None when the body as a whole is to be split."""
        self.counters.requests += 1
        try:
            answer = await self._client.transport.perform_request(
                "POST",
                "/_bulk",
                params={
                    "require_alias": "true",
                    "filter_path": _ANSWER,
                    "request_timeout": self.limits.request_timeout_s,
                },
                headers={"content-type": "application/x-ndjson"},
                body=body,
            )
        except EngineUnreachable as error:  # a timeout is one, too
            self._slow_down()
            return [Outcome(Kind.RETRY, f"OpenSearch does not answer: {error.error}")] * count
        except TransportError as error:
            return self._refused(error, count)
        self._speed_up()
        if not answer.get("errors"):
            return [DONE] * count
        outcomes = [_outcome(next(iter(item.values()))) for item in answer["items"]]
        if any(outcome.kind is Kind.RETRY for outcome in outcomes):
            self._slow_down()
        return outcomes

    def _refused(self, error: TransportError, count: int) -> Sequence[Outcome] | None:
        status = error.status_code
        if status in _BUSY:
            # An answer to the whole request, the parent breaker's for example: nothing was indexed.
            self._slow_down()
            return [Outcome(Kind.RETRY, f"OpenSearch is busy ({status}): {error.error}")] * count
        if status == 413 or (status == 400 and count > 1):
            return None
        if status == 400:
            return [Outcome(Kind.REJECTED, _why(error))]
        return [
            Outcome(Kind.STOPPED, f"OpenSearch refuses to be written to ({status}): {_why(error)}")
        ] * count

    def _slow_down(self) -> None:
        self.counters.busy += 1
        self._good_in_a_row = 0
        self._size = max(self.limits.fewest_documents, self._size // 2)

    def _speed_up(self) -> None:
        self._good_in_a_row += 1
        if self._good_in_a_row >= 4 and self._size < self.limits.documents:
            self._good_in_a_row = 0
            self._size = min(self.limits.documents, self._size * 2)

    def _pause(self, attempt: int) -> float:
        longest = min(self.limits.longest_pause_s, self.limits.first_pause_s * 2**attempt)
        return random.uniform(longest / 2, longest)  # noqa: S311 - jitter needs no secrecy

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        self.counters.documents += len(outcomes)
        self.counters.conflicts += sum(outcome.kind is Kind.NEWER for outcome in outcomes)
        self.counters.rejected += sum(outcome.kind is Kind.REJECTED for outcome in outcomes)


def _outcome(item: dict[str, Any]) -> Outcome:
    status = item["status"]
    error = item.get("error") or {}
    if status < 300 or (status == 404 and not error):  # the second: a deletion of what is not there
        return DONE
    reason = ": ".join(
        str(part)
        for part in (error.get("type"), error.get("reason"), (error.get("caused_by") or {}).get("reason"))
        if part
    )
    if status == 409:
        return Outcome(Kind.NEWER, reason)
    if status in _BUSY:
        return Outcome(Kind.RETRY, reason)
    if error.get("type") == _MISSING_INDEX:
        return Outcome(Kind.MISSING, reason)
    if status in (401, 403):
        return Outcome(Kind.STOPPED, reason)
    return Outcome(Kind.REJECTED, reason or f"status {status}")


def _why(error: TransportError) -> str:
    """The engine's own reason, where its answer has one."""
    info = error.info
    if isinstance(info, dict) and isinstance(info.get("error"), dict):
        return str(info["error"].get("reason") or error.error)
    return str(error.error)
