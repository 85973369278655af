"""One person, one company: what a member sees of them, and what not."""

import json

import pytest
from sqlalchemy import text

from db.sessions import SERVICE


async def test_an_address_is_masked_until_it_is_unlocked(ann, bob, world, db):
    path = f"/v1/contacts/{world.contacts[0]}"
    answer = await ann("GET", path)
    assert answer.status_code == 200
    contact = answer.json()
    assert (contact["email"], contact["phone"]) == (None, None)
    assert (contact["has_email"], contact["has_phone"]) == (True, True)
    assert contact["can_reveal"] == [{"field": "email", "credits": 1}, {"field": "phone", "credits": 5}]
    assert "anna@acme.example" not in answer.text
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("INSERT INTO app.unlocks (user_id, contact_id, field) VALUES (:user, :contact, 'email')"),
            {"user": ann.id, "contact": world.contacts[0]},
        )
    contact = (await ann("GET", path)).json()
    assert (contact["email"], contact["phone"]) == ("anna@acme.example", None)
    assert contact["can_reveal"] == [{"field": "email", "credits": 0}, {"field": "phone", "credits": 5}]
    assert "anna@acme.example" not in (await bob("GET", path)).text


async def test_a_person_comes_with_company_history_and_sources(ann, world, db):
    async with db.transaction(SERVICE) as session:
        source = (
            await session.execute(text("INSERT INTO app.sources (name) VALUES ('crm') RETURNING id"))
        ).scalar_one()
        await session.execute(
            text("""INSERT INTO app.contact_sources
                        (contact_id, source_id, source_key, "values", since, first_seen, last_seen)
                    VALUES (:id, :source, 'email:anna@acme.example',
                            '{"email": "anna@acme.example", "title": "VP Sales"}', '{"title": "2026-05-01"}',
                            '2026-01-01', '2026-06-01')"""),
            {"id": world.contacts[0], "source": source},
        )
        provenance = json.dumps({"email": source, "title": source})
        await session.execute(
            text("UPDATE app.contacts SET provenance = CAST(:p AS jsonb) WHERE id = :id"),
            {"p": provenance, "id": world.contacts[0]},
        )
        await session.execute(
            text("""INSERT INTO app.employment_history
                        (contact_id, company, title, start_date, end_date, is_past)
                    VALUES (:id, 'Initech', 'Sales Manager', '2019-01-01', '2021-12-31', true)"""),
            {"id": world.contacts[0]},
        )
    answer = await ann("GET", f"/v1/contacts/{world.contacts[0]}")
    contact = answer.json()
    assert contact["organization"]["name"] == "Acme GmbH"
    assert contact["location"]["display_name"] == "Germany"
    assert contact["employment_history"] == [
        {
            "company": "Initech",
            "organization_id": None,
            "title": "Sales Manager",
            "start_date": "2019-01-01",
            "end_date": "2021-12-31",
            "is_past": True,
        }
    ]
    assert contact["provenance"] == {
        "email": {"source": "crm", "since": "2026-01-01", "last_seen": "2026-06-01"},
        "title": {"source": "crm", "since": "2026-05-01", "last_seen": "2026-06-01"},
    }
    assert "anna@acme.example" not in answer.text


async def test_somebody_without_anything_is_shown_too(ann, world):
    contact = (await ann("GET", f"/v1/contacts/{world.contacts[4]}")).json()
    assert contact["organization"] is None
    assert contact["location"] is None
    assert (contact["can_reveal"], contact["provenance"], contact["employment_history"]) == ([], {}, [])


async def test_a_saved_record_says_so_to_its_list_only(ann, bob, world, db):
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("""WITH list AS (INSERT INTO app.lists (owner_id, name) VALUES (:user, 'Mine') RETURNING id)
                    INSERT INTO app.list_contacts (list_id, contact_id, added_by)
                    SELECT id, :contact, :user FROM list"""),
            {"user": ann.id, "contact": world.contacts[0]},
        )
    path = f"/v1/contacts/{world.contacts[0]}"
    assert (await ann("GET", path)).json()["saved"] is True
    assert (await bob("GET", path)).json()["saved"] is False


async def test_a_company_counts_the_people_that_are_not_hidden(ann, bob, world):
    path = f"/v1/organizations/{world.organizations[0]}"
    company = (await ann("GET", path)).json()
    assert (company["name"], company["contacts"], company["hidden"]) == ("Acme GmbH", 2, False)
    assert company["location"]["country"] == "DE"
    assert (company["revenue"], company["funding"], company["provenance"]) == (None, None, {})
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[0]}")
    assert (await ann("GET", path)).json()["contacts"] == 1
    assert (await bob("GET", path)).json()["contacts"] == 2
    await ann("PUT", path.replace("/v1", "/v1/hidden"))
    assert (await ann("GET", path)).json()["hidden"] is True


@pytest.mark.parametrize("noun", ["contacts", "organizations"])
async def test_what_is_not_there_is_404(ann, noun):
    assert (await ann("GET", f"/v1/{noun}/2147483647")).status_code == 404
