"""A full build of the index: ours, a bare `_bulk` of ready-made documents, and pgsync from PyPI.

pgsync is installed into an environment of its own beside the stack's data, never into ours. It needs a
logical slot and Redis; the stack of this measurement runs with `wal_level = logical` for all three. It builds
its own documents (the contact, its company, its positions, nested) from the same tables in the same database
server and writes them to the same node, with its default settings.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from benchmarks import rebuild
from benchmarks.environment import Bench, BenchmarkFailed
from benchmarks.feed.world import copy_of
from benchmarks.report import Row, Table
from embedded import stack as stacks

DATABASE: Final = "bench_peer"
VERSION: Final = "7.3.0"
INDEX: Final = "bench_peer_pgsync"
_WITHIN_S: Final = 1_200
_CONTACT: Final = (
    *(
        "id",
        "organization_id",
        "first_name",
        "middle_name",
        "last_name",
        "full_name",
        "name_terms",
        "name_sort",
    ),
    *("name_search", "linkedin_url", "title", "title_normalized", "title_terms", "seniority", "departments"),
    *("country", "region", "city", "city_name", "latitude", "longitude", "email_status", "email_verified_at"),
    *("has_email", "has_phone", "position_started_on", "last_refreshed_at"),
)
_ORGANIZATION: Final = (
    *("id", "name", "name_key", "domain", "aliases", "industries", "naics", "employees_min", "employees_max"),
    *("headcount_bands", "revenue_min", "revenue_max", "technologies", "keywords", "funding_stage"),
    *("founded_year", "country", "region", "city", "city_name", "latitude", "longitude"),
)
_POSITION: Final = ("id", "company", "title", "title_normalized", "title_terms", "start_date", "end_date")


async def peers(bench: Bench, *, rounds: int) -> Table:
    """Documents a second of each; the stack must run with logical WAL."""
    table = Table(
        "A full build of the index",
        "Documents a second from the same tables to the same node: a rebuild (read, built, sent, compared,"
        " put behind the alias), a bare `_bulk` of the same documents made ready before, by the same sender,"
        f" and the first synchronisation of pgsync {VERSION}: documents of its own shape, default settings.",
        ["what", "documents", "docs/s"],
        "ours is so many times that",
    )
    settings = await copy_of(bench, DATABASE)
    ours = await rebuild.measure(settings, "contacts", rounds)
    medians = ours.medians
    table.rows.append(
        Row(
            "bare `_bulk`",
            [f"{ours.documents:,}", f"{medians['bare _bulk']:,.0f}"],
            ours.ratio,
            0.8,
            at_most=False,
        )
    )
    table.rows.append(Row("rebuild", [f"{ours.documents:,}", f"{medians['rebuild']:,.0f}"]))
    try:
        documents, seconds, bytes_each = await _pgsync(bench)
    except BenchmarkFailed as error:
        table.notes.append(f"pgsync could not be measured: {error.detail}")
    else:
        theirs = documents / seconds
        table.rows.append(
            Row(
                f"pgsync {VERSION}",
                [f"{documents:,}", f"{theirs:,.0f}"],
                medians["rebuild"] / theirs,
                5.0,
                at_most=False,
            )
        )
        table.notes.append(
            f"pgsync: {seconds:.0f} s, documents of {bytes_each:,.0f} bytes in the index's store; ours have"
            f" {ours.bytes_each:,.0f} bytes before they are stored."
        )
    for name, rates in ours.rates.items():
        table.notes.append(f"{name}: {', '.join(f'{rate:,.0f}' for rate in rates)}")
    await bench.stack.drop_database(DATABASE)
    return table


async def _pgsync(bench: Bench) -> tuple[int, float, float]:
    """Documents, seconds and stored bytes a document of pgsync's first synchronisation."""
    home = bench.stack.home / "pgsync"
    program = _installed(home)
    (home / "schema.json").write_text(json.dumps(_schema(), indent=2))
    environ = _environ(bench)
    await _forget(bench)
    bench.say("pgsync: bootstrap")
    _run([str(program.with_name("bootstrap")), "-c", "schema.json"], home, environ)
    try:
        bench.say("pgsync: synchronising")
        started = time.monotonic()
        _run([str(program), "-c", "schema.json"], home, environ)
        seconds = time.monotonic() - started
        url = bench.settings.opensearch.url
        async with aiohttp.ClientSession(url) as client:
            await (await client.post(f"/{INDEX}/_refresh")).read()
            counted = await (await client.get(f"/{INDEX}/_count")).json()
            stats = await (await client.get(f"/{INDEX}/_stats/store")).json()
        documents = int(counted["count"])
        stored = int(stats["_all"]["primaries"]["store"]["size_in_bytes"])
        if documents == 0:
            raise BenchmarkFailed("pgsync ended without a document.")
        return documents, seconds, stored / documents
    finally:
        _run(
            [str(program.with_name("bootstrap")), "-c", "schema.json", "--teardown"],
            home,
            environ,
            check=False,
        )
        await _forget(bench)


