"""Hide, then search at once: by HTTP, for one user and no other."""

import pytest

SEARCH = "/v1/contacts/search"


async def found(person, **request):
    body = {"facets": ["seniorities", "organization_countries"], "sort": "name"} | request
    answer = (await person("POST", SEARCH, json=body)).json()
    counts = {value["value"]: value["count"] for value in answer["facets"]["seniorities"]["values"]}
    return [hit["full_name"] for hit in answer["results"]], answer["total_entries"], counts


async def test_a_hidden_person_is_gone_from_the_next_search(ann, bob, world):
    everybody = ["Bernd Bauer", "Cleo Clark", "Dana Diaz", "Ed Eng", "Anna Müller"]
    assert (await found(ann))[:2] == (everybody, 5)
    assert (await ann("PUT", f"/v1/hidden/contacts/{world.contacts[0]}")).status_code == 204
    assert await found(ann) == (everybody[:-1], 4, {"vp": 1, "c_suite": 1})
    assert await found(bob) == (everybody, 5, {"vp": 2, "c_suite": 1})
    assert (await found(ann, hidden="only"))[0] == ["Anna Müller"]
    assert (await found(ann, hidden="include"))[1] == 5
    assert (await ann("DELETE", f"/v1/hidden/contacts/{world.contacts[0]}")).status_code == 204
    assert (await found(ann))[1] == 5


async def test_a_hidden_company_hides_its_people(ann, world):
    acme = world.organizations[0]
    response = await ann("PUT", f"/v1/hidden/organizations/{acme}")
    assert (response.status_code, response.content) == (204, b"")
    assert (await found(ann))[0] == ["Cleo Clark", "Dana Diaz", "Ed Eng"]
    count = await ann("POST", "/v1/organizations/count", json={})
    assert count.json()["total_entries"] == 1
    contact = (await ann("GET", f"/v1/contacts/{world.contacts[0]}")).json()
    assert contact["hidden"] is True
    await ann("DELETE", f"/v1/hidden/organizations/{acme}")
    assert (await found(ann))[1] == 5


async def test_it_is_gone_from_the_next_page_of_an_open_cursor(ann, world):
    first = (await ann("POST", SEARCH, json={"sort": "name", "limit": 2})).json()
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[3]}")
    second = (await ann("POST", SEARCH, json={"sort": "name", "limit": 2, "cursor": first["cursor"]})).json()
    assert [hit["full_name"] for hit in second["results"]] == ["Ed Eng", "Anna Müller"]


async def test_bulk(ann, world):
    body = {"action": "hide", "entity": "contacts", "ids": [*world.contacts, 2_000_000_000]}
    answer = await ann("POST", "/v1/hidden/bulk", json=body)
    assert answer.json() == {"changed": 5, "unchanged": 0, "unknown": [2_000_000_000]}
    assert (await found(ann))[1] == 0
    answer = await ann("POST", "/v1/hidden/bulk", json=body | {"action": "unhide"})
    assert answer.json()["changed"] == 5


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "hide", "entity": "contacts", "ids": []},
        {"action": "hide", "entity": "contacts", "ids": list(range(1, 10_002))},
        {"action": "hide", "entity": "contacts", "ids": [0]},
        {"action": "hide", "entity": "contacts", "ids": [2**31]},
        {"action": "hide", "entity": "contacts", "ids": ["1"]},
        {"action": "erase", "entity": "contacts", "ids": [1]},
        {"action": "hide", "entity": "people", "ids": [1]},
        {
            "action": "hide",
            "entity": "contacts",
            "ids": [1],
            "user_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        },
    ],
)
async def test_a_bulk_that_cannot_be_is_refused(ann, body):
    assert (await ann("POST", "/v1/hidden/bulk", json=body)).status_code == 422


async def test_ten_thousand_ids_are_taken(ann):
    body = {"action": "hide", "entity": "organizations", "ids": list(range(1, 10_001))}
    assert (await ann("POST", "/v1/hidden/bulk", json=body)).status_code == 200


async def test_what_is_hidden_is_listed_in_pages(ann, world):
    await ann("POST", "/v1/hidden/bulk", json={"action": "hide", "entity": "contacts", "ids": world.contacts})
    seen, cursor = [], None
    while not seen or cursor:
        query = "limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = (await ann("GET", f"/v1/hidden/contacts?{query}")).json()
        seen += page["results"]
        cursor = page["cursor"]
    assert [record["full_name"] for record in seen] == [
        "Ed Eng",
        "Dana Diaz",
        "Cleo Clark",
        "Bernd Bauer",
        "Anna Müller",
    ]
    assert seen[-1]["organization_name"] == "Acme GmbH"
    await ann("PUT", f"/v1/hidden/organizations/{world.organizations[1]}")
    (company,) = (await ann("GET", "/v1/hidden/organizations")).json()["results"]
    assert (company["id"], company["name"]) == (world.organizations[1], "Globex Inc.")
