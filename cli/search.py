"""`leadfuel search`: the search of the API from a shell, its answer as a table or as JSON."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.context import console, load_settings, require_database, run
from core.errors import Invalid
from core.settings import Settings
from db.sessions import SERVICE, Actor, Database, member
from domain import accounts
from search.engine import Searcher
from search.fields import FACETS
from search.request import Entity, SearchRequest
from search.response import ContactHit, Facet, OrganizationHit, SearchResponse

_SHOWN_FACET_VALUES = 6
_PIPED_WIDTH = 132

# option -> where its values go in the request, for options that may be given several times
_LISTS = {
    "titles": ("contacts", "titles"),
    "seniorities": ("contacts", "seniorities"),
    "departments": ("contacts", "departments"),
    "locations": ("contacts", "locations"),
    "organization_locations": ("organizations", "locations"),
    "industries": ("organizations", "industries"),
    "technologies": ("organizations", "technologies"),
    "domains": ("organizations", "domains"),
}


@click.group()
def search() -> None:
    """Find contacts or organizations that fit, with counts beside the filters."""


def _options(command: Any) -> Any:
    for option in reversed(
        [
            click.argument("q", default=""),
            click.option("--title", "titles", multiple=True, help="Job title; synonyms count."),
            click.option("--seniority", "seniorities", multiple=True, help="For example vp, c_suite."),
            click.option("--department", "departments", multiple=True, help="For example sales."),
            click.option("--location", "locations", multiple=True, help="Where the person (or company) is."),
            click.option("--company-location", "organization_locations", multiple=True, help="Where it is."),
            click.option("--industry", "industries", multiple=True),
            click.option("--technology", "technologies", multiple=True),
            click.option("--domain", "domains", multiple=True),
            click.option("--min-employees", type=click.IntRange(0)),
            click.option("--max-employees", type=click.IntRange(0)),
            click.option("--facet", "facets", multiple=True, help="Count the values of this filter."),
            click.option("--sort", default="relevance", show_default=True),
            click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 500)),
            click.option("--cursor", help="Where the last page ended."),
            click.option("--hidden", type=click.Choice(["exclude", "only", "include"]), default="exclude"),
            click.option("--exact-total", is_flag=True, help="Count beyond 10,000."),
            click.option("--explain", is_flag=True, help="Say why each hit matched, what each filter costs."),
            click.option("--engine", type=click.Choice(["opensearch", "postgres"])),
            click.option("--as", "email", help="Search as this user, without the records they have hidden."),
            click.option(
                "--request",
                "file",
                type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
                help="A whole request as JSON (- for standard input), instead of the options.",
            ),
            click.option("--json", "as_json", is_flag=True, help="The answer as the API gives it."),
        ]
    ):
        command = option(command)
    return command


@search.command()
@_options
def contacts(**options: Any) -> None:
    """Find people: leadfuel search contacts "vp sales berlin" --facet seniorities"""
    _search("contacts", options)


@search.command()
@_options
def organizations(**options: Any) -> None:
    """Find companies: leadfuel search organizations semiconductors --location Texas"""
    _search("organizations", options)


def _search(entity: Entity, options: dict[str, Any]) -> None:
    settings = require_database(load_settings())
    request = _request(entity, options)
    answer = run(_ask(settings, entity, request, options["email"]))
    if options["as_json"]:
        click.echo(msgspec.json.encode(answer))
    else:
        wide_console().print(table(entity, answer))


async def _ask(
    settings: Settings, entity: Entity, request: SearchRequest, email: str | None
) -> SearchResponse:
    database = Database(settings.database)
    searcher = Searcher(settings, database)
    try:
        return await searcher.search(entity, request, await _actor(database, email))
    finally:
        await searcher.close()
        await database.close()


async def _actor(database: Database, email: str | None) -> Actor:
    if email is None:
        return SERVICE
    async with database.transaction(SERVICE) as session:
        return member((await accounts.find_or_create_user(session, email=email)).id)


def _request(entity: Entity, options: dict[str, Any]) -> SearchRequest:
    if options["file"] is not None:
        text = sys.stdin.read() if str(options["file"]) == "-" else options["file"].read_text()
        try:
            return msgspec.json.decode(text, type=SearchRequest)
        except msgspec.MsgspecError as error:
            raise Invalid(f"The request cannot be read: {error}") from error
    filters: dict[str, dict[str, dict[str, Any]]] = {
        "contacts": {"include": {}},
        "organizations": {"include": {}},
    }
    for option, (scope, name) in _LISTS.items():
        if options[option]:
            # In a search for organizations a plain --location is the company's.
            where = "organizations" if entity == "organizations" and name == "locations" else scope
            filters[where]["include"].setdefault(name, []).extend(options[option])
    size = {k: v for k in ("min", "max") if (v := options[f"{k}_employees"]) is not None}
    if size:
        filters["organizations"]["include"]["num_employees"] = size
    kept = ("q", "sort", "limit", "cursor", "hidden", "explain", "engine")
    request = {name: options[name] for name in kept} | {
        "filters": filters,
        "facets": list(options["facets"]),
        "total": "exact" if options["exact_total"] else "capped",
    }
    try:
        return msgspec.convert(request, SearchRequest)
    except msgspec.ValidationError as error:
        raise Invalid(f"The request cannot be read: {error}") from error


def wide_console() -> Console:
    """A console that is wide enough for a page of hits also where the output is piped."""
    made = console()
    if not made.is_terminal:
        made.width = _PIPED_WIDTH
    return made


def table(entity: Entity, answer: SearchResponse) -> RenderableType:
    """The answer for a terminal: the page, the counts beside the filters, and the total."""
    parts: list[RenderableType] = []
    if answer.understood:
        read = "  ".join(f"{part.part}: {', '.join(part.means) or part.text}" for part in answer.understood)
        parts.append(Text(f"understood as  {read}", style="dim"))
    parts += [_page(entity, answer), Text("")]
    if answer.facets:
        shown = [_facet(FACETS[entity][name].title, facet) for name, facet in answer.facets.items()]
        parts += [Columns(shown, padding=(0, 3)), Text("")]
    if answer.removed_by:
        costs = [f"{each.path} removes {each.removes}" for each in answer.removed_by]
        parts.append(Text("\n".join(costs), style="dim"))
    total = f"{answer.total_entries:,}{'+' if answer.total_is_lower_bound else ''}"
    late = f"; not counted in time: {', '.join(answer.missing_facets)}" if answer.missing_facets else ""
    why = f" ({answer.engine_reason})" if answer.engine_reason else ""
    parts.append(Text(f"{total} found by {answer.engine}{why} in {answer.took_ms} ms{late}", style="green"))
    if answer.cursor:
        parts.append(
            Text(f"next page: --cursor {answer.cursor}", style="dim", no_wrap=True, overflow="ignore")
        )
    return Group(*parts)


def _page(entity: Entity, answer: SearchResponse) -> Table:
    page = Table(box=None, pad_edge=False, header_style="bold")
    headings = (
        ("id", "name", "title", "company", "place", "e-mail")
        if entity == "contacts"
        else ("id", "company", "domain", "industries", "employees", "place")
    )
    for heading in headings:
        page.add_column(heading, no_wrap=True)
    for hit in answer.results:
        page.add_row(*(_contact_row(hit) if isinstance(hit, ContactHit) else _organization_row(hit)))
    return page


def _contact_row(hit: ContactHit) -> tuple[str, ...]:
    place = hit.location.display_name if hit.location else None
    return (
        str(hit.id),
        hit.full_name or "-",
        (hit.title or "-")[:34],
        hit.organization.name[:28] if hit.organization else "-",
        (place or "-")[:26],
        (hit.email_status or "yes") if hit.has_email else "-",
    )


def _organization_row(hit: OrganizationHit) -> tuple[str, ...]:
    place = hit.location.display_name if hit.location else None
    return (
        str(hit.id),
        hit.name[:34],
        hit.domain or "-",
        ", ".join(hit.industries)[:34] or "-",
        _size(hit.employees_min, hit.employees_max),
        (place or "-")[:30],
    )


def _size(low: int | None, high: int | None) -> str:
    if low is None and high is None:
        return "-"
    if low == high:
        return f"{low:,}"
    return f"{low or 0:,}+" if high is None else f"{low or 0:,}-{high:,}"


def _facet(title: str, facet: Facet) -> Table:
    counts = Table(box=None, pad_edge=False, title=title, title_style="bold", title_justify="left")
    counts.add_column(no_wrap=True, max_width=28, header="")
    counts.add_column(justify="right", header="")
    counts.show_header = False
    for value in facet.values[:_SHOWN_FACET_VALUES]:
        counts.add_row(value.display_name, f"{value.count:,}")
    other = facet.other + sum(value.count for value in facet.values[_SHOWN_FACET_VALUES:])
    if other:
        counts.add_row(Text("other", style="dim"), f"{other:,}")
    if facet.missing:
        counts.add_row(Text("missing", style="dim"), f"{facet.missing:,}")
    return counts
