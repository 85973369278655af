"""Storage and realtime as clients call them."""

from urllib.parse import quote

import pytest

from tests.api.test_exports import ask


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    from domain.exports import store  # noqa: PLC0415 - patched where it is looked up

    monkeypatch.setattr(store, "store_of", lambda _settings: store.FolderStore(tmp_path / "exports"))


@pytest.fixture
async def export(ann, world, run_outbox):
    """A finished export of Ann's."""
    made = await ask(ann, search={"q": ""}, columns=["full_name"])
    await run_outbox()
    return (await ann("GET", f"/v1/exports/{made['id']}")).json()


@pytest.mark.parametrize("kind", ["", "authenticated/"])
async def test_an_object_is_its_owners_alone(api, ann, bob, export, kind):
    path = f"/storage/v1/object/{kind}{export['storage_path']}"
    mine = await ann("GET", path)
    assert (mine.status_code, mine.headers["content-disposition"].startswith("attachment")) == (200, True)
    assert "Anna Müller" in mine.content.decode()
    for answer in (await bob("GET", path), await ann("GET", f"{path}.zip")):
        assert answer.status_code == 404
        assert answer.json()["statusCode"] == "404"
    assert (await api.get(path)).json()["statusCode"] == "401"


async def test_only_the_owner_signs(bob, export):
    answer = await bob("POST", f"/storage/v1/object/sign/{export['storage_path']}", json={"expiresIn": "60"})
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/storage/v1/object/exports/nonsense/x.csv",
        "/storage/v1/object/exports/4b0ab8a2-64dc-4d4c-9d4c-1f8a2f5f5e0b/x.csv",
        "/storage/v1/object/exports/..%2f..%2fetc/passwd",
        "/storage/v1/object/avatars/me.png",
        "/storage/v1/object/public/exports/x.csv",
        "/storage/v1/nothing",
    ],
)
async def test_what_is_not_there_is_not_found_in_the_clients_shape(ann, path):
    answer = await ann("GET", path)
    assert answer.status_code == 404
    assert answer.json().keys() == {"statusCode", "error", "message"}


