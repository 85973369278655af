"""A file by HTTP: uploaded in pieces, run, watched, its rejects fetched."""

import csv
import gzip
import io
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from api.app import create_app
from core.ids import ImportId
from db.sessions import SERVICE
from domain.imports import jobs

CONTACTS = (
    "First name,Last name,Email,Company,Title\n"
    "Ada,Lovelace,ada@example.com,Analytical,CTO\n"
    "Grace,Hopper,not an address,Navy,Rear Admiral\n"
    ",,,Navy,Boss\n"
    "=cmd(),Formula,f@example.com,Evil,Boss\n"
)
FORM = {"entity": "contacts", "source": "crm"}


def file(content=CONTACTS, name="people.csv"):
    return {"file": (name, content if isinstance(content, bytes) else content.encode(), "text/csv")}


async def upload(person, form=FORM, files=None):
    return await person("POST", "/v1/imports", data=form, files=files or file())


async def number_of(db, table):
    async with db.transaction(SERVICE, read_only=True) as session:
        return (await session.execute(text(f"SELECT count(*) FROM app.{table}"))).scalar_one()


async def run(settings, db, answer):
    import_id = ImportId(UUID(answer["id"]))
    return await jobs.run_import(settings, db, import_id=import_id)


async def test_a_file_is_uploaded_run_and_watched(admin, settings, db):
    answer = await upload(admin)
    assert answer.status_code == 202, answer.text
    started = answer.json()
    assert (started["status"], started["filename"], started["dry_run"]) == ("running", "people.csv", False)
    assert answer.headers["location"] == f"/v1/imports/{started['id']}"
    assert await number_of(db, "outbox") == 1
    await run(settings, db, started)
    done = (await admin("GET", answer.headers["location"])).json()
    assert (done["status"], done["counts"]["created"], done["counts"]["read"]) == ("done", 3, 4)
    assert done["finished_at"] >= done["started_at"]
    assert await number_of(db, "import_chunks") == 0

    rejects = await admin("GET", answer.headers["location"] + "/rejects")
    assert rejects.headers["content-type"].startswith("text/csv")
    assert rejects.headers["content-disposition"] == f'attachment; filename="rejects-{started["id"]}.csv"'
    header, *lines = list(csv.reader(io.StringIO(rejects.text, newline="")))
    assert header == ["line", "column", "kind", "reason", "original"]
    assert {(line[0], line[2]) for line in lines} == {("3", "value"), ("4", "row")}
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line)

    found = (await admin("POST", "/v1/contacts/count", json={"q": ""})).json()
    assert found["total_entries"] == 3


async def test_a_dry_run_writes_nothing_and_shows_the_first_rows(admin, settings, db):
    started = (await upload(admin, FORM | {"dry_run": "true"})).json()
    assert started["dry_run"] is True
    await run(settings, db, started)
    done = (await admin("GET", f"/v1/imports/{started['id']}")).json()
    assert done["status"] == "done"
    assert done["progress"]["sample"][0]["first_name"] == "Ada"
    assert await number_of(db, "contacts") == 0


async def test_a_mapping_and_a_gzipped_file(admin, settings, db):
    mapping = '[columns]\n"Alpha" = "first_name"\n"Beta" = "last_name"\n"Gamma" = "email"\n'
    content = gzip.compress(b"Alpha;Beta;Gamma\nAda;Lovelace;ada@example.com\n")
    started = (
        await upload(admin, FORM | {"mapping": mapping, "delimiter": ";"}, file(content, "x.csv.gz"))
    ).json()
    await run(settings, db, started)
    done = (await admin("GET", f"/v1/imports/{started['id']}")).json()
    assert (done["status"], done["counts"]["created"]) == ("done", 1), done


async def test_what_is_no_table_fails_in_words(admin, settings, db):
    started = (await upload(admin, files=file(b"\x89PNG\r\n\x1a\n\x00\x00"))).json()
    await run(settings, db, started)
    done = (await admin("GET", f"/v1/imports/{started['id']}")).json()
    assert done["status"] == "failed"
    assert done["error"]


async def test_a_file_of_many_pieces_comes_through_whole(admin, settings, db, monkeypatch):
    monkeypatch.setattr("api.routes.imports.PIECE_BYTES", 10_000)
    lines = ["First name,Last name,Email"] + [f"Ada{i},L{i},a{i}@example.com" for i in range(3_000)]
    body = multipart(*GOOD[:2], FILE_HEAD + "\n".join(lines).encode())["content"]

    async def pieces():
        for start in range(0, len(body), 7_001):
            yield body[start : start + 7_001]

    headers = {"Content-Type": "multipart/form-data; boundary=xx"}
    started = (await admin("POST", "/v1/imports", content=pieces(), headers=headers)).json()
    assert await number_of(db, "import_chunks") > 5
    await run(settings, db, started)
    done = (await admin("GET", f"/v1/imports/{started['id']}")).json()
    assert done["counts"]["created"] == 3_000


