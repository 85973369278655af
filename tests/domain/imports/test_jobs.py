"""Imports over HTTP: uploaded in pieces, run by a worker, told of while they run."""

import uuid

import pytest

from core.errors import LeadFuelError, NotFound
from core.ids import ImportId
from db.sessions import SERVICE
from domain.imports import jobs
from tests.domain.imports.support import fetch

pytestmark = pytest.mark.usefixtures("clean_database")

FILE = "last_name,email,company\nWeiß,w@acme.example,Acme\nSchwarz,nonsense,Acme\n,,\n?,,\n".encode()


@pytest.fixture
def upload(db):
    async def send(*pieces, **options):
        given = {"entity": "contacts", "source": "upload", "filename": "people.csv"} | options
        async with db.transaction(SERVICE) as session:
            made = await jobs.create_import(session, user_id=None, **given)
        for seq, piece in enumerate(pieces):
            async with db.transaction(SERVICE) as session:
                await jobs.append_chunk(session, import_id=made.id, seq=seq, data=piece)
        return made.id

    return send


@pytest.fixture
def start(db):
    async def go(import_id):
        async with db.transaction(SERVICE) as session:
            return await jobs.start(session, import_id=import_id)

    return go


async def test_an_upload_runs_and_is_told_of(db, settings, upload, start):
    number = await upload(FILE[:20], FILE[20:45], FILE[45:])
    assert (await start(number)).status == "running"
    assert (await start(number)).status == "running"
    waiting = await fetch(db, "SELECT job, payload FROM outbox")
    assert waiting == [{"job": jobs.JOB, "payload": {"import_id": str(number)}}]
    done = await jobs.run_import(settings, db, import_id=number)
    assert (done.status, done.error) == ("done", None)
    assert (done.counts["created"], done.counts["rejected"], done.counts["values_dropped"]) == (2, 1, 1)
    assert done.progress["mapped"]["email"] == "email"
    assert done.finished_at is not None
    async with db.transaction(SERVICE) as session:
        rejects = await jobs.rejects(session, import_id=number)
        assert [(r.line, r.column, r.is_row) for _, r in rejects] == [(3, "email", False), (5, None, True)]
        assert await jobs.rejects(session, import_id=number, after=rejects[0][0]) == rejects[1:]
        assert [found.id for found in await jobs.list_imports(session)] == [number]
    assert await fetch(db, "SELECT seq FROM import_chunks") == []


async def test_a_job_that_runs_twice_works_once(db, settings, upload, start):
    number = await upload(FILE)
    await start(number)
    first = await jobs.run_import(settings, db, import_id=number)
    assert await jobs.run_import(settings, db, import_id=number) == first


async def test_a_dry_run_writes_nothing(db, settings, upload, start):
    number = await upload(FILE, dry_run=True)
    await start(number)
    done = await jobs.run_import(settings, db, import_id=number)
    assert done.counts["created"] == 2
    assert done.progress["sample"][0]["last_name"] == "Weiß"
    assert await fetch(db, "SELECT id FROM contacts") == []


async def test_a_file_that_is_no_table_fails_with_a_word(db, settings, upload, start):
    number = await upload(b"%PDF-1.7")
    await start(number)
    done = await jobs.run_import(settings, db, import_id=number)
    assert done.status == "failed"
    assert "PDF" in done.error


async def test_pieces_come_in_order_and_may_come_twice(db, upload, start):
    number = await upload(b"a,b\n", b"1,2\n")
    for seq, data, is_right in ((0, b"a,b\n", True), (0, b"x", False), (3, b"x", False), (2, b"3,4\n", True)):
        async with db.transaction(SERVICE) as session:
            if is_right:
                await jobs.append_chunk(session, import_id=number, seq=seq, data=data)
            else:
                with pytest.raises(jobs.ChunkOutOfOrder):
                    await jobs.append_chunk(session, import_id=number, seq=seq, data=data)
    await start(number)
    async with db.transaction(SERVICE) as session:
        with pytest.raises(jobs.ImportStarted):
            await jobs.append_chunk(session, import_id=number, seq=3, data=b"x")


async def test_what_cannot_start_says_so(db, upload, start):
    with pytest.raises(jobs.EmptyUpload):
        await start(await upload())
    with pytest.raises(NotFound):
        await start(ImportId(uuid.uuid4()))
    with pytest.raises(LeadFuelError):
        await upload(mapping="[columns]\nx = 1")


async def test_the_latest_imports_come_first_page_by_page(db, upload):
    numbers = [await upload(FILE) for _ in range(3)]
    async with db.transaction(SERVICE) as session:
        first = await jobs.list_imports(session, limit=2)
        rest = await jobs.list_imports(session, limit=2, before=first[-1].id)
    assert [found.id for found in (*first, *rest)] == numbers[::-1]