def _installed(home: Path) -> Path:
    """pgsync in an environment of its own."""
    program = home / "venv" / "bin" / "pgsync"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", "venv"], home, os.environ)
        pip = [str(home / "venv" / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, f"pgsync=={VERSION}"], home, os.environ)
    return program


def _environ(bench: Bench) -> dict[str, str]:
    made = stacks.environment(bench.stack.state)
    database = urlsplit(stacks.admin_url(bench.stack.state))._replace(path=f"/{DATABASE}")
    engine = urlsplit(made["OPENSEARCH_URL"])
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(bench.stack.home / "pgsync"),
        "PG_URL": database.geturl(),
        "PG_DATABASE": DATABASE,
        "REDIS_URL": made["REDIS_URL"],
        "ELASTICSEARCH": "false",
        "OPENSEARCH": "true",
        "ELASTICSEARCH_HOST": engine.hostname or "",
        "ELASTICSEARCH_PORT": str(engine.port),
        "ELASTICSEARCH_SCHEME": engine.scheme,
        "LOG_LEVEL": "WARNING",
        "GENERAL_LOGGING_LEVEL": "WARNING",
    }


def _schema() -> list[dict[str, Any]]:
    return [
        {
            "database": DATABASE,
            "index": INDEX,
            "nodes": {
                "table": "contacts",
                "schema": "app",
                "columns": _CONTACT,
                "children": [
                    {
                        "table": "organizations",
                        "schema": "app",
                        "label": "organization",
                        "columns": _ORGANIZATION,
                        "relationship": {
                            "variant": "object",
                            "type": "one_to_one",
                            "foreign_key": {"child": ["id"], "parent": ["organization_id"]},
                        },
                    },
                    {
                        "table": "employment_history",
                        "schema": "app",
                        "label": "positions",
                        "columns": _POSITION,
                        "relationship": {
                            "variant": "object",
                            "type": "one_to_many",
                            "foreign_key": {"child": ["contact_id"], "parent": ["id"]},
                        },
                    },
                ],
            },
        }
    ]


def _run(command: list[str], folder: Path, environ: Mapping[str, str], *, check: bool = True) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    if check and done.returncode:
        said = re.sub(r"//[^@\s]*@", "//…@", (done.stderr or done.stdout)[-600:])
        raise BenchmarkFailed(f"`{Path(command[0]).name}` ended with {done.returncode}: {said.strip()}")


async def _forget(bench: Bench) -> None:
    connection = await bench.stack.connect()
    try:
        await connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            f" WHERE database = '{DATABASE}' AND NOT active"
        )
    finally:
        await connection.close()
    async with aiohttp.ClientSession(bench.settings.opensearch.url) as client:
        await (await client.delete(f"/{INDEX}")).read()
