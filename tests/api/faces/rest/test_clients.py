"""The unmodified clients of Supabase on tables, functions and files: npm's supabase-js, PyPI's supabase.

Every call that a front end makes of these is here once, with what the client itself hands to the page. Those
of supabase-js that only read, or are refused, stand in `client_calls.json`.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_functions.errors import FunctionsHttpError

from domain.exports import store
from tests.api.faces.rest.world import ANN, NAMES, write_world
from tests.fixtures.node import Node, started

CALLS = json.loads(Path(__file__).with_name("client_calls.json").read_text(encoding="utf-8"))
PROSPECTS, SHARED, NEW = NAMES["prospects"], NAMES["shared"], NAMES["new"]


@pytest.fixture(scope="module")
async def live(app) -> AsyncIterator[str]:
    """The app behind a real port, for clients that will not be told how to connect."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(app, port=port, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody when it is ready
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


@pytest.fixture(scope="module")
async def key(ring, rest_world) -> str:
    return await ring.client_key("anon")


@pytest.fixture(scope="module")
async def js(node_folder, live, key, ask) -> AsyncIterator[Node]:
    """Clients of node: `ann` is signed in, `anon` is not."""
    async with started("client.mjs", folder=node_folder) as process:
        node = Node(process)
        signed_in = {"headers": {"Authorization": f"Bearer {ask.ann.token}"}}
        await node.make("ann", live, key, **{"global": signed_in})
        await node.make("anon", live, key)
        yield node


@pytest.fixture
async def py(live, key, ask) -> AsyncIterator[AsyncClient]:
    headers = {"Authorization": f"Bearer {ask.ann.token}"}
    # The clients' own HTTP client is never closed by them; this one is.
    async with httpx.AsyncClient() as http:
        yield await acreate_client(live, key, AsyncClientOptions(httpx_client=http, headers=headers))


@pytest.fixture
async def changes(owner):
    """For tests that write: the world is put back."""
    yield
    await write_world(owner)


def ids(*wanted: int) -> list[dict[str, int]]:
    return [{"id": one} for one in wanted]


@pytest.mark.parametrize("name", CALLS["reads"])
async def test_supabase_js_reads(js, name):
    call = CALLS["reads"][name]
    answer = await js("ann", *call["chain"])
    assert answer["error"] is None, answer["error"]
    assert answer["data"] == call["data"]


async def test_supabase_js_counts(js):
    exact = await js("ann", ["from", "contacts"], ["select", "id", {"count": "exact"}], ["limit", 2])
    assert (exact["count"], len(exact["data"]), exact["status"]) == (5, 2, 206)
    head = await js(
        "ann",
        ["from", "contacts"],
        ["select", "*", {"count": "exact", "head": True}],
        ["eq", "seniority", "vp"],
    )
    assert (head["count"], head["data"], head["error"]) == (2, None, None)
    for kind in ("planned", "estimated"):
        said = await js("ann", ["from", "contacts"], ["select", "id", {"count": kind, "head": True}])
        assert isinstance(said["count"], int)


@pytest.mark.parametrize("name", CALLS["errors"])
async def test_supabase_js_hands_errors_to_the_page(js, name):
    call = CALLS["errors"][name]
    answer = await js("ann", *call["chain"])
    told = (answer["status"], answer["error"]["code"], answer["data"])
    assert told == (call["status"], call["code"], None)
    assert answer["error"]["message"]


async def test_supabase_js_without_a_user_sees_the_plans_alone(js):
    assert len((await js("anon", ["from", "plans"], ["select", "id"]))["data"]) == 3
    refused = await js("anon", ["from", "contacts"], ["select", "id"])
    assert (refused["status"], refused["error"]["code"]) == (401, "42501")


