"""A whole run: streaming, progress, rejects, dry runs, and a process that is killed in the middle."""

import asyncio
import csv
import gzip
import io
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from core.errors import LeadFuelError
from domain.imports import runs
from domain.imports.mapping_file import parse_mapping
from tests.domain.imports.support import fetch

pytestmark = pytest.mark.usefixtures("clean_database")

HEADER = ["id", "first_name", "last_name", "email", "title", "company", "phone"]


def table(count, *, first=1):
    return [
        [
            str(n),
            f"First{n % 97}",
            f"Last{n}",
            f"p{n}@company{n % 50}.example",
            f"Manager {n % 9}",
            f"Company {n % 50}",
            f"+1 212 555 01{n % 100:02}",
        ]
        for n in range(first, first + count)
    ]


def as_bytes(rows, header=HEADER):
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


@pytest.fixture
def run(db, settings):
    async def go(data, *, entity="contacts", source="file", rejects=None, progress=None, **options):
        return await runs.run_import(
            db,
            settings.privacy,
            io.BytesIO(data) if isinstance(data, bytes) else data,
            runs.Options(entity=entity, source=source, **options),
            rejects=rejects,
            progress=progress,
        )

    return go


async def count(db, table="contacts"):
    [row] = await fetch(db, f"SELECT count(*) AS n FROM {table}")
    return row["n"]


async def test_batches_read_by_other_processes_arrive_in_order(db, run):
    summary = await run(as_bytes(table(900)), batch_rows=100)
    assert summary.counts["created"] == 900
    assert summary.counts["organizations_created"] == 50
    rows = await fetch(db, "SELECT source_key AS key FROM contact_sources ORDER BY contact_id")
    assert [row["key"] for row in rows] == [str(n) for n in range(1, 901)]
    before = await fetch(db, "SELECT max(seq) AS n FROM search_dirty")
    again = await run(as_bytes(table(900)), batch_rows=250)
    assert again.changed_nothing
    assert again.counts["unchanged"] == 900
    assert await fetch(db, "SELECT max(seq) AS n FROM search_dirty") == before


async def test_the_size_of_the_batches_changes_nothing(db, run):
    jo, al = (["", *names, "info@x.example", "", "", ""] for names in (("Jo", "Doe"), ("Al", "Roe")))
    rows = [*table(40), jo, al, *table(10)]
    await run(as_bytes(rows), batch_rows=7)
    sql = "SELECT full_name, email, title, organization_id FROM contacts ORDER BY id"
    small = await fetch(db, sql)
    summary = await run(as_bytes(rows), batch_rows=1000)
    assert summary.changed_nothing
    assert len(small) == 42
    assert summary.counts["repeated"] == 10


async def test_a_dry_run_counts_and_writes_nothing(db, run):
    tables = ("contacts", "organizations", "sources", "contact_sources", "vocabulary_terms", "search_dirty")
    before = [await count(db, name) for name in tables]
    summary = await run(as_bytes(table(30)), dry_run=True, batch_rows=10)
    assert (summary.counts["created"], summary.counts["organizations_created"]) == (30, 30)
    assert summary.sample[0]["first_name"] == "First1"
    assert [await count(db, name) for name in tables] == before
    await run(as_bytes(table(20)))
    [latest] = await fetch(db, "SELECT max(id) AS id FROM contacts")
    changed = [row if n % 2 else [*row[:4], "CEO", *row[5:]] for n, row in enumerate(table(30))]
    summary = await run(as_bytes(changed), dry_run=True)
    assert (summary.counts["created"], summary.counts["updated"], summary.counts["unchanged"]) == (10, 10, 10)
    assert await fetch(db, "SELECT id FROM contacts WHERE title = 'CEO'") == []
    await run(as_bytes(table(1, first=31)))
    [after] = await fetch(db, "SELECT max(id) AS id FROM contacts")
    assert after["id"] == latest["id"] + 1


