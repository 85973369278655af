"""What people type into the one box, on both engines: the first hit is the one they mean."""

import msgspec
import pytest
from sqlalchemy import text

from core.text import fold
from db.sessions import SERVICE
from search import names, titles
from search.companies import company_key
from search.engine import Searcher
from search.request import SearchRequest
from tests.search import world as w

# id -> first, last, title, company, place of the person
PEOPLE = {
    "anna": ("Anna", "Müller", "VP Sales", "Acme GmbH", 0),
    "hannah": ("Hannah", "Mühlen", "Sales Manager", "Globex Inc.", 2),
    "annika": ("Annika", "Muster", "Controller", "Initech", 1),
    "bill": ("William", "Harrington", "Chief Technology Officer", "Deutsche Bank AG", 1),
    "jose": ("José", "Álvarez", "Head of Marketing", "Société Générale S.A.", 4),
    "initial": ("K.", "Lindqvist", "Buyer", "Hooli Ltd", 3),
    "francois": ("François", "Lefèvre", "Directeur commercial", "Hooli Ltd", 4),
    "engineer": ("Peter", "Svensson", "Vice President Engineering", "Acme GmbH", 2),
    "other vp": ("Maria", "Kowalska", "VP Sales", "Deutsche Bank AG", 2),
    "berliner": ("Tom", "Berg", "Accountant", "Globex Inc.", 0),
}


@pytest.fixture(scope="module")
async def people(db, opensearch, index_prefix, wipe):
    await wipe()
    ids: dict[str, int] = {}
    async with db.transaction(SERVICE) as session:
        firms = {}
        for company in sorted({row[3] for row in PEOPLE.values()}):
            row = {"name": company, "name_key": company_key(company), "name_sort": fold(company)}
            firms[company] = await w._insert(session, "organizations", row)
        for key, (first, last, title, company, place) in PEOPLE.items():
            read = titles.read_title(title)
            country, region, city, city_name, latitude, longitude = w.PLACES[place]
            ids[key] = await w._insert(
                session,
                "contacts",
                {
                    "organization_id": firms[company],
                    "first_name": first,
                    "last_name": last,
                    "full_name": f"{first} {last}",
                    "name_terms": list(names.name_terms(first, None, last)),
                    "name_sort": names.name_sort(first, last),
                    "name_search": fold(f"{first} {last}"),
                    "title": title,
                    "title_normalized": read.normalized,
                    "title_terms": list(read.terms),
                    "seniority": read.seniority,
                    "departments": list(read.departments),
                    "country": country,
                    "region": region,
                    "city": city,
                    "city_name": city_name,
                    "latitude": latitude,
                    "longitude": longitude,
                },
            )
        for code in ("semiconductors", "investment-banking"):
            await session.execute(
                text(
                    "INSERT INTO app.vocabulary_terms (kind, code, display_name) VALUES ('industry', :c, :c)"
                ),
                {"c": code},
            )
        await session.execute(
            text("UPDATE app.organizations SET industries = '{semiconductors}' WHERE name = 'Hooli Ltd'")
        )
    await w.index(db, opensearch, index_prefix)
    yield ids
    await wipe()


@pytest.fixture(scope="module")
async def searcher(db, opensearch, patient):
    made = Searcher(patient, db, opensearch)
    yield made
    await made._breaker.close()


async def ask(searcher, q, engine, entity="contacts", **more):
    request = msgspec.convert({"q": q, "engine": engine} | more, SearchRequest)
    return await searcher.search(entity, request, SERVICE)


FIRST = {
    "Anna Müller": "anna",
    "Müller Anna": "anna",
    "anna muller": "anna",
    "anna mueller": "anna",
    "A. Mueller": "anna",
    "Ana Muler": "anna",
    "ANNA MÜLLER": "anna",
    "Bill Harrington": "bill",
    "harington william": "bill",
    "Jose Alvarez": "jose",
    "Karin Lindqvist": "initial",
    "francois lefevre": "francois",
    "CTO": "bill",
    "cto deutsche bank": "bill",
    "Deutsche Bank AG cto": "bill",
    "vp eng": "engineer",
    "vp engineering acme": "engineer",
    "vp sales acme berlin": "anna",
    "vice president of sales at Acme": "anna",
    "sales director hooli": "francois",
    "tom berg": "berliner",
    "accountant in berlin": "berliner",
    "societe generale": "jose",
    "semiconductors lindqvist": "initial",
    "annika mus": "annika",
}


@pytest.mark.parametrize("engine", ["opensearch", "postgres"])
@pytest.mark.parametrize("q", FIRST)
async def test_the_first_hit_is_the_one_meant(searcher, people, q, engine):
    answer = await ask(searcher, q, engine)
    assert answer.engine == engine
    found = [hit.id for hit in answer.results]
    assert found, [(u.part, u.text) for u in answer.understood]
    assert found[0] == people[FIRST[q]], [(u.part, u.text) for u in answer.understood]


COMPANIES = {
    "Deutsche Bank AG": "Deutsche Bank AG",
    "deutsche bank": "Deutsche Bank AG",
    "deutche bank": "Deutsche Bank AG",
    "deut": "Deutsche Bank AG",
    "société générale": "Société Générale S.A.",
    "societe generale sa": "Société Générale S.A.",
    "globx": "Globex Inc.",
    "semiconductors": "Hooli Ltd",
}


@pytest.mark.parametrize("engine", ["opensearch", "postgres"])
@pytest.mark.parametrize("q", COMPANIES)
async def test_companies_through_forms_prefixes_and_typos(searcher, people, q, engine):
    answer = await ask(searcher, q, engine, "organizations")
    assert [hit.name for hit in answer.results][:1] == [COMPANIES[q]]


@pytest.mark.parametrize("engine", ["opensearch", "postgres"])
async def test_the_answer_shows_how_a_mixture_was_read(searcher, people, engine):
    answer = await ask(searcher, "vp sales acme berlin", engine)
    read = {part.part: part.text for part in answer.understood}
    assert read == {"title": "vp sales", "company": "acme", "place": "berlin"}


@pytest.mark.parametrize(
    "q",
    [
        "+anna -muller",
        'anna "muller',
        "anna AND (muller OR",
        "anna* mul?er~2 /mu.*/",
        "name_terms:anna",
        "an_a% m%",
        "anna & muller | !x <-> :*",
        "'; DROP TABLE app.contacts; --",
        "((((((",
        "\\",
    ],
)
@pytest.mark.parametrize("engine", ["opensearch", "postgres"])
async def test_query_syntax_is_just_text(searcher, people, q, engine):
    answer = await ask(searcher, q, engine)
    assert answer.engine == engine
    assert answer.engine_reason in {None, "asked for"}


@pytest.mark.parametrize("engine", ["opensearch", "postgres"])
async def test_pages_by_relevance_show_each_record_once(searcher, people, engine):
    seen, cursor = [], None
    while True:
        page = await ask(searcher, "a", engine, limit=2, cursor=cursor)
        seen += [hit.id for hit in page.results]
        cursor = page.cursor
        if cursor is None:
            break
    everything = await ask(searcher, "a", engine, limit=100)
    assert seen == [hit.id for hit in everything.results]
    assert len(seen) > 2