@pytest.mark.parametrize(
    "name", ["x.csv\r\nSet-Cookie: a=b", 'x.csv"; filename="y.exe', "../../etc/passwd", "\u202excod.csv", ""]
)
async def test_a_name_to_save_under_writes_no_header(api, ann, export, name):
    """A file bears the name that was made for it, whatever a link says."""
    signing = f"/storage/v1/object/sign/{export['storage_path']}"
    signed = (await ann("POST", signing, json={"expiresIn": 60, "download": name})).json()["signedURL"]
    answer = await api.get(
        f"/storage/v1{signed}", params={"download": name, "token": signed.split("token=")[1]}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{export["filename"]}"'
    assert "set-cookie" not in answer.headers
    beside = await ann("GET", f"/storage/v1/object/exports/{export['id']}/{quote(name or 'x', safe='')}")
    assert beside.status_code == 404


async def test_the_bucket_is_private(api, ann):
    (bucket,) = (await ann("GET", "/storage/v1/bucket")).json()
    assert (bucket["id"], bucket["public"]) == ("exports", False)
    assert (await ann("GET", "/storage/v1/bucket/exports")).json() == bucket
    for path in ("/storage/v1/bucket", "/storage/v1/bucket/exports"):
        assert (await api.get(path)).json()["statusCode"] == "401"
    assert (await ann("GET", "/storage/v1/bucket/avatars")).json()["error"] == "not_found"


async def listed(person, **body):
    answer = await person("POST", "/storage/v1/object/list/exports", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def three(ann, world, run_outbox):
    """Three finished exports of Ann's, the first one first."""
    made = []
    for format_ in ("csv", "xlsx", "csv"):
        asked = await ask(ann, search={"q": ""}, columns=["full_name"], format=format_)
        await run_outbox()
        made.append((await ann("GET", f"/v1/exports/{asked['id']}")).json())
    return made


async def test_the_bucket_holds_a_folder_for_each_export(ann, bob, three):
    folders = await listed(ann, prefix="")
    assert [folder["name"] for folder in folders] == sorted(export["id"] for export in three)
    assert {value for folder in folders for key, value in folder.items() if key != "name"} == {None}
    for export in three:
        for prefix in (export["id"], f"{export['id']}/"):
            (file,) = await listed(ann, prefix=prefix)
            assert f"exports/{export['id']}/{file['name']}" == export["storage_path"]
            fetched = await ann("GET", f"/storage/v1/object/{export['storage_path']}")
            assert file["metadata"]["size"] == len(fetched.content)
            kind = "text/csv" if export["format"] == "csv" else "spreadsheetml"
            assert kind in file["metadata"]["mimetype"]
    assert await listed(bob) == []
    assert await listed(bob, prefix=three[0]["id"]) == []


async def test_a_listing_is_sorted_cut_and_searched(ann, three):
    ids = [export["id"] for export in three]
    for column, order, wanted in (
        ("name", "asc", sorted(ids)),
        ("name", "desc", sorted(ids)[::-1]),
        ("created_at", "asc", ids),
        ("updated_at", "desc", ids[::-1]),
        ("last_accessed_at", "asc", ids),
    ):
        sort = {"column": column, "order": order}
        assert [folder["name"] for folder in await listed(ann, sortBy=sort)] == wanted
        page = await listed(ann, sortBy=sort, limit=1, offset=1)
        assert [folder["name"] for folder in page] == wanted[1:2]
    assert [folder["name"] for folder in await listed(ann, search=ids[0][:13].upper())] == [ids[0]]
    assert await listed(ann, search="%") == []
    name = three[0]["filename"]
    assert len(await listed(ann, prefix=ids[0], search=name[:4])) == 1
    assert await listed(ann, prefix=ids[0], search="_" * len(name)) == []
    assert await listed(ann, offset=3) == []


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 1_001},
        {"offset": -1},
        {"offset": 10**15},
        {"sortBy": {"column": "e.id; DROP TABLE app.exports"}},
        {"sortBy": {"column": "name", "order": "sideways"}},
        {"prefix": "a\0b"},
        {"prefix": "x" * 301},
        {"search": ["x"]},
        {"bucket": "others"},
    ],
    ids=str,
)
async def test_a_listing_that_cannot_be_is_refused(ann, body):
    answer = await ann("POST", "/storage/v1/object/list/exports", json=body)
    assert (answer.status_code, answer.json()["statusCode"]) == (422, "422")


@pytest.mark.parametrize(
    "prefix", ["..", "../..", "nothing", "4b0ab8a2-64dc-4d4c-9d4c-1f8a2f5f5e0b", "%", "/"]
)
async def test_a_folder_that_is_not_there_is_empty(ann, prefix):
    assert await listed(ann, prefix=prefix) == []


async def test_many_are_signed_at_once(api, ann, three):
    paths = [export["storage_path"].removeprefix("exports/") for export in three]
    wrong = ["nothing", "../../etc/passwd", f"{three[0]['id']}/other.csv", f"{three[0]['id'].upper()}/x", ""]
    answer = await ann(
        "POST",
        "/storage/v1/object/sign/exports",
        json={"expiresIn": "60", "paths": [*paths, *wrong, paths[0]]},
    )
    assert answer.status_code == 200, answer.text
    signed = answer.json()
    assert [one["path"] for one in signed] == [*paths, *wrong, paths[0]]
    for one in [*signed[:3], signed[-1]]:
        assert one["error"] is None
        assert (await api.get(f"/storage/v1{one['signedURL']}")).status_code == 200
    for one in signed[3:-1]:
        assert one["signedURL"] is None
        assert one["error"]


