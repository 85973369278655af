"""The shapes in which the index is looked at and looked after."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from api.routes.records import RecordId
from search.request import Entity, Form
from search.response import Answer

# What a request may wait for: each record is read, sent and shown.
MAX_REFRESHED: Final = 100

Confirmation = Annotated[Literal["yes"], Meta(description="What cannot be undone has to be confirmed")]


class IndexedRecord(Form, frozen=True):
    entity: Entity
    record_id: RecordId


class IndexedRecords(Form, frozen=True):
    entity: Entity
    ids: Annotated[list[RecordId], Meta(min_length=1, max_length=MAX_REFRESHED)]


class NewPause(Form, frozen=True):
    reason: Annotated[str, Meta(max_length=200)] = ""


class DeadLetterPage(Form, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class DeadLetterChoice(Form, frozen=True):
    """One record's, an entity's, or all."""

    entity: Entity | None = None
    record_id: RecordId | None = None


class DeadLetterDrop(DeadLetterChoice, frozen=True, kw_only=True):
    confirm: Confirmation


class NewRebuild(Form, frozen=True, kw_only=True):
    """Of one entity, or of both. `take_over` replaces an index under our alias that this database does not
    know, and needs `confirm`.
    """

    entity: Entity | None = None
    resume: bool = False
    take_over: bool = False
    confirm: Confirmation | None = None


class AbortedRebuild(Form, frozen=True, kw_only=True):
    confirm: Confirmation
    entity: Entity | None = None


class NewVerify(Form, frozen=True, kw_only=True):
    """Of one entity, or of both. `full` compares the documents themselves and not only their hashes; `sample`
    is the share of the ranges of ids that is looked at; `repair` queues exactly what differs.
    """

    entity: Entity | None = None
    full: bool = False
    sample: Annotated[float, Meta(gt=0, le=1)] | None = None
    repair: bool = False


class DropOrphans(Form, frozen=True, kw_only=True):
    confirm: Confirmation
    kept_for_s: Annotated[
        float, Meta(ge=0, le=10**9, description="Spare those replaced less than so many seconds ago")
    ] = 0.0


class IndexPause(Answer):
    reason: str
    at: datetime


class IndexQueue(Answer):
    rows: int
    oldest_age_s: float


class IndexLag(Answer):
    p50: int
    p99: int
    last: int


class IndexHeartbeat(Answer):
    """What the indexers have reported; `at` is when the last of them did."""

    indexers: int
    documents_per_s: float
    body_documents: int
    documents: int
    conflicts: int
    rejected: int
    retried: int
    busy: int
    lag_ms: dict[str, IndexLag]
    at: datetime


class KeptIndex(Answer):
    name: str
    state: Literal["building", "live", "old"]
    schema_matches: bool
    rows_done: int
    rows_total: int
    started_at: datetime


class IndexRebuilding(Answer):
    """`running` is false for a rebuild that was interrupted."""

    index: str
    running: bool
    rows_done: int
    rows_total: int
    per_second: float | None
    seconds_left: float | None


class IndexDifference(Answer):
    id: int
    kind: Literal["missing", "extra", "stale", "altered", "rejected"]


class IndexVerify(Answer, kw_only=True):
    """What the last verify saw, whoever ran it; of what differs the first hundred are named."""

    index: str
    records: int
    documents: int
    drift: int
    differing: list[IndexDifference] = field(default_factory=list)
    undecided: int
    ranges: int
    full: bool
    sampled: bool = False
    seconds: float
    at: datetime


class EntityIndexStatus(Answer):
    entity: Entity
    healthy: bool
    alias: str
    index: str | None
    records: int
    documents: int | None
    queued: IndexQueue
    dead_letters: int
    indices: list[KeptIndex]
    problem: str | None
    advice: str | None
    last_verify: IndexVerify | None
    rebuilding: IndexRebuilding | None


class IndexStatus(Answer):
    """Both sides of the feed. `engine` is OpenSearch's version."""

    healthy: bool
    silent: Annotated[bool, Meta(description="Indexers have reported once and none has for a while")]
    engine: str | None
    engine_problem: str | None
    paused: IndexPause | None
    fanouts: int
    heartbeat: IndexHeartbeat | None
    entities: list[EntityIndexStatus]
    now: datetime


class SentDocument(Answer):
    entity: Entity
    id: int
    token: int
    outcome: str
    document: dict[str, Any] | None


class SentDocuments(Answer):
    sent: list[SentDocument]


class IndexPaused(Answer):
    paused: bool


class IndexQueueRow(Answer):
    seq: int
    priority: int
    queued_at: datetime
    claimed_until: datetime | None


class IndexExplanation(Answer):
    """One record in the database, in the index and in the queue, side by side."""

    entity: Entity
    id: int
    verdict: str
    document: dict[str, Any] | None
    document_hash: int | None
    indexed: dict[str, Any] | None
    indexed_hash: int | None
    version: int | None
    index: str | None
    queued: list[IndexQueueRow]
    dead_letter: str | None


class DeadLetterAnswer(Answer, kw_only=True):
    """`document` is there when a single one is read."""

    entity: Entity
    id: int
    reason: str
    attempts: int
    first_at: datetime
    last_at: datetime
    document: dict[str, Any] | None = None


class DeadLettersAnswer(Answer):
    results: list[DeadLetterAnswer]


class IndexCount(Answer):
    records: int


class IndexNames(Answer):
    indices: list[str]


class RebuildEnded(Answer, kw_only=True):
    """How the last rebuild that was asked for here ended; `error` says why it did not go well."""

    error: str | None
    index: str | None = None
    documents: int | None = None
    rejected: int | None = None
    seconds: float | None = None
    at: datetime


class EntityRebuild(Answer):
    """`asked_at` is set while a worker is to do it or at it."""

    entity: Entity
    asked_at: datetime | None
    rebuilding: IndexRebuilding | None
    ended: RebuildEnded | None


class IndexRebuilds(Answer):
    results: list[EntityRebuild]


class EntityVerify(Answer):
    """`asked_at` is set while a worker is to do it; `error` says why the last one asked for failed."""

    entity: Entity
    asked_at: datetime | None
    last: IndexVerify | None
    error: str | None


class IndexVerifies(Answer):
    results: list[EntityVerify]
