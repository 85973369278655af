"""`leadfuel run`: the whole product on one machine, from nothing to a first search, until Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from time import monotonic
from typing import Any, Final

import click
import httpx
import msgspec
from rich.console import Console
from sqlalchemy import text

from cli.context import load_settings
from cli.context import run as run_async
from cli.search import table, wide_console
from core.errors import LeadFuelError
from core.settings import Settings
from db import migrate
from db.sessions import SERVICE, Database
from domain import accounts, tokens
from domain.demo import generate
from domain.demo.load import load
from domain.signing.keyring import Keyring
from embedded import stack as stacks
from search.response import ContactSearchResponse

_EMAIL: Final = "demo@leadfuel.example"
_READY_WITHIN_S: Final = 180.0
_STOP_WITHIN_S: Final = 20.0
_FIRST_SEARCH: Final[dict[str, Any]] = {
    "q": "vp sales",
    "filters": {"organizations": {"include": {"num_employees": {"min": 50}}}},
    "facets": ["seniorities", "departments", "countries", "industries", "headcount_bands"],
    "limit": 8,
}


_OTHER_DATA: Final = text("""
    SELECT EXISTS (SELECT FROM app.contacts)
       AND NOT EXISTS (SELECT FROM app.sources WHERE name = 'demo')
""")


class DidNotStart(LeadFuelError):
    """The API or the worker ended, or did not answer in time."""

    slug = "run-failed"
    title = "LeadFuel did not start"


@click.command()
@click.option("--contacts", default=20_000, show_default=True, help="Demo contacts, the first time.")
@click.option("--organizations", default=2_000, show_default=True, help="Demo companies, the first time.")
@click.option("--once", is_flag=True, help="Stop again after the first search.")
def run(*, contacts: int, organizations: int, once: bool) -> None:
    """Start everything, show a first search, and keep running until Ctrl-C.

    PostgreSQL, Redis and OpenSearch are started unless their URLs are in the environment; the database is
    migrated; demo data is imported the first time only. PORT chooses the API's port.
    """
    out, begun = wide_console(), monotonic()
    say = _Reporter(out, begun)
    signal.signal(signal.SIGTERM, _interrupt)
    home = Settings.from_env().stack.home
    children: list[subprocess.Popen[bytes]] = []
    try:
        search_engine = _start_services(say)
        settings = load_settings()
        say("migrating the database")
        run_async(migrate.migrate(settings.database))
        run_async(_demo_data(settings, say, contacts=contacts, organizations=organizations))
        search_engine.join()
        settings = load_settings()
        say("starting the API and the worker")
        children += [_start("work", settings), _start("serve", settings)]
        answer = _first_search(settings, children, say)
        _show(out, settings, answer, monotonic() - begun)
        if not once:
            _wait(children)
    except KeyboardInterrupt:
        say("stopping")
    finally:
        _stop(children)
        stacks.down(home)


class _Reporter:
    """Lines of progress, each with the seconds since the start."""

    def __init__(self, out: Console, begun: float) -> None:
        self._out, self._begun = out, begun

    def __call__(self, line: str) -> None:
        self._out.print(f"[dim]{monotonic() - self._begun:6.1f} s[/dim]  {line}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _start_services(say: _Reporter) -> threading.Thread:
    """PostgreSQL and Redis, waited for; OpenSearch, whose first start takes longer, in the background."""
    home = Settings.from_env().stack.home
    stacks.up(home, parts=("postgres", "redis"), report=say)
    opensearch = threading.Thread(
        target=stacks.up, args=(home,), kwargs={"parts": ("opensearch",), "report": say}, daemon=True
    )
    opensearch.start()
    return opensearch


async def _demo_data(settings: Settings, say: _Reporter, *, contacts: int, organizations: int) -> None:
    """The invented market, the first time only; an import that was interrupted is taken up again."""
    done = settings.stack.home / "demo.done"
    database = Database(settings.database)
    try:
        async with database.transaction(SERVICE, read_only=True) as session:
            somebody_elses = (await session.execute(_OTHER_DATA)).scalar_one()
        if done.exists() or somebody_elses:
            return
        say(f"importing {contacts:,} invented contacts and {organizations:,} organizations")
        market = generate.market(seed=1, organizations=organizations)
        summaries = await load(database, settings.privacy, market, contacts=contacts)
        for name, summary in summaries.items():
            rate = summary.counts["read"] / summary.elapsed_s
            say(
                f"{name}: {summary.counts['read']:,} rows in {summary.elapsed_s:.1f} s ({rate:,.0f} a second)"
            )
        done.touch()
    finally:
        await database.close()


def _start(verb: str, settings: Settings) -> subprocess.Popen[bytes]:
    """A child in a process group of its own: Ctrl-C reaches it through us, in order."""
    home = settings.stack.home
    log = (home / "logs" / f"{verb}.log").open("ab")
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "cli.main", verb],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env=dict(os.environ),
    )


def _first_search(
    settings: Settings, children: list[subprocess.Popen[bytes]], say: _Reporter
) -> ContactSearchResponse:
    """The first search over HTTP, once the API answers and, where there is one, the index is whole."""
    token = run_async(_token(settings))
    deadline = monotonic() + _READY_WITHIN_S
    waiting_for = ""
    with httpx.Client(
        base_url=_url(settings), headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        while monotonic() < deadline:
            for verb, child in zip(("work", "serve"), children, strict=True):
                if child.poll() is not None:
                    log = settings.stack.home / "logs" / f"{verb}.log"
                    raise DidNotStart(
                        f"`leadfuel {verb}` ended with code {child.returncode}; its log is {log}."
                    )
            with contextlib.suppress(httpx.TransportError):
                answer = client.post("/v1/contacts/search", json=_FIRST_SEARCH)
                if answer.status_code == httpx.codes.OK:
                    found = msgspec.json.decode(answer.content, type=ContactSearchResponse)
                    if found.engine == "opensearch" or not settings.opensearch.url:
                        return found
                    if waiting_for != "index":
                        waiting_for = "index"
                        say("building the index")
            threading.Event().wait(0.3)
    raise DidNotStart(
        f"No search was answered within {_READY_WITHIN_S:.0f} s; the logs are in {settings.stack.home}."
    )


async def _token(settings: Settings) -> str:
    database = Database(settings.database)
    try:
        async with database.transaction(SERVICE) as session:
            user = await accounts.find_or_create_user(session, email=_EMAIL, admin=True)
        return (await tokens.mint(Keyring(settings.auth, database), user_id=user.id)).text
    finally:
        await database.close()


def _url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.api.host in {"0.0.0.0", "::"} else settings.api.host  # noqa: S104
    return settings.api.public_url or f"http://{host}:{settings.api.port}"


def _show(out: Console, settings: Settings, answer: ContactSearchResponse, seconds: float) -> None:
    token, url = run_async(_token(settings)), _url(settings)
    body = msgspec.json.encode(_FIRST_SEARCH).decode()
    out.rule("a first search: VPs of sales at companies with 50 people or more")
    out.print(table("contacts", answer))
    out.rule()
    out.print(f"LeadFuel runs at [bold]{url}[/bold], ready after {seconds:.1f} s. Ctrl-C stops all of it.")
    out.print(f"API description   {url}/openapi.json\nHealth            {url}/health/ready")
    out.print('From a shell      .venv/bin/leadfuel search contacts "cto berlin" --facet seniorities\n')
    out.print("The same search over HTTP (an administrator's token, good for a day):\n")
    click.echo(f"export TOKEN={token}\n")
    click.echo(
        f'curl -s {url}/v1/contacts/search -H "Authorization: Bearer $TOKEN" \\\n'
        f"  -H 'Content-Type: application/json' -d '{body}'\n"
    )


def _wait(children: list[subprocess.Popen[bytes]]) -> None:
    while all(child.poll() is None for child in children):
        threading.Event().wait(0.5)
    raise DidNotStart("The API or the worker has ended; see the logs.")


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM to all, time to finish, then SIGKILL to what is left of their process groups."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = monotonic() + _STOP_WITHIN_S
    for child in children:
        try:
            child.wait(timeout=max(0.1, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
