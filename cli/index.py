"""`leadfuel index`: what an operator does with the search index."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, TypeVar

import click
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.context import console, load_settings, require_database, run
from cli.index_screen import print_verified, screen
from core import logs
from core.errors import NotFound
from core.ids import MAX_RECORD_ID
from core.settings import Settings
from db.sessions import Database
from indexer import asked, control, deadletters, drain, indices, record
from indexer import rebuild as rebuilding
from indexer import verify as verifying
from indexer.bulk import BulkSender
from indexer.feed import ENTITIES, Entity, Feed, NoEngine
from indexer.indices import EngineDown, IndexRefused
from indexer.status import EntityStatus, Status
from indexer.status import status as look

T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
entity_type = click.Choice(ENTITIES)
record_id = click.IntRange(1, MAX_RECORD_ID)


class _NotDone(click.ClickException):
    """Nothing was done: there is no such thing, or the engine is not as it must be. 1 says what was found."""

    exit_code = 2


@click.group()
def index() -> None:
    """The search index: look at it, rebuild it, prove that it is right, repair it.

    PostgreSQL holds the truth; the index can always be made anew from it, and searches are answered by
    PostgreSQL while it is away.
    """
    logs.configure(level="WARNING")


@index.command("status")
@as_json_option
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
def status_command(*, as_json: bool, watch: bool) -> None:
    """Show both sides of the feed. Exit code 1 when something needs attention."""

    async def show(feed: Feed) -> Status:
        if not watch:
            return await look(feed)
        with Live(console=console(), auto_refresh=False) as live:
            while True:
                live.update(screen(await look(feed)), refresh=True)
                await asyncio.sleep(1)

    found = _with_feed(show)
    if as_json:
        _print_json(
            {**asdict(found), "healthy": found.healthy, "entities": [_entity_json(e) for e in found.entities]}
        )
    else:
        console().print(screen(found))
    if not found.healthy:
        raise SystemExit(1)


@index.command("rebuild")
@click.option("--only", type=entity_type, help="Only this index.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted rebuild.")
@click.option("--abort", is_flag=True, help="Remove a running or interrupted rebuild and its index.")
@click.option(
    "--take-over", is_flag=True, help="Replace an index under our alias that this database does not know."
)
@yes_option
@as_json_option
def rebuild_command(
    *, only: Entity | None, resume: bool, abort: bool, take_over: bool, yes: bool, as_json: bool
) -> None:
    """Build new indices from the database while the old ones answer, then switch over."""
    if resume and abort:
        raise click.UsageError("--resume and --abort exclude each other.")
    chosen: Sequence[Entity] = (only,) if only else ENTITIES
    if abort:
        _ask("Remove the index that is being built?", yes=yes)
        removed = _with_feed(lambda feed: _abort(feed, chosen))
        if as_json:
            _print_json({"removed": removed})
        else:
            console().print(f"Removed {', '.join(removed)}." if removed else "There is no rebuild to abort.")
        return
    if take_over:
        _ask("Put our alias in the place of an index this database does not know?", yes=yes)
    done = _with_feed(lambda feed: _rebuild(feed, chosen, resume=resume, take_over=take_over, quiet=as_json))
    if as_json:
        _print_json({"rebuilt": [asdict(each) for each in done]})
        return
    for each in done:
        rate = each.documents / each.seconds if each.seconds else 0
        console().print(
            f"{each.entity}: {each.documents:,} documents in {each.seconds:.1f} s ({rate:,.0f}/s) "
            f"are live in {each.index}"
            + (f", {each.rejected:,} were rejected (`leadfuel index dlq list`)." if each.rejected else ".")
        )


@index.command("refresh")
@click.argument("entity", type=entity_type, required=False)
@click.argument("ids", type=record_id, nargs=-1)
@as_json_option
def refresh_command(*, entity: Entity | None, ids: tuple[int, ...], as_json: bool) -> None:
    """Bring what is queued to the index and return when searches find it.

    With an entity and ids, send just these records now and show what was sent.
    """
    if entity and not ids:
        raise click.UsageError("Name the ids of the records, or no entity at all.")
    if entity is None:
        brought = _with_feed(_drain)
        if as_json:
            _print_json({"records": brought})
        else:
            console().print(f"Everything that was queued can be found ({brought:,} records brought here).")
        return
    named = entity
    sent = _with_feed(lambda feed: record.send(feed, named, ids))
    if as_json:
        _print_json({"sent": [asdict(each) for each in sent]})
        return
    for each in sent:
        console().print(f"{each.entity} {each.id}: {each.outcome} under version {each.token}")
        console().print_json(data=each.document)


@index.command("pause")
@click.option("--reason", default="", help="Shown in the status.")
def pause_command(*, reason: str) -> None:
    """Stop writing to the index, also over restarts, until `resume`. Changes wait in the queue."""

    async def pause(feed: Feed) -> None:
        async with feed.service() as session:
            await control.pause(session, reason=reason)

    _with_feed(pause)
    console().print("Paused. Changes wait in the queue until `leadfuel index resume`.")


@index.command("resume")
def resume_command() -> None:
    """Take a pause back."""

    async def resume(feed: Feed) -> bool:
        async with feed.service() as session:
            return await control.resume(session)

    console().print("Resumed." if _with_feed(resume) else "It was not paused.")


@index.command("verify")
@click.option("--entity", type=entity_type, help="Only this index.")
@click.option("--full", is_flag=True, help="Compare the documents themselves, not only their hashes.")
@click.option(
    "--sample", type=click.FloatRange(0, 1, min_open=True), help="Share of the id ranges to look at."
)
@click.option("--repair", is_flag=True, help="Queue exactly what differs.")
@as_json_option
def verify_command(
    *, entity: Entity | None, full: bool, sample: float | None, repair: bool, as_json: bool
) -> None:
    """Prove that index and database agree, or name what differs. Exit code 1 when anything does."""
    chosen: Sequence[Entity] = (entity,) if entity else ENTITIES
    found = _with_feed(
        lambda feed: _verify(feed, chosen, full=full, sample=sample, repair=repair, quiet=as_json)
    )
    differing = sum(len(each.drift) for each in found)
    if as_json:
        _print_json(
            {
                "equal": not differing,
                "repaired": repair and bool(differing),
                "verified": [asdict(each) for each in found],
            }
        )
    else:
        for each in found:
            print_verified(console(), each)
        if differing and repair:
            console().print(f"{differing:,} records were queued; `leadfuel index refresh` waits for them.")
        elif differing:
            console().print("`leadfuel index verify --repair` queues exactly these.")
    if differing:
        raise SystemExit(1)


@index.command("explain")
@click.argument("entity", type=entity_type)
@click.argument("id", type=record_id)
@as_json_option
def explain_command(*, entity: Entity, id: int, as_json: bool) -> None:  # noqa: A002 - the word people type
    """Show one record on both sides: what the database says, what the index holds, what is queued."""
    found = _with_feed(lambda feed: record.explain(feed, entity, id))
    if as_json:
        _print_json(asdict(found))
        return
    console().print(f"{entity} {id}: {found.verdict}")
    console().print_json(data=asdict(found), default=str)


@index.command("drop-orphans")
@click.option(
    "--kept-for",
    "kept_for_s",
    type=click.FloatRange(0),
    default=0.0,
    help="Spare indices replaced less than this many seconds ago.",
)
@yes_option
@as_json_option
def drop_orphans_command(*, kept_for_s: float, yes: bool, as_json: bool) -> None:
    """Delete replaced indices, and those nobody has written down, that no search can reach."""
    _ask("Delete indices that nobody needs any more?", yes=yes)

    dropped = _with_feed(lambda feed: rebuilding.drop_all_orphans(feed, kept_for_s=kept_for_s))
    if as_json:
        _print_json({"dropped": dropped})
    else:
        console().print(f"Deleted {', '.join(dropped)}." if dropped else "There was nothing to delete.")


@index.group("dlq")
def dlq() -> None:
    """Documents the engine will never take as they are."""


@dlq.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100)
@as_json_option
def dlq_list(*, limit: int, as_json: bool) -> None:
    """List dead letters, the latest first."""

    async def listed(feed: Feed) -> list[deadletters.DeadLetter]:
        async with feed.service(read_only=True) as session:
            return await deadletters.listed(session, limit=limit)

    letters = _with_feed(listed)
    if as_json:
        _print_json({"dead_letters": [asdict(letter) for letter in letters]})
        return
    if not letters:
        console().print("There are no dead letters.")
        return
    table = Table("record", "attempts", "first", "last", "reason")
    for letter in letters:
        table.add_row(
            f"{letter.entity} {letter.id}",
            str(letter.attempts),
            f"{letter.first_at:%Y-%m-%d %H:%M}",
            f"{letter.last_at:%Y-%m-%d %H:%M}",
            letter.reason,
        )
    console().print(table)


@dlq.command("show")
@click.argument("entity", type=entity_type)
@click.argument("id", type=record_id)
@as_json_option
def dlq_show(*, entity: Entity, id: int, as_json: bool) -> None:  # noqa: A002 - the word people type
    """Show one dead letter with its document."""

    async def show(feed: Feed) -> deadletters.DeadLetter:
        async with feed.service(read_only=True) as session:
            return await deadletters.show(session, entity, id)

    letter = _with_feed(show)
    if as_json:
        _print_json(asdict(letter))
        return
    console().print(f"{entity} {id}, {letter.attempts} attempts: {letter.reason}")
    console().print_json(data=letter.document)


@dlq.command("retry")
@click.argument("entity", type=entity_type, required=False)
@click.argument("id", type=record_id, required=False)
def dlq_retry(*, entity: Entity | None, id: int | None) -> None:  # noqa: A002 - the word people type
    """Queue the records again: one, an entity's, or all."""

    async def retry(feed: Feed) -> int:
        async with feed.service() as session:
            return await deadletters.retry(session, entity, id)

    console().print(f"{_with_feed(retry):,} records were queued.")


