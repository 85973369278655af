"""Storage and realtime as clients call them."""

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


async def test_the_bucket_is_private(ann):
    assert (await ann("GET", "/storage/v1/bucket")).json() == [
        {"id": "exports", "name": "exports", "public": False}
    ]


async def test_realtime_refuses_the_socket_with_a_reason(api):
    answer = await api.get("/realtime/v1/websocket?apikey=any&vsn=1.0.0", headers={"Upgrade": "websocket"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-offered")
