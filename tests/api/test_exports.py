"""Exports by HTTP: what is in the file, who gets it, and what is never in it."""

import asyncio
import csv
import io
import zipfile
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from core import clock
from db.sessions import SERVICE
from domain.exports import keeping, store, writing
from tests.api.test_icps import VPS, save
from tests.api.test_lists import NOBODY, add, make, share


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "store_of", lambda _settings: store.FolderStore(tmp_path / "exports"))


async def ask(person, status=202, headers=None, **body):
    response = await person("POST", "/v1/exports", json=body, headers=headers or {})
    assert response.status_code == status, response.text
    return response.json()


async def fetch(api, person, export):
    shown = (await person("GET", f"/v1/exports/{export['id']}")).json()
    assert shown["status"] == "done", shown
    response = await api.get(shown["url"])
    assert response.status_code == 200
    return response


async def table(api, person, export):
    response = await fetch(api, person, export)
    return list(csv.reader(io.StringIO(response.content.decode(), newline="")))


async def unlock(db, person, contact, field="email"):
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("INSERT INTO app.unlocks (user_id, contact_id, field) VALUES (:user, :contact, :field)"),
            {"user": person.id, "contact": contact, "field": field},
        )


async def test_a_search_becomes_a_file_with_only_what_is_unlocked(api, ann, world, db, run_outbox):
    await unlock(db, ann, world.contacts[0], "email")
    await unlock(db, ann, world.contacts[0], "phone")
    export = await ask(ann, search={}, columns=["last_name", "email", "phone", "organization_name"])
    assert (export["status"], export["url"]) == ("waiting", None)
    assert await run_outbox() == ["exports.run"]
    response = await fetch(api, ann, export)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"].startswith("attachment; filename=")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert await table(api, ann, export) == [
        ["Last name", "E-mail", "Phone", "Company"],
        ["Müller", "anna@acme.example", "'+493012345", "Acme GmbH"],
        ["Bauer", "", "", "Acme GmbH"],
        ["Clark", "", "", "Globex Inc."],
        ["Diaz", "", "", "Globex Inc."],
        ["Eng", "", "", ""],
    ]
    assert response.content.count(b'"') == 6 * 4 * 2  # every cell is quoted


async def test_hidden_people_are_not_exported_from_anything(api, ann, world, run_outbox):
    made = await make(ann)
    await add(ann, made["id"], ids=world.contacts)
    icp = await save(ann)
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[0]}")
    await ann("PUT", f"/v1/hidden/organizations/{world.organizations[1]}")
    asked = [
        await ask(ann, list_id=made["id"], columns=["last_name"]),
        await ask(ann, search={}, columns=["last_name"]),
        await ask(ann, icp_id=icp["id"], columns=["last_name"]),
    ]
    await run_outbox()
    assert [(await table(api, ann, export))[1:] for export in asked] == [
        [["Bauer"], ["Eng"]],
        [["Bauer"], ["Eng"]],
        [],
    ]
    for way in ("only", "include"):
        refused = await ann("POST", "/v1/exports", json={"search": {"hidden": way}})
        assert refused.status_code == 422


async def test_what_is_hidden_or_erased_before_the_job_runs_is_not_in_the_file(
    api, ann, world, db, run_outbox
):
    export = await ask(ann, search={}, columns=["last_name"])
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[0]}")
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": world.contacts[1]})
    await run_outbox()
    assert (await table(api, ann, export))[1:] == [["Clark"], ["Diaz"], ["Eng"]]


async def test_a_viewer_exports_what_the_viewer_has_unlocked(api, ann, bob, world, db, run_outbox):
    made = await make(ann, "Ünsere Liste/../x")
    await add(ann, made["id"], ids=[world.contacts[0]])
    await share(db, made["id"], bob, "viewer")
    await unlock(db, ann, world.contacts[0])
    exports = [await ask(person, list_id=made["id"], columns=["email"]) for person in (ann, bob)]
    await run_outbox()
    assert await table(api, ann, exports[0]) == [["E-mail"], ["anna@acme.example"]]
    assert await table(api, bob, exports[1]) == [["E-mail"], [""]]
    assert exports[0]["filename"] == f"nsere-liste-x-{clock.today()}.csv"