async def test_nobody_signs_what_is_anothers(api, ann, bob, three):
    paths = [three[0]["storage_path"].removeprefix("exports/")]
    path, body = "/storage/v1/object/sign/exports", {"expiresIn": 60, "paths": paths}
    (told,) = (await bob("POST", path, json=body)).json()
    assert told == {
        "error": "Either the object does not exist or you do not have access to it",
        "path": paths[0],
        "signedURL": None,
    }
    assert (await api.post(path, json=body)).json()["statusCode"] == "401"
    info = f"/storage/v1/object/info/{three[0]['storage_path']}"
    assert (await ann("GET", info)).json()["name"] == paths[0]
    assert (await bob("GET", info)).json()["error"] == "not_found"


@pytest.mark.parametrize(
    "body",
    [
        {"paths": []},
        {"expiresIn": 60},
        {"expiresIn": 0, "paths": []},
        {"expiresIn": 604_801, "paths": []},
        {"expiresIn": 60, "paths": ["x"] * 501},
        {"expiresIn": 60, "paths": [7]},
        {"expiresIn": 60, "paths": ["x" * 301]},
    ],
    ids=lambda body: str(body)[:40],
)
async def test_links_that_cannot_be_are_refused(ann, body):
    answer = await ann("POST", "/storage/v1/object/sign/exports", json=body)
    assert (answer.status_code, answer.json()["statusCode"]) == (422, "422")


async def test_what_has_expired_is_not_there_any_more(api, ann, three, owner):
    path = three[0]["storage_path"]
    body = {"expiresIn": 604_800, "paths": [path.removeprefix("exports/")]}
    (signed,) = (await ann("POST", "/storage/v1/object/sign/exports", json=body)).json()
    await owner.execute("UPDATE app.exports SET expires_at = now() - interval '1 second'")
    assert await listed(ann) == []
    (told,) = (await ann("POST", "/storage/v1/object/sign/exports", json=body)).json()
    assert told["signedURL"] is None
    assert (await ann("GET", f"/storage/v1/object/info/{path}")).status_code == 404
    assert (await api.get(f"/storage/v1{signed['signedURL']}")).status_code == 404


async def test_a_link_that_is_not_good_is_400(api, ann, three):
    signed = [
        (await ann("POST", f"/storage/v1/object/sign/{export['storage_path']}", json={"expiresIn": 1})).json()
        for export in three[:2]
    ]
    links = [one["signedURL"] for one in signed]
    tokens = [link.split("token=")[1] for link in links]
    until, _, signature = tokens[0].partition(".")
    for token in ("x", tokens[1], f"{int(until) + 900}.{signature}", f"{until}.", f".{signature}", "é.é"):
        answer = await api.get(f"/storage/v1{links[0].split('?')[0]}", params={"token": token})
        assert (answer.status_code, answer.json()["statusCode"]) == (400, "400"), token
    assert (await api.get(f"/storage/v1{links[0].split('?')[0]}")).status_code == 422


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/exports/x.csv"),
        ("POST", "/exports/a/x.csv"),
        ("PUT", "/exports/a/b/c/x.csv"),
        ("DELETE", "/exports"),
    ],
)
async def test_nothing_is_uploaded_moved_or_deleted_by_clients_of_storage(ann, method, path):
    answer = await ann(method, f"/storage/v1/object{path}", content=b"x" * 3_000_000)
    assert (answer.status_code, answer.json()["error"]) == (403, "nothing_to_upload")


@pytest.mark.parametrize(
    "path",
    ["/avatars/me.png", "/list/avatars", "/sign/avatars", "/sign/avatars/me.png", "/sign/exports/x", "/move"],
)
async def test_other_buckets_are_not_there(ann, path):
    answer = await ann("POST", f"/storage/v1/object{path}", json={"prefix": "", "expiresIn": 60})
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_realtime_refuses_the_socket_with_a_reason(api):
    answer = await api.get("/realtime/v1/websocket?apikey=any&vsn=1.0.0", headers={"Upgrade": "websocket"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-offered")