async def test_supabase_js_writes(js, changes):
    lists = ["from", "lists"]
    plain = await js("ann", lists, ["insert", {"name": "A"}])
    assert (plain["status"], plain["data"], plain["error"]) == (201, None, None)
    made = await js("ann", lists, ["insert", {"id": NEW, "name": "B"}], ["select", "id, name"], ["single"])
    assert made["data"] == {"id": NEW, "name": "B"}
    bulk = await js(
        "ann",
        lists,
        ["insert", [{"name": "C"}, {"name": "D", "description": "d"}]],
        ["select", "name, description"],
    )
    assert bulk["data"] == [{"name": "C", "description": None}, {"name": "D", "description": "d"}]
    filled = await js(
        "ann", ["from", "icp_profiles"], ["insert", [{"name": "I"}, {"name": "J", "filters": {"q": "x"}}],
                                          {"defaultToNull": False}], ["select", "filters"],
    )  # fmt: skip
    assert filled["data"] == [{"filters": {}}, {"filters": {"q": "x"}}]
    changed = await js("ann", lists, ["update", {"name": "B2"}], ["eq", "id", NEW], ["select", "name"])
    assert changed["data"] == [{"name": "B2"}]
    nothing = await js("ann", lists, ["update", {"name": "x"}], ["eq", "id", NAMES["bobs"]], ["select"])
    assert (nothing["status"], nothing["data"]) == (200, [])
    merged = await js("ann", lists, ["upsert", {"id": NEW, "name": "B3"}], ["select", "name"], ["single"])
    assert (merged["status"], merged["data"]) == (200, {"name": "B3"})
    hidden = await js(
        "ann", ["from", "hidden_contacts"],
        ["upsert", [{"contact_id": 5}, {"contact_id": 2}], {"onConflict": "user_id,contact_id"}],
        ["select", "contact_id"], ["order", "contact_id"],
    )  # fmt: skip
    assert hidden["data"] == [{"contact_id": 2}, {"contact_id": 5}]
    ignored = await js(
        "ann", lists, ["upsert", {"id": NEW, "name": "no"}, {"ignoreDuplicates": True}], ["select", "name"]
    )
    assert ignored["data"] == []
    counted = await js("ann", lists, ["delete", {"count": "exact"}], ["in", "name", ["C", "D"]])
    assert (counted["status"], counted["count"], counted["data"]) == (204, 2, None)
    gone = await js(
        "ann", lists, ["delete"], ["eq", "id", NEW], ["select", "name, owner:users!owner_id(email)"]
    )
    assert gone["data"] == [{"name": "B3", "owner": {"email": "Ann@Example.com"}}]
    undone = await js("ann", lists, ["insert", {"name": "never"}], ["select", "name"], ["rollback"])
    assert undone["data"] == [{"name": "never"}]
    assert (await js("ann", lists, ["select", "id"], ["eq", "name", "never"]))["data"] == []
    left = await js("ann", ["rpc", "leave_list", {"list_id": SHARED}])
    assert (left["data"], left["error"]) == ("left", None)


async def test_supabase_js_calls_functions(js, changes):
    body = {"list_id": PROSPECTS, "email": "carl@example.com", "role": "viewer"}
    shared = await js("ann", ["functions"], ["invoke", "share-list", {"body": body}])
    assert (shared["error"], shared["data"]["status"]) == (None, "open")
    as_text = await js(
        "ann",
        ["functions"],
        ["invoke", "share-list", {"body": json.dumps({"list_id": PROSPECTS, "email": "d@example.com"})}],
    )
    assert as_text["data"]["status"] == "open"
    for client, called, code in (
        ("ann", ["invoke", "share-list", {"body": {}}], "wrong-shape"),
        ("ann", ["invoke", "share-list"], "wrong-content-type"),
        ("ann", ["invoke", "nothing", {"body": {}}], "not-found"),
        ("anon", ["invoke", "share-list", {"body": body}], "bad-token"),
    ):
        refused = await js(client, ["functions"], called)
        assert refused["error"]["name"] == "FunctionsHttpError", called
        assert json.loads(refused["error"]["body"])["code"] == code


@pytest.fixture
async def exported(ask, live, tmp_path, monkeypatch, run_outbox, key):
    """The path of a finished export of Ann's."""
    monkeypatch.setattr(store, "store_of", lambda _settings: store.FolderStore(tmp_path / "exports"))
    headers = {"Authorization": f"Bearer {ask.ann.token}"}
    made = await ask.ann.api.post(
        "/v1/exports", json={"search": {"q": ""}, "columns": ["full_name"]}, headers=headers
    )
    await run_outbox()
    shown = await ask.ann.api.get(f"/v1/exports/{made.json()['id']}", headers=headers)
    return shown.json()["storage_path"].removeprefix("exports/")