@dlq.command("drop")
@click.argument("entity", type=entity_type, required=False)
@click.argument("id", type=record_id, required=False)
@yes_option
def dlq_drop(*, entity: Entity | None, id: int | None, yes: bool) -> None:  # noqa: A002 - the word people type
    """Forget dead letters without sending them again: one, an entity's, or all."""
    _ask("Forget these dead letters? `leadfuel index verify` would still name their records.", yes=yes)

    async def drop(feed: Feed) -> int:
        async with feed.service() as session:
            return await deadletters.drop(session, entity, id)

    console().print(f"{_with_feed(drop):,} dead letters were dropped.")


def _with_feed(use: Callable[[Feed], Coroutine[Any, Any, T]]) -> T:
    settings = require_database(load_settings())

    async def main() -> T:
        async with _feed(settings) as feed:
            with indices.in_our_words():
                return await use(feed)

    try:
        return run(main())
    except (NotFound, NoEngine, EngineDown, IndexRefused) as error:
        advice = f" {error.facts['advice']}" if "advice" in error.facts else ""
        raise _NotDone(f"{error.detail}{advice}") from error


@asynccontextmanager
async def _feed(settings: Settings) -> AsyncIterator[Feed]:
    db = Database(settings.database)
    try:
        feed = Feed.connect(settings, db)
        try:
            yield feed
        finally:
            await feed.close()
    finally:
        await db.close()