async def test_who_lost_the_list_gets_no_file(ann, bob, world, db, run_outbox):
    made = await make(ann)
    await share(db, made["id"], bob, "viewer")
    export = await ask(bob, list_id=made["id"])
    await ann("DELETE", f"/v1/lists/{made['id']}/members/{bob.id}")
    await run_outbox()
    shown = (await bob("GET", f"/v1/exports/{export['id']}")).json()
    assert (shown["status"], shown["url"], shown["error"]) == ("failed", None, "There is no such list.")


async def test_cells_are_inert_and_columns_intact(api, ann, world, db, run_outbox):
    nasty = ["=HYPERLINK(1)", " \u00a0=1", 'say "hi", ok', "two\n+lines", "＝1", "plain"]
    async with db.transaction(SERVICE) as session:
        for name in nasty:
            await session.execute(
                text("INSERT INTO app.contacts (first_name, full_name) VALUES (:name, :name)"), {"name": name}
            )
    export = await ask(ann, search={}, columns=["first_name", "id"])
    await run_outbox()
    rows = await table(api, ann, export)
    assert [row[0] for row in rows[6:]] == [
        "'=HYPERLINK(1)", "' \u00a0=1", 'say "hi", ok', "'two\n+lines", "'＝1", "plain",
    ]  # fmt: skip
    assert {len(row) for row in rows} == {2}


async def test_a_workbook_holds_texts(api, ann, world, db, run_outbox):
    await unlock(db, ann, world.contacts[0], "phone")
    export = await ask(ann, search={}, columns=["last_name", "phone"], format="xlsx")
    await run_outbox()
    response = await fetch(api, ann, export)
    assert response.headers["content-type"].endswith("spreadsheetml.sheet")
    with zipfile.ZipFile(io.BytesIO(response.content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert ">+493012345<" in sheet
    assert "<f>" not in sheet
    assert sheet.count("<row ") == 6


async def test_companies_and_default_columns(api, ann, world, run_outbox):
    export = await ask(
        ann, search={"filters": {"organizations": {"include": {"countries": ["DE"]}}}}, entity="organizations"
    )
    await run_outbox()
    headings, row = await table(api, ann, export)
    assert (headings[0], row[0], row[1], row[4]) == ("Name", "Acme GmbH", "acme.example", "software")


async def test_an_icp_is_exported_as_it_was_when_asked(api, ann, world, run_outbox):
    icp = await save(ann)
    export = await ask(ann, icp_id=icp["id"], columns=["last_name"])
    await ann("PATCH", f"/v1/icps/{icp['id']}", json={"request": {"q": "bernd"}})
    await run_outbox()
    assert (await table(api, ann, export))[1:] == [["Müller"], ["Clark"]]
    wrong = await ann("POST", "/v1/exports", json={"icp_id": icp["id"], "entity": "organizations"})
    assert wrong.status_code == 422


async def test_a_dry_run_tells_rows_cost_and_columns(ann, world, db):
    await unlock(db, ann, world.contacts[0])
    answer = await ann("POST", "/v1/exports/dry-run", json={"search": VPS_SEARCH, "columns": ["id", "email"]})
    assert answer.json() == {
        "rows": 2,
        "allowed_rows": 100,
        "credits": 0,
        "columns": ["id", "email"],
        "unlocked": {"email": 1},
    }
    assert (await ann("GET", "/v1/exports")).json()["results"] == []


VPS_SEARCH = {"filters": VPS["filters"]}


async def test_the_plan_limits_the_rows(ann, world, db):
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("INSERT INTO app.contacts (first_name) SELECT 'x' FROM generate_series(1, 96)")
        )
    response = await ann("POST", "/v1/exports", json={"search": {}})
    assert (response.status_code, response.json()["facts"]) == (
        402,
        {"limit": 100, "of": "export_rows", "rows": 101},
    )


async def test_one_key_is_one_export(ann, bob, world, run_outbox):
    key = {"idempotency-key": uuid4().hex}
    first = await ask(ann, search={}, headers=key)
    assert await ask(ann, search={}, headers=key) == first
    other = await ask(ann, status=422, search={"q": "anna"}, headers=key)
    assert other["type"] == "/problems/idempotency-key-reused"
    assert (await ask(bob, search={}, headers=key))["id"] != first["id"]
    at_once = await asyncio.gather(
        *(ann("POST", "/v1/exports", json={"search": {}}, headers={"idempotency-key": "k"}) for _ in range(6))
    )
    assert {answer.status_code for answer in at_once} <= {202, 409}
    assert len({answer.json()["id"] for answer in at_once if answer.status_code == 202}) == 1
    await run_outbox()
    assert len((await ann("GET", "/v1/exports")).json()["results"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"search": {}, "list_id": NOBODY},
        {"search": {}, "columns": []},
        {"search": {}, "columns": ["name", "id"]},
        {"search": {}, "columns": ["id", "id"]},
        {"search": {}, "columns": ["email_hash"]},
        {"search": {}, "columns": ["id); DROP TABLE x; --"]},
        {"search": {}, "format": "pdf"},
        {"search": {"limit": 5}},
        {"search": {}, "filename": "../../etc/passwd"},
    ],
)
async def test_an_export_that_cannot_be_is_refused(ann, body):
    assert (await ann("POST", "/v1/exports", json=body)).status_code == 422


