"""A customer's first day: from two files to the people who fit, without those who are hidden."""

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from api.app import create_app
from db.sessions import SERVICE
from domain import accounts, tokens
from domain.signing.keyring import Keyring

COMPANIES = """Firma;Website;Branche;Mitarbeiter;Stadt;Land;Technologien
Nordlicht Software GmbH;https://nordlicht.example;Software;51-200;Hamburg;Deutschland;Salesforce
Südwind Handel AG;suedwind.example;Retail;1.200;München;Deutschland;HubSpot
Lone Star Chips, Inc.;www.lonestar.example;Semiconductors;10,001+;Austin;USA;Salesforce
"""
PEOPLE = """First Name,Last Name,Job Title,Company,Company Domain,Email,Phone,City,Country
Anna,Müller,VP Sales,Nordlicht Software GmbH,nordlicht.example,anna@nordlicht.example,,Hamburg,Germany
Jörg,Weiß,Vertriebsleiter,Südwind Handel AG,suedwind.example,joerg@suedwind.example,,München,Germany
Maria,López,CTO,"Lone Star Chips, Inc.",lonestar.example,maria@lonestar.example,+1 202-555-0100,Austin,USA
Bill,Stone,Software Engineer,"Lone Star Chips, Inc.",lonestar.example,,,Austin,United States
,,,,,,,Berlin,Germany
"""


@pytest.fixture
def leadfuel(settings, tmp_path):
    """The command line over this test's database, as an operator types it."""
    environment = {
        "DATABASE_URL": settings.database.url,
        "REDIS_URL": settings.redis.url,
        "OPENSEARCH_URL": settings.opensearch.url,
        "LEADFUEL_INDEX_PREFIX": settings.opensearch.index_prefix,
        "LEADFUEL_PRIVACY_KEY": settings.privacy.hash_key,
        "LEADFUEL_JWT_SECRET": settings.auth.jwt_secret,
        "LEADFUEL_HOME": str(tmp_path),
        "LEADFUEL_SEARCH_BUDGET_MS": "20000",
    }

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@asynccontextmanager
async def running(settings, db):
    """A client of the app with a new member's token, for as long as the block lasts."""
    patient = replace(settings, search=replace(settings.search, time_budget_ms=20_000))
    async with db.transaction(SERVICE) as session:
        user = await accounts.find_or_create_user(session, email="first@day.example")
    token = (await tokens.mint(Keyring(settings.auth, db), user_id=user.id)).text
    app = create_app(patient)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.lifespan(),
        httpx.AsyncClient(
            transport=transport,
            base_url="http://first.day",
            headers={"Authorization": f"Bearer {token}"},
        ) as made,
    ):
        yield made


async def search(client, **request):
    answer = await client.post("/v1/contacts/search", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_from_two_files_to_the_people_who_fit(leadfuel, reindex_now, tmp_path, settings, db):
    (tmp_path / "companies.csv").write_bytes(COMPANIES.encode("cp1252"))
    (tmp_path / "people.csv").write_text(PEOPLE)

    companies = leadfuel("import", "organizations", str(tmp_path / "companies.csv"), "--json")
    assert companies["counts"]["created"] == 3
    people = leadfuel("import", "contacts", str(tmp_path / "people.csv"), "--json")
    assert (people["counts"]["created"], people["counts"]["rejected"]) == (4, 1)
    again = leadfuel("import", "contacts", str(tmp_path / "people.csv"), "--json")
    assert (again["counts"]["created"], again["counts"]["updated"]) == (0, 0)
    await reindex_now()

    async with running(settings, db) as client:
        await find_and_hide(client)

    # The same over the command line, where nothing is hidden.
    found = leadfuel("search", "contacts", "--title", "CTO", "--json")
    assert [hit["full_name"] for hit in found["results"]] == ["Maria López"]


async def find_and_hide(client):
    # Sales leaders in Germany, whatever language their title is in, with the counts beside the filters.
    fitting = {"contacts": {"include": {"departments": ["sales"], "countries": ["DE"]}}}
    page = await search(client, filters=fitting, facets=["countries", "headcount_bands", "technologies"])
    assert page["engine"] == "opensearch"
    assert {hit["full_name"] for hit in page["results"]} == {"Anna Müller", "Jörg Weiß"}
    assert [(v["value"], v["count"]) for v in page["facets"]["countries"]["values"]] == [("DE", 2)]
    bands = {v["value"]: v["count"] for v in page["facets"]["headcount_bands"]["values"]}
    assert bands == {"51-200": 1, "1001-5000": 1}
    anna = next(hit for hit in page["results"] if hit["first_name"] == "Anna")
    assert anna["has_email"] is True
    assert "anna@nordlicht.example" not in json.dumps(page)
    assert {"field": "email", "credits": 1} in anna["can_reveal"]

    # The one box understands a mixture of title, company and place.
    page = await search(client, q="cto lone star chips austin")
    assert page["results"][0]["full_name"] == "Maria López"
    assert {part["part"] for part in page["understood"]} == {"title", "company", "place"}

    # Hide a company: its people are gone from hits, totals and counts, at once.
    hidden = page["results"][0]["organization"]["id"]
    assert (await client.put(f"/v1/hidden/organizations/{hidden}")).status_code == 204
    page = await search(client, facets=["technologies"])
    assert page["total_entries"] == 2
    assert {v["value"]: v["count"] for v in page["facets"]["technologies"]["values"]} == {
        "salesforce": 1,
        "hubspot": 1,
    }
    only = await search(client, hidden="only")
    assert {hit["first_name"] for hit in only["results"]} == {"Maria", "Bill"}

    # What nobody has is refused with what there is, and never silently ignored.
    answer = await client.post(
        "/v1/contacts/search",
        json={"filters": {"organizations": {"include": {"technologies": ["salesfroce"]}}}},
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["allowed"] == ["salesforce"]
