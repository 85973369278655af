"""People and companies kept by hand, and the question whom we have already."""

import pytest
from sqlalchemy import text

from db.sessions import SERVICE

ADA = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "title": "Chief Technology Officer",
    "email": "Ada@Example.com",
    "phone": "+49 30 1234567",
    "city": "Berlin",
    "country": "Germany",
}


async def test_a_person_is_made_changed_and_removed(admin, ann, db):
    made = await admin("POST", "/v1/contacts", json=ADA)
    assert made.status_code == 201, made.text
    contact = made.json()
    path = f"/v1/contacts/{contact['id']}"
    assert made.headers["location"] == path
    assert (contact["full_name"], contact["seniority"], contact["has_email"]) == (
        "Ada Lovelace",
        "c_suite",
        True,
    )
    assert contact["location"]["country"] == "DE"
    # What has just been written is as locked as ever.
    assert contact["email"] is None
    assert "ada@example.com" not in made.text.lower()
    assert {origin["source"] for origin in contact["provenance"].values()} == {"manual"}
    async with db.transaction(SERVICE, read_only=True) as session:
        stored = (await session.execute(text("SELECT email, phone FROM app.contacts"))).one()
    assert tuple(stored) == ("Ada@example.com", "+49301234567")

    changed = await admin("PATCH", path, json={"title": "Software Engineer", "phone": None})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["title"], changed.json()["has_phone"]) == ("Software Engineer", False)
    assert (await ann("GET", path)).json() == changed.json()

    assert (await admin("DELETE", path)).status_code == 204
    assert (await admin("GET", path)).status_code == 404
    assert (await admin("DELETE", path)).status_code == 404
    assert (await admin("PATCH", path, json={"title": "CTO"})).status_code == 404


async def test_what_is_written_by_hand_is_found_at_once(admin, ann):
    contact = (await admin("POST", "/v1/contacts", json=ADA)).json()
    found = (await ann("POST", "/v1/contacts/search", json={"q": "ada lovelace"})).json()
    assert [hit["id"] for hit in found["results"]] == [contact["id"]]


async def test_the_writer_sees_own_marks_and_nobody_elses(admin, ann):
    contact = (await admin("POST", "/v1/contacts", json=ADA)).json()
    path = f"/v1/contacts/{contact['id']}"
    await ann("PUT", path.replace("/v1", "/v1/hidden"))
    assert (await admin("PATCH", path, json={"title": "CEO"})).json()["hidden"] is False
    await admin("PUT", path.replace("/v1", "/v1/hidden"))
    assert (await admin("PATCH", path, json={"title": "CTO"})).json()["hidden"] is True