async def test_supabase_js_signs_and_reads_files(js, exported, api, live, changes):
    bucket = ["from", "exports"]
    signed = await js("ann", ["storage"], bucket, ["createSignedUrl", exported, 60, {"download": "mine.csv"}])
    assert signed["error"] is None
    fetched = await api.get(signed["data"]["signedUrl"].removeprefix(live))
    assert (fetched.status_code, "Anna Müller" in fetched.text) == (200, True)
    read = await js("ann", ["storage"], bucket, ["download", exported])
    assert "Anna Müller" in read["data"]
    absent = await js("ann", ["storage"], bucket, ["createSignedUrl", "nothing/at/all.csv", 60])
    assert absent["data"] is None
    assert absent["error"]["message"]
    stranger = await js("anon", ["storage"], bucket, ["createSignedUrl", exported, 60])
    assert stranger["data"] is None


async def test_supabase_js_lists_and_signs_many(js, exported, api, live, changes):
    bucket = ["from", "exports"]
    folder, _, name = exported.partition("/")
    root = await js("ann", ["storage"], bucket, ["list"])
    assert (root["error"], [entry["name"] for entry in root["data"]]) == (None, [folder])
    options = {
        "limit": 5,
        "offset": 0,
        "sortBy": {"column": "created_at", "order": "desc"},
        "search": name[:3],
    }
    found = await js("ann", ["storage"], bucket, ["list", folder, options])
    (file,) = found["data"]
    assert (file["name"], file["metadata"]["mimetype"]) == (name, "text/csv")
    assert (await js("ann", ["storage"], bucket, ["list", "nothing"]))["data"] == []
    signed = await js(
        "ann", ["storage"], bucket, ["createSignedUrls", [exported, "nothing/x.csv"], 60, {"download": True}]
    )
    assert signed["error"] is None
    there, absent = signed["data"]
    assert (await api.get(there["signedUrl"].removeprefix(live))).status_code == 200
    assert (there["path"], absent["signedUrl"], bool(absent["error"])) == (exported, None, True)
    assert (await js("ann", ["storage"], bucket, ["exists", exported]))["data"] is True
    assert (await js("ann", ["storage"], bucket, ["exists", f"{folder}/other.csv"]))["data"] is False
    info = await js("ann", ["storage"], bucket, ["info", exported])
    assert info["data"]["contentType"] == "text/csv"
    buckets = await js("ann", ["storage"], ["listBuckets"])
    assert [one["id"] for one in buckets["data"]] == ["exports"]
    assert (await js("ann", ["storage"], ["getBucket", "exports"]))["data"]["public"] is False
    for call in (["upload", "mine.csv", "a,b"], ["update", exported, "a,b"], ["remove", [exported]]):
        refused = await js("ann", ["storage"], bucket, call)
        assert refused["data"] is None
        assert "made by exports" in refused["error"]["message"]
    nobody = await js("anon", ["storage"], bucket, ["list"])
    assert (nobody["data"], bool(nobody["error"])) == (None, True)


REALTIME = """
import { createClient } from "@supabase/supabase-js";
const client = createClient(process.argv[1], process.argv[2]);
client.channel("any").subscribe(async (status) => {
  const plans = await client.from("plans").select("id");
  console.log(status, plans.data.length);
  process.exit(0);
});
"""


async def test_a_channel_of_supabase_js_reports_an_error_and_the_rest_goes_on(live, key, node_folder):
    async with started(
        "--input-type=module", "--eval", REALTIME, "--", live, key, folder=node_folder
    ) as process:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), 30)
    assert said.decode().split() == ["CHANNEL_ERROR", "3"]


