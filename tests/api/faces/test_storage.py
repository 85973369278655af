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


async def test_the_bucket_is_private(ann):
    assert (await ann("GET", "/storage/v1/bucket")).json() == [
        {"id": "exports", "name": "exports", "public": False}
    ]


async def test_realtime_refuses_the_socket_with_a_reason(api):
    answer = await api.get("/realtime/v1/websocket?apikey=any&vsn=1.0.0", headers={"Upgrade": "websocket"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-offered")