async def _drain(feed: Feed) -> int:
    brought = await drain.drain(feed, BulkSender(feed.client))
    for entity in ENTITIES:
        await indices.refresh(feed, entity)
    return brought


async def _abort(feed: Feed, chosen: Sequence[Entity]) -> list[str]:
    return [name for entity in chosen if (name := await asked.abort_rebuild(feed, entity)) is not None]


async def _rebuild(
    feed: Feed, chosen: Sequence[Entity], *, resume: bool, take_over: bool, quiet: bool
) -> list[rebuilding.Rebuilt]:
    if resume:
        chosen = await rebuilding.to_resume(feed, chosen)
    done = []
    with _bar(quiet=quiet) as bar:
        for entity in chosen:
            task = bar.add_task(entity, total=None, said="")

            def report(progress: rebuilding.Progress, task: Any = task) -> None:
                bar.update(
                    task,
                    completed=progress.done,
                    total=progress.total,
                    said=f"{progress.done:,}/{progress.total:,} {progress.per_second:,.0f}/s",
                )

            done.append(
                await rebuilding.rebuild(feed, entity, resume=resume, take_over=take_over, report=report)
            )
    return done


async def _verify(
    feed: Feed, chosen: Sequence[Entity], *, full: bool, sample: float | None, repair: bool, quiet: bool
) -> list[verifying.Verified]:
    found = []
    with _bar(quiet=quiet) as bar:
        for entity in chosen:
            task = bar.add_task(entity, total=None, said="")

            def report(done: int, of: int, task: Any = task) -> None:
                bar.update(task, completed=done, total=of, said=f"{done:,}/{of:,}")

            found.append(
                await verifying.verify_and_remember(
                    feed, entity, full=full, sample=sample, mend=repair, report=report
                )
            )
    return found


def _bar(*, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
        console=console(stderr=True),
        disable=quiet,
        transient=True,
    )


def _entity_json(entity: EntityStatus) -> dict[str, Any]:
    found = {**asdict(entity), "healthy": entity.healthy}
    if entity.rebuilding is not None:
        found["rebuilding"]["seconds_left"] = entity.rebuilding.seconds_left
    return found


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True)


def _print_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, default=str))