async def test_python_reads(py):
    found = await py.table("contacts").select("id, organizations(name)").eq("id", 1).execute()
    assert found.data == [{"id": 1, "organizations": {"name": "Acme GmbH"}}]
    for query, wanted in (
        (py.table("contacts").select("id").in_("id", [1, 3]).order("id", desc=True), ids(3, 1)),
        (py.table("contacts").select("id").or_("id.eq.1,id.eq.2").order("id"), ids(1, 2)),
        (py.table("contacts").select("id").not_.is_("title", "null").order("id").limit(1), ids(1)),
        (py.table("contacts").select("id").order("id").range(1, 2), ids(2, 3)),
        (
            py.table("organizations").select("id").in_("name", ["Globex, Inc.", 'Initech "I"']).order("id"),
            ids(2, 3),
        ),
        (py.table("organizations").select("id").contains("enrichment", {"ceo": {"name": "Zoe"}}), ids(1)),
        (py.table("organizations").select("id").overlaps("technologies", ["java"]), ids(2)),
        (py.table("contacts").select("id").ilike("title", "%sales").order("id"), ids(1, 3)),
        (py.table("contacts").select("id").text_search("title", "cto"), ids(2)),
    ):
        assert (await query.execute()).data == wanted
    assert (await py.table("contacts").select("id").eq("id", 1).single().execute()).data == {"id": 1}
    assert (await py.table("contacts").select("id").eq("id", 99).maybe_single().execute()) is None
    counted = (
        await py.table("contacts").select("id", count="exact", head=True).eq("seniority", "vp").execute()
    )
    assert counted.count == 2
    assert (await py.table("contacts").select("id").eq("id", 1).csv().execute()).data == "id\n1"
    people = await py.rpc("list_people", {"list_id": SHARED}).execute()
    assert {person["role"] for person in people.data} == {"owner", "viewer"}


async def test_python_writes(py, changes):
    made = await py.table("lists").insert({"id": NEW, "name": "Py"}).execute()
    assert made.data[0]["name"] == "Py"
    bulk = await py.table("lists").insert([{"name": "x"}, {"name": "y", "description": "z"}]).execute()
    assert [row["description"] for row in bulk.data] == [None, "z"]
    changed = await py.table("lists").update({"name": "Py 2"}).eq("id", NEW).execute()
    assert changed.data[0]["name"] == "Py 2"
    merged = await py.table("lists").upsert({"id": NEW, "name": "Py 3"}).execute()
    assert merged.data[0]["name"] == "Py 3"
    gone = await py.table("lists").delete().eq("id", NEW).execute()
    assert gone.data[0]["id"] == NEW


async def test_python_raises_what_it_is_told(py):
    for query, code in (
        (py.table("nothing").select("*"), "PGRST205"),
        (py.table("contacts").select("id").single(), "PGRST116"),
        (py.table("users").update({"role": "admin"}).eq("id", str(ANN)), "42501"),
        (py.table("nothing").select("*", count="exact", head=True), "PGRST205"),
    ):
        with pytest.raises(APIError) as raised:
            await query.execute()
        assert raised.value.code == code


async def test_python_calls_functions_and_reads_files(py, exported, api, live, changes):
    body = {"list_id": PROSPECTS, "email": "carl@example.com"}
    shared = await py.functions.invoke("share-list", invoke_options={"body": body, "responseType": "json"})
    assert shared["status"] == "open"
    with pytest.raises(FunctionsHttpError, match="There is nothing"):
        await py.functions.invoke("nothing", invoke_options={"body": {}})
    signed = await py.storage.from_("exports").create_signed_url(exported, 60)
    fetched = await api.get(signed["signedURL"].removeprefix(live))
    assert (fetched.status_code, "Anna Müller" in fetched.text) == (200, True)
    assert "Anna Müller" in (await py.storage.from_("exports").download(exported)).decode()
    with pytest.raises(StorageApiError):
        await py.storage.from_("exports").download("nothing/at/all.csv")


async def test_python_lists_and_signs_many(py, exported, api, live, changes):
    bucket = py.storage.from_("exports")
    folder, _, name = exported.partition("/")
    assert [entry["name"] for entry in await bucket.list()] == [folder]
    (file,) = await bucket.list(folder, {"search": name[:3], "sortBy": {"column": "name", "order": "desc"}})
    assert file["name"] == name
    there, absent = await bucket.create_signed_urls([exported, "nothing/x.csv"], 60, {"download": "mine.csv"})
    assert (await api.get(there["signedURL"].removeprefix(live))).status_code == 200
    assert (absent["signedURL"], bool(absent["error"])) == (None, True)
    assert await bucket.exists(exported)
    assert not await bucket.exists(f"{folder}/other.csv")
    assert (await bucket.info(exported))["content_type"] == "text/csv"
    assert [one.id for one in await py.storage.list_buckets()] == ["exports"]
    assert (await py.storage.get_bucket("exports")).public is False
    for call in (bucket.upload("mine.csv", b"a,b"), bucket.remove([exported])):
        with pytest.raises(StorageApiError, match="made by exports"):
            await call
