"""The indices themselves: made, named, put behind the alias, taken away.

An index is called `{prefix}{entity}-{schema hash}-{n}`. The live one bears the alias `{prefix}{entity}`, and
for searches `{prefix}{entity}.{schema hash}`: code that reads another version of the documents finds none.
Each index also has a private alias, `{index}.write`, under which the feed writes: whoever deletes an
index takes the private alias with it, and a write is then refused instead of making up a new index.
Which index has which state is written in the table `indices`; a batch reads it after its documents, so
that an index under construction misses no change (see `targets`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from opensearchpy.exceptions import ConnectionError as EngineUnreachable
from opensearchpy.exceptions import TransportError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.text import clean
from indexer.feed import Entity, Feed

State = Literal["building", "live", "old"]

# A deletion's version is remembered this long: a batch that is late, but not that late, meets a conflict.
REMEMBERED_DELETIONS = "1h"
OLDEST_MAJOR = 3

_MEANWHILE = "Changes wait in the queue; PostgreSQL answers searches."

# The engine sets the first by itself when its disk runs full; the others are set by people.
_FLOODED = "index.blocks.read_only_allow_delete"
_CLOSED_TO_WRITES = (_FLOODED, "index.blocks.read_only", "index.blocks.write")


class EngineDown(LeadFuelError):
    """OpenSearch does not answer. Searches go to PostgreSQL; changes wait in the queue. `advice` in the facts
    says what to do.
    """

    status = 503
    slug = "engine-down"
    title = "OpenSearch does not answer"


class IndexRefused(LeadFuelError):
    """The indices, or the engine itself, are not as the feed needs them, and a person has to decide. What to
    do stands in the detail or as `advice` in the facts.
    """

    status = 409
    slug = "index-refused"
    title = "The search index cannot be used as it is"


@dataclass(frozen=True, slots=True)
class Index:
    """A row of the table `indices`."""

    entity: Entity
    name: str
    schema_hash: str
    state: State
    last_id: int = 0
    rows_done: int = 0
    rows_total: int = 0


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the changes of an entity go at this moment."""

    write: tuple[str, ...]
    purge: tuple[str, ...]  # kept indices take deletions only: nobody erased stays in them
    outdated: str | None  # the live index, when its schema is not ours

    def __bool__(self) -> bool:
        return bool(self.write)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a look at both sides found for one entity; `problem` is None when the feed may write."""

    alias: str
    index: str | None
    problem: str | None
    advice: str | None = None
    missing: bool = False  # nothing was ever built: the first start
    building: bool = False  # a new index takes changes while it is built


def write_alias(index: str) -> str:
    return f"{index}.write"


async def targets(session: AsyncSession, feed: Feed, entity: Entity) -> Targets:
    """Where this batch is to be written; call it after the documents were read, in their transaction.

    Were it read before, a rebuild could begin in between, scan a record before its change was committed,
    and this batch would bring the change to the old index alone.
    """
    known = await rows(session, entity)
    ours = feed.source.schema_hash(entity)
    live = next((index for index in known if index.state == "live"), None)
    return Targets(
        write=tuple(index.name for index in known if index.state != "old" and index.schema_hash == ours),
        purge=tuple(index.name for index in known if index.state == "old"),
        outdated=live.name if live is not None and live.schema_hash != ours else None,
    )


async def rows(session: AsyncSession, entity: Entity) -> list[Index]:
    found = await session.execute(
        text(
            """
            SELECT entity, index_name, schema_hash, state, last_id, rows_done, rows_total
            FROM indices WHERE entity = :entity ORDER BY started_at
            """
        ),
        {"entity": entity},
    )
    return [Index(*row) for row in found]


async def set_state(session: AsyncSession, index: str, state: State) -> None:
    await session.execute(
        text(
            """
            UPDATE indices SET state = :state,
                   finished_at = CASE WHEN :state = 'building' THEN NULL
                                      ELSE coalesce(finished_at, clock_timestamp()) END
            WHERE index_name = :index
            """
        ),
        {"state": state, "index": index},
    )


async def create(feed: Feed, entity: Entity, *, taken: frozenset[str] = frozenset()) -> str:
    """Make a new, empty index in the shape for loading, behind no alias but its own; its name."""
    stem = f"{feed.alias(entity)}-{feed.source.schema_hash(entity)}-"
    there = await feed.client.indices.get_alias(index=f"{feed.alias(entity)}-*")
    numbers = [int(name.rsplit("-", 1)[1]) for name in taken | set(there) if name[-1:].isdigit()]
    name = f"{stem}{max(numbers, default=0) + 1}"
    body = feed.source.index_body(entity)
    await feed.client.indices.create(
        index=name,
        body={
            "mappings": body["mappings"],
            "settings": {
                **_flat(body["settings"]),
                "index.number_of_shards": feed.settings.shards,
                "index.number_of_replicas": 0,
                "index.refresh_interval": "-1",
                "index.gc_deletes": REMEMBERED_DELETIONS,
            },
            "aliases": {write_alias(name): {}},
        },
    )
    return name


async def prepare_for_serving(feed: Feed, index: str) -> None:
    """Make what was loaded visible, and give the index the settings it is searched with."""
    await feed.client.indices.refresh(index=index, params={"request_timeout": 600})
    await feed.client.indices.put_settings(
        index=index,
        body={
            "index.refresh_interval": f"{feed.settings.refresh_interval_ms}ms",
            "index.number_of_replicas": feed.settings.replicas,
        },
    )


async def swap(feed: Feed, entity: Entity, *, new: str) -> list[str]:
    """Put the aliases on the new index in one step; the indices it was on before."""
    before = [name for name in await behind_alias(feed, entity) if name != new]
    alias = feed.alias(entity)
    actions: list[dict[str, Any]] = [
        {"remove": {"index": name, "aliases": [alias, f"{alias}.*"]}} for name in before
    ]
    actions.append({"add": {"index": new, "aliases": [alias, feed.search_alias(entity)]}})
    await feed.client.indices.update_aliases(body={"actions": actions})
    return before


async def behind_alias(feed: Feed, entity: Entity) -> list[str]:
    return await _behind(feed, feed.alias(entity))


async def _behind(feed: Feed, alias: str) -> list[str]:
    found = await feed.client.indices.get_alias(name=alias, params={"ignore": 404})
    return [] if "error" in found else sorted(found)


async def delete(feed: Feed, index: str) -> None:
    """Delete an index; that it is not there is fine."""
    await feed.client.indices.delete(index=index, params={"ignore_unavailable": "true"})


async def exists(feed: Feed, index: str) -> bool:
    return bool(await feed.client.indices.exists(index=index, params={"ignore": 404}))


async def refresh(feed: Feed, entity: Entity) -> None:
    """Make everything written so far visible to searches of the entity."""
    await feed.client.indices.refresh(index=feed.alias(entity), params={"ignore_unavailable": "true"})


async def count(feed: Feed, index: str) -> int:
    """Documents that a search can see."""
    return int((await feed.client.count(index=index))["count"])


async def inspect(feed: Feed, entity: Entity) -> Condition:
    """Compare what the database says about the index with what the engine has; raises only for the former."""
    alias = feed.alias(entity)
    async with feed.service(read_only=True) as session:
        known = await rows(session, entity)
    live = next((index for index in known if index.state == "live"), None)
    building = next((index for index in known if index.state == "building"), None)
    name = live.name if live else None
    try:
        with in_our_words():
            await check_engine(feed)
            behind = await behind_alias(feed, entity)
            searched = await _behind(feed, feed.search_alias(entity))
            there = live is not None and await exists(feed, live.name)
            block = await _block(feed, live.name) if live is not None and there else None
    except (EngineDown, IndexRefused) as error:
        return Condition(alias, name, error.detail, error.facts.get("advice"))
    bearers = {alias: behind, feed.search_alias(entity): searched}
    found = _Found(alias, known, bearers, feed.source.schema_hash(entity), there=there)
    problem, advice = next(found.faults(), block or (None, None))
    return Condition(
        alias,
        name or (behind[0] if behind else None),
        problem,
        advice,
        missing=live is None and building is None and not behind,
        building=building is not None and building.schema_hash == found.ours,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database says of an entity's indices, and what the engine has."""

    alias: str
    known: list[Index]
    bearers: dict[str, list[str]]  # of both aliases
    ours: str
    there: bool

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong and what to do, the worst first."""
        live = next((index for index in self.known if index.state == "live"), None)
        building = next((index for index in self.known if index.state == "building"), None)
        for foreign in sorted(set(self.bearers[self.alias]) - {index.name for index in self.known}):
            yield (
                f"The alias {self.alias} points to {foreign}, which this database knows nothing of.",
                (
                    "If another installation uses this OpenSearch, give this one its own "
                    "LEADFUEL_INDEX_PREFIX; if not, `leadfuel index rebuild --take-over` replaces it."
                ),
            )
        if live is None and building is not None:
            yield (
                f"There is no index yet; {building.name} is being built.",
                "If nothing is building it, `leadfuel index rebuild --resume`.",
            )
        elif live is None:
            yield "There is no index that is kept up to date.", "`leadfuel index rebuild` builds one."
        elif not self.there:
            yield (
                f"The index {live.name} is gone from OpenSearch.",
                "`leadfuel index rebuild` builds a new one; PostgreSQL answers searches meanwhile.",
            )
        elif live.schema_hash != self.ours:
            yield (
                f"The index {live.name} was built for another version of the documents.",
                "`leadfuel index rebuild`; PostgreSQL answers searches meanwhile.",
            )
        else:
            for alias, behind in self.bearers.items():
                if behind != [live.name]:
                    where = f"points to {', '.join(behind)}" if behind else "is missing"
                    yield f"The alias {alias} {where}.", "`leadfuel index rebuild` puts it on a fresh index."


async def check_engine(feed: Feed) -> str:
    """The engine's version; raises when it does not answer or is too old."""
    try:
        answer = await feed.client.info()
    except (EngineUnreachable, TransportError) as error:
        raise unreachable(error) from error
    version = str(answer["version"]["number"])
    if (
        answer["version"].get("distribution") != "opensearch"
        or int(version.split(".", maxsplit=1)[0]) < OLDEST_MAJOR
    ):
        raise IndexRefused(
            f"{answer['version'].get('distribution', 'elasticsearch')} {version} answers, "
            f"OpenSearch {OLDEST_MAJOR} or newer is needed.",
            advice=f"Let OPENSEARCH_URL name one. {_MEANWHILE}",
        )
    return version