async def test_imports_are_listed_in_pages(admin):
    ids = [(await upload(admin)).json()["id"] for _ in range(3)]
    first = (await admin("GET", "/v1/imports?limit=2")).json()
    second = (await admin("GET", f"/v1/imports?limit=2&cursor={first['cursor']}")).json()
    assert [each["id"] for each in first["results"] + second["results"]] == ids[::-1]
    assert second["cursor"] is None
    assert (await admin("GET", "/v1/imports?cursor=forged")).status_code == 422


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/v1/imports"),
        ("GET", "/v1/imports"),
        ("GET", "/v1/imports/6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
        ("GET", "/v1/imports/6f9619ff-8b86-4d01-b42d-00cf4fc964ff/rejects"),
    ],
)
async def test_imports_are_for_administrators(ann, admin, method, path):
    answer = await ann(method, path, data=FORM, files=file())
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/not-allowed"
    if method == "GET" and path.count("/") > 2:
        assert (await admin(method, path)).status_code == 404


@pytest.mark.parametrize("record", ["x", "1", "6f9619ff8b86", "../../etc/passwd", "%00"])
async def test_an_id_that_is_none_is_404(admin, record):
    assert (await admin("GET", f"/v1/imports/{record}")).status_code == 404


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"entity": "contacts"},
        {"entity": "people", "source": "crm"},
        {"entity": "contacts", "source": ""},
        {"entity": "contacts", "source": "x" * 101},
        FORM | {"dry_run": "perhaps"},
        FORM | {"dry_run": "1"},
        FORM | {"delimiter": ";;"},
        FORM | {"delimiter": '"'},
        FORM | {"delimiter": "\n"},
        FORM | {"delimiter": "é"},
        FORM | {"mapping": "no = toml = at all"},
        FORM | {"mapping": '[colums]\n"a" = "b"'},
        FORM | {"surce": "crm"},
        FORM | {"source": "a\x00b"},
    ],
)
async def test_a_form_that_cannot_be_is_refused_and_leaves_nothing(admin, db, form):
    answer = await upload(admin, form)
    assert answer.status_code == 422, answer.text
    assert await number_of(db, "imports") == 0


async def test_a_form_without_a_file_is_refused(admin, db):
    answer = await admin("POST", "/v1/imports", files={"entity": (None, "contacts"), "source": (None, "crm")})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/empty-upload"
    empty = await upload(admin, files=file(b""))
    assert empty.json()["type"] == "/problems/empty-upload"
    assert await number_of(db, "imports") == 0


def multipart(*parts: bytes) -> dict:
    body = b"".join(b"--xx\r\n" + part + b"\r\n" for part in parts) + b"--xx--\r\n"
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=xx"}}


FIELD = b'Content-Disposition: form-data; name="%s"\r\n\r\n%s'
FILE_HEAD = b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
FILE = (
    b'Content-Disposition: form-data; name="%s"; filename="a.csv"\r\n\r\nFirst name,Last name\nAda,Lovelace\n'
)
GOOD = (FIELD % (b"entity", b"contacts"), FIELD % (b"source", b"crm"), FILE % b"file")


@pytest.mark.parametrize(
    "request_, status",
    [
        (multipart(*GOOD), 202),
        (multipart(GOOD[2], GOOD[0], GOOD[1]), 202),
        (multipart(*GOOD[:2], FIELD % (b"file", b"a,b")), 422),
        (multipart(*GOOD, GOOD[0]), 422),
        (multipart(*GOOD, GOOD[2]), 422),
        (multipart(GOOD[0], GOOD[0], GOOD[1], GOOD[2]), 422),
        (multipart(GOOD[0], GOOD[1], FILE % b"upload"), 422),
        (multipart(*GOOD, FIELD % (b"source", b"\xff")), 400),
        (multipart(FIELD % (b"mapping", b"x" * 70_000)), 400),
        (multipart(*[FIELD % (b"a%d" % i, b"") for i in range(60)]), 400),
        (multipart(b"Content-Type: text/plain\r\n\r\nno name"), 400),
        (
            {"content": b"--xx\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=xx"}},
            400,
        ),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=xx"}}, 400),
        ({"content": b"--xx--", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        (
            {"content": b"--xx--", "headers": {"Content-Type": "multipart/form-data; boundary=" + "x" * 999}},
            400,
        ),
        ({"content": b"{}", "headers": {"Content-Type": "application/json"}}, 415),
        ({"content": b"a,b", "headers": {"Content-Type": "text/csv"}}, 415),
    ],
)
async def test_forms_of_the_worst_kind(admin, db, request_, status):
    answer = await admin("POST", "/v1/imports", **request_)
    assert answer.status_code == status, answer.text
    assert await number_of(db, "imports") == (1 if status == 202 else 0)


async def test_a_file_that_is_too_large_leaves_nothing(api_settings, run_app, admin, db):
    settings = replace(api_settings, api=replace(api_settings.api, upload_limit_bytes=100_000))
    async with run_app(create_app(settings)) as api:
        answer = await api.post(
            "/v1/imports", data=FORM, files=file(b"a,b\n" * 30_000), headers=admin.headers
        )
        assert answer.status_code == 413

        async def endless():
            yield multipart(*GOOD)["content"][:-8]
            while True:
                yield b"x,y\n" * 100_000

        headers = admin.headers | {"Content-Type": "multipart/form-data; boundary=xx"}
        answer = await api.post("/v1/imports", content=endless(), headers=headers)
        assert answer.status_code == 413
    assert await number_of(db, "imports") == 0
    assert await number_of(db, "import_chunks") == 0


async def test_a_name_of_a_file_leads_nowhere(admin):
    answer = await upload(admin, files=file(name="../../etc/\x07passwd\r\nSet-Cookie: a=b"))
    assert answer.status_code == 202
    assert "set-cookie" not in answer.headers
    assert "\x07" not in answer.json()["filename"]