async def test_rejects_name_line_column_and_reason_and_stop_nobody(db, run):
    data = (
        "id,name,e-mail,start date\n"
        "1,Anna Müller,nonsense,2020-01-01\n"
        '2,"Two\nLines",b@x.example,31.02.2020\n'
        ",,,\n"
        ",,,2020\n"
        "5,too,many,cells,here\n"
        "6,Last One,l@x.example,\n"
    ).encode()
    rejects = []
    summary = await run(data, rejects=rejects.extend)
    assert [(r.line, r.column, r.is_row) for r in rejects] == [
        (2, "e-mail", False),
        (3, "start date", False),
        (6, None, True),
        (7, None, True),
    ]
    assert rejects[0].sentence == "'nonsense' is not an e-mail address"
    assert rejects[2].reason.endswith("it identifies nobody")
    assert rejects[3].original == "5,too,many,cells,here"
    assert (summary.counts["created"], summary.counts["rejected"], summary.counts["values_dropped"]) == (
        3,
        2,
        2,
    )


async def test_doubtful_numbers_are_read_and_told(db, run):
    rejects = []
    data = b"name,employees\nAcme,1.500\nBeta,12\n"
    summary = await run(data, entity="organizations", rejects=rejects.extend)
    assert summary.counts["values_in_doubt"] == 1
    assert summary.counts["values_dropped"] == 0
    assert "1500" in rejects[0].reason
    [row] = await fetch(db, "SELECT employees_min FROM organizations WHERE name = 'Acme'")
    assert row["employees_min"] == 1500
    german = "Firma;Mitarbeiter;Umsatz\nGamma GmbH;1.500;2.500.000,50 €\n".encode("cp1252")
    summary = await run(german, entity="organizations", rejects=rejects.extend)
    assert summary.counts["values_in_doubt"] == 0


async def test_progress_tells_rows_and_rate(run):
    seen = []
    await run(as_bytes(table(50)), batch_rows=10, progress=seen.append)
    assert [now.rows for now in seen] == [10, 20, 30, 40, 50]
    assert all(now.rows_per_s > 0 for now in seen)


async def test_a_file_tells_how_much_is_left(run, tmp_path):
    file = tmp_path / "people.csv.gz"
    file.write_bytes(gzip.compress(as_bytes(table(20))))
    seen = []
    await run(file, batch_rows=10, progress=seen.append)
    assert seen[-1].left_s == 0


async def test_a_mapping_overrides_the_names(db, run):
    mapping = parse_mapping('[columns]\n"A" = "last_name"\n"B" = "email"\n"last_name" = ""\n')
    summary = await run(b"A,B,last_name\nMeyer,m@x.example,Wrong\n", overrides=mapping)
    assert summary.mapped == {"A": "last_name", "B": "email"}
    assert await fetch(db, "SELECT last_name FROM contacts") == [{"last_name": "Meyer"}]


async def test_other_columns_are_kept_beside_the_fields(db, run):
    await run(b"id,last_name,Shoe size\n1,Meyer,44\n")
    await run(b"id,last_name,Shoe size,Hat\n1,Meyer,45,L\n")
    [row] = await fetch(db, "SELECT enrichment FROM contacts")
    assert row["enrichment"] == {"Shoe size": "45", "Hat": "L"}


@pytest.mark.parametrize("source", ["manual", " "])
async def test_a_file_cannot_speak_for_people(run, source):
    with pytest.raises(runs.ReservedSource):
        await run(as_bytes(table(1)), source=source)


async def test_an_unknown_source_of_keys_is_refused(run):
    with pytest.raises(runs.UnknownSource):
        await run(as_bytes(table(1)), companies_source="nowhere")


async def test_what_is_no_table_is_refused_at_once(run):
    with pytest.raises(LeadFuelError):
        await run(b"%PDF-1.7 whatever")
    with pytest.raises(LeadFuelError):
        await run(b"")