def unreachable(error: TransportError) -> EngineDown:
    """The engine's failure in our words."""
    said = clean(str(error.error))[:200]
    if isinstance(error, EngineUnreachable):
        return EngineDown(
            f"OpenSearch does not answer: {said}.",
            advice=f"Start it, or look at OPENSEARCH_URL. {_MEANWHILE}",
        )
    if error.status_code in (401, 403):
        return EngineDown(
            f"OpenSearch does not let us in (status {error.status_code}): {said}.",
            advice="OPENSEARCH_URL takes user and password: https://user:password@host:9200.",
        )
    return EngineDown(
        f"OpenSearch answers with status {error.status_code}: {said}.",
        advice="Look at the log of OpenSearch. Changes wait in the queue.",
    )


@contextmanager
def in_our_words() -> Iterator[None]:
    """For who asks on behalf of a person: what the engine's client raises becomes `EngineDown`."""
    try:
        yield
    except TransportError as error:
        raise unreachable(error) from error


async def _block(feed: Feed, index: str) -> tuple[str, str] | None:
    """What keeps the index from being written to, and what to do."""
    answer = await feed.client.indices.get_settings(
        index=index, name="index.blocks.*", params={"flat_settings": "true"}
    )
    found = answer.get(index, {}).get("settings", {})
    blocks = [name for name in _CLOSED_TO_WRITES if str(found.get(name)).lower() == "true"]
    meanwhile = "Searches go on, changes wait in the queue."
    if _FLOODED in blocks:
        return (
            f"The index {index} is read-only: OpenSearch ran out of disk (flood-stage watermark).",
            f"Make room; OpenSearch then lifts the block by itself. {meanwhile}",
        )
    if blocks:
        return (
            f"The index {index} is closed to writes by {blocks[0]}.",
            f"Somebody has set it; set it to false. {meanwhile}",
        )
    return None


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Settings with dotted names from `index.` on, whichever way they were written."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, Mapping):
            flat.update(_flat(value, path))
        else:
            flat[path if path.startswith("index.") else f"index.{path}"] = value
    return flat