async def test_a_company_is_made_changed_and_removed(admin, ann):
    body = {
        "name": "Example Ltd",
        "domain": "example.com",
        "employees": {"min": 50, "max": 200},
        "technologies": ["PostgreSQL", "Redis"],
        "revenue": {"min": 1_000_000, "currency": "EUR"},
        "founded": 1999,
    }
    made = await admin("POST", "/v1/organizations", json=body)
    assert made.status_code == 201, made.text
    company = made.json()
    path = f"/v1/organizations/{company['id']}"
    assert made.headers["location"] == path
    assert (company["employees_min"], company["employees_max"], company["founded_year"]) == (50, 200, 1999)
    assert company["revenue"] == {"min": 1_000_000, "max": None, "currency": "EUR"}
    assert len(company["technologies"]) == 2
    changed = await admin("PATCH", path, json={"employees": "201-500", "founded": None})
    assert (changed.json()["employees_min"], changed.json()["founded_year"]) == (201, None)
    person = await admin("POST", "/v1/contacts", json=ADA | {"organization_id": company["id"]})
    assert person.json()["organization"]["name"] == "Example Ltd"
    assert (await ann("GET", path)).json()["contacts"] == 1
    again = await admin("POST", "/v1/organizations", json={"name": "Other", "domain": "example.com"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/duplicate")
    assert again.json()["facts"]["id"] == company["id"]
    assert (await admin("DELETE", path)).status_code == 204
    assert (await admin("GET", path)).status_code == 404
    assert (await ann("GET", f"/v1/contacts/{person.json()['id']}")).json()["organization"] is None


@pytest.mark.parametrize(
    "body, path",
    [
        ({}, "last_name"),
        ({"first_nam": "Ada"}, "first_nam"),
        ({"email": "nonsense", "last_name": "L"}, "email"),
        ({"phone": "call me", "last_name": "L"}, "phone"),
        ({"country": "Atlantis", "last_name": "L"}, "country"),
        ({"organization_id": 2147483647, "last_name": "L"}, "organization_id"),
        ({"organization_id": "1", "last_name": "L"}, "organization_id"),
        ({"email_status": "perfect", "last_name": "L"}, "email_status"),
        ({"latitude": 91, "last_name": "L"}, "latitude"),
        ({"last_name": "L\x00"}, "last_name"),
        ({"last_name": 5}, "last_name"),
        ({"credit_balance": 5, "last_name": "L"}, "credit_balance"),
    ],
)
async def test_a_person_who_cannot_be_is_refused_by_field(admin, body, path):
    answer = await admin("POST", "/v1/contacts", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"] == path


@pytest.mark.parametrize(
    "body, path",
    [
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": "X", "domain": "not a domain"}, "domain"),
        ({"name": "X", "employees": {"min": 9, "max": 1}}, "employees"),
        ({"name": "X", "employees": True}, "employees"),
        ({"name": "X", "technologies": [1]}, "technologies[0]"),
        ({"name": "X", "technologies": ["x"] * 201}, "technologies"),
        ({"name": "X", "founded": 99999}, "founded"),
        ({"name": "X", "funding_stage": "series_q"}, "funding_stage"),
        ({"name": "X", "indusrty": ["Software"]}, "indusrty"),
    ],
)
async def test_a_company_that_cannot_be_is_refused_by_field(admin, body, path):
    answer = await admin("POST", "/v1/organizations", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"] == path


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/v1/contacts"),
        ("PATCH", "/v1/contacts/1"),
        ("DELETE", "/v1/contacts/1"),
        ("POST", "/v1/organizations"),
        ("PATCH", "/v1/organizations/1"),
        ("DELETE", "/v1/organizations/1"),
    ],
)
async def test_only_administrators_write(ann, method, path):
    answer = await ann(method, path, json={"name": "X"})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/not-allowed")


async def test_a_right_taken_away_ends_at_once(admin, db):
    assert (await admin("POST", "/v1/contacts", json=ADA)).status_code == 201
    async with db.transaction(SERVICE) as session:
        await session.execute(text("UPDATE app.users SET role = 'member' WHERE id = :id"), {"id": admin.id})
    assert (await admin("POST", "/v1/contacts", json=ADA)).status_code == 403


class TestMatch:
    PATH = "/v1/contacts/match"

    async def test_whom_we_have_is_found_with_grounds(self, ann, world):
        queries = [
            {"email": "ANNA@acme.example"},
            {"first_name": "Bernd", "last_name": "Bauer", "domain": "acme.example"},
            {"name": "Nobody Anywhere", "company": "Nowhere"},
        ]
        answer = await ann("POST", self.PATH, json={"queries": queries})
        assert answer.status_code == 200, answer.text
        first, second, third = (result["matches"] for result in answer.json()["results"])
        assert first[0]["contact_id"] == world.contacts[0]
        assert first[0]["confidence"] > 0.8
        assert first[0]["reasons"]
        assert second[0]["contact_id"] == world.contacts[1]
        assert third == []
        assert "anna@acme.example" not in answer.text

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"queries": []},
            {"queries": [{}]},
            {"queries": [{"email": "nonsense"}]},
            {"queries": [{"name": "Ada"}]},
            {"queries": [{"email": "a@example.com"}] * 101},
            {"queries": [{"mail": "a@example.com"}]},
        ],
    )
    async def test_a_question_that_cannot_be_is_refused(self, ann, body):
        answer = await ann("POST", self.PATH, json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"]

    async def test_a_hundred_at_once(self, ann):
        queries = [{"email": f"a{i}@example.com"} for i in range(100)]
        answer = await ann("POST", self.PATH, json={"queries": queries})
        assert [result["matches"] for result in answer.json()["results"]] == [[]] * 100