async def test_foreign_lists_icps_and_exports_do_not_exist(ann, bob, world):
    made, icp = await make(ann), await save(ann)
    export = await ask(ann, search={})
    for body in ({"list_id": made["id"]}, {"icp_id": icp["id"]}, {"search": {"in_lists": [made["id"]]}}):
        for path in ("/v1/exports", "/v1/exports/dry-run"):
            assert (await bob("POST", path, json=body)).status_code == 404
    for method in ("GET", "DELETE"):
        for export_id in (export["id"], NOBODY, "x"):
            assert (await bob(method, f"/v1/exports/{export_id}")).status_code == 404
    assert (await bob("GET", f"/v1/jobs/{export['job_id']}")).status_code == 404


async def test_links_end_and_cannot_be_forged(api, ann, world, settings, run_outbox, db):
    one, two = await ask(ann, search={}), await ask(ann, search={"q": "anna"})
    await run_outbox()
    url = (await ann("GET", f"/v1/exports/{one['id']}")).json()["url"]
    token = url.partition("token=")[2]
    assert (await api.get(url)).status_code == 200
    until, _, signature = token.partition(".")
    for forged in (f"{int(until) + 900}.{signature}", f"{until}.", "x", f"{until}.{signature}x", "1.é"):
        answer = await api.get(f"/v1/exports/{one['id']}/file", params={"token": forged})
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/no-such-export")
    assert (await api.get(f"/v1/exports/{two['id']}/file?token={token}")).status_code == 404
    assert (await api.get(f"/v1/exports/{one['id']}/file")).status_code == 422
    async with db.transaction(SERVICE) as session:
        found = await keeping.get(session, export_id=one["id"])
    short = keeping.sign(settings, found.id, lifetime_s=1)
    await asyncio.sleep(1.1)
    assert (await api.get(f"/v1/exports/{one['id']}/file?token={short}")).status_code == 404
    assert (await ann("DELETE", f"/v1/exports/{one['id']}")).status_code == 204
    assert (await api.get(url)).status_code == 404


