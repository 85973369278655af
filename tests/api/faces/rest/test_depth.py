"""How far the catalogue is paged: as far as the plan lets a search be, by whatever means."""

import json

import pytest

from tests.api.faces.rest.world import ANN

BEYOND = (402, "PT402")


@pytest.fixture
async def depth(owner, rest_world):
    """Plans show the first three records; there are more of each kind."""
    features = await owner.fetchval("SELECT features FROM app.plans WHERE id = 'pro'")
    limits = json.dumps({"search_depth": 3})
    assert await owner.fetchval("SELECT count(*) FROM app.contacts") > 3
    await owner.execute(
        "UPDATE app.plans SET features = jsonb_set(features, '{limits}', features -> 'limits' || $1::jsonb)"
        " WHERE id = 'pro'",
        limits,
    )
    yield 3
    await owner.execute("UPDATE app.plans SET features = $1::jsonb WHERE id = 'pro'", features)


@pytest.fixture
async def everybody(owner, depth):
    return [row["id"] for row in await owner.fetch("SELECT id FROM app.contacts ORDER BY id")]


def refusal(answer):
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    "query, header",
    [
        ("", None),
        ("&limit=1000000", None),
        ("&limit=4&offset=0", None),
        ("", "0-999999"),
        ("", "0-"),
        ("&or=(id.gt.0,id.lt.0)", None),
    ],
)
async def test_a_page_ends_where_the_plan_does(ask, everybody, query, header):
    headers = {"Range": header} if header else {}
    answer = await ask.ann("GET", f"/contacts?select=id&order=id{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert [row["id"] for row in answer.json()] == everybody[:3]
    assert answer.headers["content-range"] == "0-2/*"


@pytest.mark.parametrize(
    "query, header",
    [
        ("offset=3", None),
        ("offset=3&limit=1", None),
        ("limit=1", "3-3"),
        ("", "3-"),
        ("offset=2", "3-10"),
        ("offset=4&order=id.desc", None),
        ("select=*,organizations(*)&offset=3", None),
        ("select=id::text&offset=3", None),
        ("select=...organizations(name)&offset=3", None),
    ],
)
@pytest.mark.parametrize("form", ["application/json", "text/csv", "HEAD"])
async def test_nothing_is_paged_further_than_the_plan_shows(ask, everybody, query, header, form):
    headers = {"Range": header} if header else {}
    method, accept = ("HEAD", "*/*") if form == "HEAD" else ("GET", form)
    answer = await ask.ann(method, f"/contacts?{query}", headers={"Accept": accept, **headers})
    assert answer.status_code == 402, answer.text
    if method == "GET":
        said = answer.json()
        assert (said["code"], said["message"]) == (
            "PT402", "The plan shows the first 3 records of a query.",
        )  # fmt: skip


async def test_the_pages_before_go_on_and_the_last_is_shorter(ask, everybody):
    pages = [
        (await ask.ann("GET", f"/contacts?select=id&order=id&limit=2&offset={offset}")).json()
        for offset in (0, 1, 2)
    ]
    assert [[row["id"] for row in page] for page in pages] == [everybody[:2], everybody[1:3], everybody[2:3]]


async def test_the_total_is_of_everything(ask, everybody):
    headers = {"Prefer": "count=exact"}
    answer = await ask.ann("GET", "/contacts?select=id&order=id&limit=2&offset=2", headers=headers)
    assert (answer.status_code, answer.headers["content-range"]) == (206, f"2-2/{len(everybody)}")


async def test_an_embedded_relation_is_no_way_round(ask, owner, depth):
    company = await owner.fetchval(
        "SELECT organization_id FROM app.contacts GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )
    way = f"/organizations?id=eq.{company}&select=id,contacts(id)&contacts.order=id"
    assert (await ask.ann("GET", way)).status_code == 200
    for beyond in ("contacts.offset=3", "contacts.offset=3&contacts.limit=1", "contacts.offset=100"):
        assert refusal(await ask.ann("GET", f"{way}&{beyond}")) == BEYOND
    renamed = "/organizations?select=id,people:contacts(id)&people.offset=3"
    assert refusal(await ask.ann("GET", renamed)) == BEYOND
    deep = (
        "/list_contacts?select=contacts(organizations(contacts(id)))&contacts.organizations.contacts.offset=3"
    )
    assert refusal(await ask.ann("GET", deep)) == BEYOND


async def test_what_somebody_keeps_has_no_such_end(ask, depth):
    for way in (
        "/list_contacts?select=contacts(id)&offset=3",
        "/lists?select=id,contacts(id)&contacts.offset=3",
        "/unlocks?select=contacts(id)&offset=3",
    ):
        assert (await ask.ann("GET", way)).status_code == 200


async def test_other_plans_and_the_service_go_on(ask, owner, everybody):
    query = "/contacts?select=id&order=id&offset=3"
    assert [row["id"] for row in (await ask.service("GET", query)).json()] == everybody[3:]
    await owner.execute("UPDATE app.users SET plan_id = 'team' WHERE id = $1", ANN)
    try:
        assert [row["id"] for row in (await ask.ann("GET", query)).json()] == everybody[3:]
    finally:
        await owner.execute("UPDATE app.users SET plan_id = 'pro' WHERE id = $1", ANN)