@pytest.mark.parametrize("delimiter", ["ab", "a", '"', "\n", "5"])
async def test_a_delimiter_is_one_sign(run, delimiter):
    with pytest.raises(runs.BadDelimiter):
        await run(as_bytes(table(1)), delimiter=delimiter)
    assert (await run(b"id\tname\n1\tAnna\n", delimiter="tab")).counts["created"] == 1


async def test_an_encoding_that_does_not_fit_is_told(run):
    with pytest.raises(LeadFuelError):
        await run(as_bytes(table(1)), encoding="utf-16")
    with pytest.raises(LeadFuelError):
        await run(as_bytes(table(1)), encoding="klingon")


async def test_killed_in_the_middle_and_run_again_is_as_if_once(db, settings, tmp_path):
    file = tmp_path / "people.csv"
    file.write_bytes(as_bytes(table(16_000)))
    environment = os.environ | {
        "DATABASE_URL": settings.database.url,
        "LEADFUEL_PRIVACY_KEY": settings.privacy.hash_key,
        "LEADFUEL_HOME": str(settings.stack.home),
    }
    command = [sys.executable, "-m", "cli.main", "import", "contacts", str(file), "--json"]
    first = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.DEVNULL)
    async with asyncio.timeout(120):
        while await count(db) < 4000:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.02)
        readers = psutil.Process(first.pid).children()
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert 0 < await count(db) < 16_000
    assert readers
    assert psutil.wait_procs(readers, timeout=20)[1] == [], "nobody reads on for an import that is dead"
    again = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, check=True)
    assert b'"rejected": 0' in again.stdout
    rows = await fetch(
        db,
        "SELECT s.source_key AS key, c.last_name, c.email, o.name FROM contacts c"
        " JOIN contact_sources s ON s.contact_id = c.id JOIN organizations o ON o.id = c.organization_id"
        " ORDER BY c.id",
    )
    assert [(r["key"], r["last_name"], r["email"], r["name"]) for r in rows] == [
        (row[0], row[2], row[3], row[5]) for row in table(16_000)
    ]
    assert await count(db, "organizations") == 50


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["before-it-is-noticed", "between-two-batches"])
async def test_a_reader_that_dies_ends_the_import_with_a_word(run, pause):
    def kill(_progress):
        time.sleep(pause)  # by now the next batch is read
        for child in psutil.Process().children():
            if child.status() == psutil.STATUS_ZOMBIE:  # killed by the call before
                continue
            if "spawn" in " ".join(child.cmdline()) and "resource_tracker" not in " ".join(child.cmdline()):
                child.kill()
        time.sleep(pause)  # by now the pool knows

    with pytest.raises(runs.ReaderDied):
        await run(as_bytes(table(20_000)), batch_rows=50, progress=kill)


async def test_a_row_that_the_database_refuses_stops_no_other(db, run, owner):
    await owner.execute("ALTER TABLE app.contacts ADD CONSTRAINT probe CHECK (last_name <> 'Last7')")
    try:
        rejects = []
        rows = [*table(20), *table(20)]
        summary = await run(as_bytes(rows), rejects=rejects.extend)
    finally:
        await owner.execute("ALTER TABLE app.contacts DROP CONSTRAINT probe")
    assert (summary.counts["created"], summary.counts["repeated"]) == (19, 19)
    assert [(r.line, r.reason) for r in rejects] == [
        (8, "cannot be stored (probe)"),
        (28, "cannot be stored (probe)"),
    ]
    assert await count(db) == 19


@pytest.mark.parametrize("text", ["😍" * 100, "漢" * 100, "ﷺ" * 100, "𝔘" * 100, "a" * 100, "'\"\\;|{}%_"])
async def test_the_strangest_texts_can_be_stored(db, run, text):
    rows = [[text[:90], text, text, f"{text[:60]}@x.example", text * 3, text * 3, text]]
    rejects = []
    await run(as_bytes(rows), rejects=rejects.extend)
    await run(
        as_bytes([[text[:90], text, text, text]], ["id", "name", "website", "industry"]),
        entity="organizations",
    )
    assert [r.reason for r in rejects if r.is_row] == []
    assert await count(db) == 1