async def test_the_clients_of_storage_sign_and_fetch(api, ann, bob, world, run_outbox):
    export = await ask(ann, search={}, columns=["last_name"])
    path = f"/storage/v1/object/sign/{export['storage_path']}"
    early = await ann("POST", path, json={"expiresIn": 60})
    assert (early.status_code, early.json()["statusCode"], early.json()["message"]) == (
        404,
        "404",
        "Object not found",
    )
    await run_outbox()
    for seconds in (60, "60"):
        signed = (await ann("POST", path, json={"expiresIn": seconds})).json()["signedURL"]
        answer = await api.get(f"/storage/v1{signed}&download=mine.csv")
        assert (answer.status_code, answer.content.splitlines()[0]) == (200, b'"Last name"')
    assert (await bob("POST", path, json={"expiresIn": 60})).status_code == 404
    assert (await api.post(path, json={"expiresIn": 60})).json()["statusCode"] == "401"
    assert (await ann("POST", f"{path}x", json={"expiresIn": 60})).status_code == 404


async def test_expired_files_are_deleted_once(api, ann, world, settings, db, run_outbox, tmp_path):
    export = await ask(ann, search={})
    await run_outbox()
    url = (await ann("GET", f"/v1/exports/{export['id']}")).json()["url"]
    assert await keeping.expire(settings, db) == 0
    assert len(list((tmp_path / "exports").iterdir())) == 1
    with clock.shifted(timedelta(days=8)):
        assert sum(await asyncio.gather(*(keeping.expire(settings, db) for _ in range(3)))) == 1
    assert list((tmp_path / "exports").iterdir()) == []
    assert (await api.get(url)).status_code == 404
    assert (await ann("GET", f"/v1/exports/{export['id']}")).status_code == 404


async def test_called_off_before_and_during(ann, world, run_outbox, tmp_path, monkeypatch, owner):
    export = await ask(ann, search={})
    await ann("POST", f"/v1/jobs/{export['job_id']}/cancel")
    await run_outbox()
    assert (await ann("GET", f"/v1/exports/{export['id']}")).json()["status"] == "cancelled"
    export = await ask(ann, search={"q": "anna"})
    write = writing.write_csv

    async def write_and_be_called_off(*args, **options):
        await ann("POST", f"/v1/jobs/{export['job_id']}/cancel")
        return await write(*args, **options)

    monkeypatch.setattr(writing, "write_csv", write_and_be_called_off)
    await run_outbox()
    assert (await ann("GET", f"/v1/exports/{export['id']}")).json()["status"] == "cancelled"
    assert not (tmp_path / "exports").exists()


async def test_a_crash_before_the_end_leaves_nothing_and_is_done_again(
    api, ann, world, run_outbox, tmp_path, monkeypatch
):
    export = await ask(ann, search={}, columns=["id"])

    class Full(store.FolderStore):
        def put(self, _name, _source):
            raise OSError("No space left on device")

    monkeypatch.setattr(store, "store_of", lambda _settings: Full(tmp_path / "exports"))
    with pytest.raises(OSError, match="No space"):
        await run_outbox()
    shown = (await ann("GET", f"/v1/exports/{export['id']}")).json()
    assert (shown["status"], shown["url"]) == ("running", None)
    monkeypatch.setattr(store, "store_of", lambda _settings: store.FolderStore(tmp_path / "exports"))
    await run_outbox()
    assert len(await table(api, ann, export)) == 6


async def test_another_store_by_its_url(settings, tmp_path):
    where = store.RemoteStore("memory://exports-of-tests")
    source = tmp_path / "a"
    source.write_bytes(b"rows")
    where.put("x.csv", source)
    with where.open("x.csv") as file:
        assert file.read() == b"rows"
    where.remove("x.csv")
    where.remove("x.csv")
    with pytest.raises(FileNotFoundError):
        where.open("x.csv")
    assert replace(settings.exports, url="s3://bucket").url.startswith("s3")
