"""A small world for the search tests: rows whose truth is at hand, in both engines."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from opensearchpy import AsyncOpenSearch
from sqlalchemy import text

from core.text import fold
from db.sessions import SERVICE, Database
from search import documents, names, titles
from search.companies import company_key
from search.vocabulary import headcount_bands

TITLES = (
    "VP Sales",
    "Vice President of Sales",
    "Sales Manager",
    "Head of Marketing",
    "Chief Technology Officer",
    "CTO",
    "Software Engineer",
    "Vertriebsleiter",
    "Directeur commercial",
    "Accountant",
    None,
)
PEOPLE = (
    ("Anna", "Müller"),
    ("Anna", "Mueller"),
    ("Hannah", "Muller"),
    ("Bill", "Gates"),
    ("William", "Gates"),
    ("José", "Álvarez"),
    ("Wei", "Chen"),
    ("A.", "Mueller"),
    (None, None),
)
COMPANIES = (
    "Acme GmbH",
    "Deutsche Bank AG",
    "Bank Deutschland",
    "Zürich Labs",
    "Initech Inc.",
    "Globex",
    "Hooli",
)
INDUSTRIES = ("banking", "software", "semiconductors", "retail")
TECHNOLOGIES = ("salesforce", "hubspot", "aws", "snowflake")
KEYWORDS = ("saas", "b2b", "green-energy")
# country, region, city (code), city's name, latitude, longitude
PLACES = (
    ("DE", "DE-BE", "2950159", "Berlin", 52.52437, 13.41053),
    ("DE", "DE-BY", "2867714", "Munich", 48.13743, 11.57549),
    ("US", "US-TX", "4671654", "Austin", 30.26715, -97.74306),
    ("US", "US-CA", None, None, 36.77826, -119.41793),
    ("FR", None, None, None, 46.0, 2.0),
    (None, None, None, None, None, None),
)
STATUSES = ("valid", "invalid", "accept_all", "unknown", None)
STAGES = ("seed", "series_a", "ipo", None)
SIZES = ((1, 10), (11, 50), (40, 300), (75, 75), (10_001, None), (None, 500), (None, None))
MONEY = (
    (1_000_000, 5_000_000, "USD"),
    (2_000_000, 2_000_000, "EUR"),
    (None, 10_000_000, "USD"),
    (None, None, None),
)


class World:
    """The rows by id, and what each of two users has hidden, listed and unlocked."""

    def __init__(self) -> None:
        self.organizations: dict[int, dict[str, Any]] = {}
        self.contacts: dict[int, dict[str, Any]] = {}
        self.users: tuple[UUID, UUID] = (uuid4(), uuid4())
        self.hidden_contacts: dict[UUID, set[int]] = {}
        self.hidden_companies: dict[UUID, set[int]] = {}
        self.lists: dict[UUID, set[int]] = {}
        self.company_lists: dict[UUID, set[int]] = {}
        self.unlocks: dict[UUID, set[int]] = {}


def _some(rng: random.Random, values, most: int = 2) -> list[str]:
    return sorted(rng.sample(values, rng.randint(0, most)))


def _instant(rng: random.Random) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(
        days=rng.randint(0, 20), microseconds=rng.choice((0, 1, 999_999))
    )


def _organization(rng: random.Random) -> dict[str, Any]:
    name = rng.choice(COMPANIES)
    low, high = rng.choice(SIZES)
    least, most, currency = rng.choice(MONEY)
    country, region, city, city_name, latitude, longitude = rng.choice(PLACES)
    aliases = ["Old " + name] if rng.random() < 0.3 else []
    amount = rng.choice((None, 500_000, 3_000_000))
    return {
        "name": name,
        "name_key": company_key(name),
        "name_sort": fold(name),
        "domain": f"{fold(name).split()[0]}{rng.randint(1, 3)}.example" if rng.random() < 0.8 else None,
        "aliases": aliases,
        "alias_keys": [company_key(a) for a in aliases],
        "industries": _some(rng, INDUSTRIES),
        "technologies": _some(rng, TECHNOLOGIES, 3),
        "keywords": _some(rng, KEYWORDS),
        "employees_min": low,
        "employees_max": high,
        "headcount_bands": list(headcount_bands(low, high)),
        "revenue_min": least,
        "revenue_max": most,
        "revenue_currency": currency,
        "funding_stage": rng.choice(STAGES),
        "funding_amount": amount,
        "funding_currency": None if amount is None else rng.choice(("USD", "EUR")),
        "funding_date": rng.choice((None, date(2024, 3, 1), date(2025, 6, 30))),
        "founded_year": rng.choice((None, 1899, 2001, 2020)),
        "country": country,
        "region": region,
        "city": city,
        "city_name": city_name,
        "latitude": latitude,
        "longitude": longitude,
        "last_refreshed_at": _instant(rng),
    }


def _contact(rng: random.Random, organizations: list[int]) -> dict[str, Any]:
    first, last = rng.choice(PEOPLE)
    title = rng.choice(TITLES)
    read = titles.read_title(title or "")
    country, region, city, city_name, latitude, longitude = rng.choice(PLACES)
    return {
        "organization_id": rng.choice([*organizations, None]),
        "first_name": first,
        "last_name": last,
        "full_name": f"{first} {last}" if last else None,
        "name_terms": list(names.name_terms(first, None, last)),
        "name_sort": names.name_sort(first, last),
        "name_search": fold(f"{first} {last}") if last else None,
        "email": f"p{rng.randint(0, 10**9)}@mail.example" if rng.random() < 0.6 else None,
        "phone": "+12025550100" if rng.random() < 0.4 else None,
        "title": title,
        "title_normalized": read.normalized or None,
        "title_terms": list(read.terms),
        "seniority": read.seniority,
        "departments": list(read.departments),
        "country": country,
        "region": region,
        "city": city,
        "city_name": city_name,
        "latitude": latitude,
        "longitude": longitude,
        "email_status": rng.choice(STATUSES),
        "position_started_on": rng.choice(
            (None, *(date(2026, 11, 25) - timedelta(days=d) for d in (10, 200, 900)))
        ),
        "last_refreshed_at": _instant(rng),
        "past": [_position(rng) for _ in range(rng.randint(0, 2))],
    }


def _position(rng: random.Random) -> dict[str, Any]:
    title, company, ended = rng.choice(TITLES[:-1]), rng.choice(COMPANIES), rng.random() < 0.7
    return {
        "company": company,
        "company_key": company_key(company),
        "title": title,
        "title_normalized": titles.read_title(title).normalized,
        "title_terms": list(titles.read_title(title).terms),
        "start_date": date(2015, 1, 1) + timedelta(days=rng.randint(0, 3000)),
        "end_date": date(2024, 1, 1) if ended else None,
        "is_past": ended,
    }


async def _insert(session, table: str, row: dict[str, Any]) -> int:
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    result = await session.execute(
        text(f"INSERT INTO app.{table} ({columns}) VALUES ({values}) RETURNING id"), row
    )
    return result.scalar_one()


async def build(db: Database, *, seed: int, contacts: int = 70, organizations: int = 16) -> World:
    """Write the world's rows as the importer would, and note what was written."""
    rng, world = random.Random(seed), World()
    async with db.transaction(SERVICE) as session:
        for _ in range(organizations):
            row = _organization(rng)
            world.organizations[await _insert(session, "organizations", row)] = row
        for _ in range(contacts):
            row = _contact(rng, list(world.organizations))
            ident = await _insert(session, "contacts", {k: v for k, v in row.items() if k != "past"})
            world.contacts[ident] = row
            for position in row["past"]:
                await _insert(session, "employment_history", position | {"contact_id": ident})
        for kind, codes in (("industry", INDUSTRIES), ("technology", TECHNOLOGIES), ("keyword", KEYWORDS)):
            for code in codes:
                await session.execute(
                    text(
                        "INSERT INTO app.vocabulary_terms (kind, code, display_name) VALUES (:k, :c, :d)"
                        " ON CONFLICT DO NOTHING"
                    ),
                    {"k": kind, "c": code, "d": code.title()},
                )
        for user in world.users:
            await session.execute(
                text("INSERT INTO app.users (id, email) VALUES (:id, :email)"),
                {"id": user, "email": f"{user}@users.example"},
            )
            await _keep(session, rng, world, user)
    return world


async def _keep(session, rng: random.Random, world: World, user: UUID) -> None:
    """What a user has hidden, listed and unlocked."""
    people, firms = list(world.contacts), list(world.organizations)
    world.hidden_contacts[user] = set(rng.sample(people, 9))
    world.hidden_companies[user] = set(rng.sample(firms, 3))
    world.unlocks[user] = set(rng.sample(people, 8))
    wanted = uuid4()
    world.lists[wanted], world.company_lists[wanted] = set(rng.sample(people, 12)), set(rng.sample(firms, 5))
    for table, column, ids in (
        ("hidden_contacts", "contact_id", world.hidden_contacts[user]),
        ("hidden_companies", "organization_id", world.hidden_companies[user]),
    ):
        await session.execute(
            text(f"INSERT INTO app.{table} (user_id, {column}) SELECT :user, unnest(CAST(:ids AS int[]))"),
            {"user": user, "ids": sorted(ids)},
        )
    await session.execute(
        text(
            "INSERT INTO app.unlocks (user_id, contact_id, field)"
            " SELECT :u, unnest(CAST(:ids AS int[])), 'email'"
        ),
        {"u": user, "ids": sorted(world.unlocks[user])},
    )
    await session.execute(
        text("INSERT INTO app.lists (id, owner_id, name) VALUES (:id, :u, 'List')"), {"id": wanted, "u": user}
    )
    for table, column, ids in (
        ("list_contacts", "contact_id", world.lists[wanted]),
        ("list_organizations", "organization_id", world.company_lists[wanted]),
    ):
        await session.execute(
            text(
                f"INSERT INTO app.{table} (list_id, {column}, added_by)"
                " SELECT :l, unnest(CAST(:ids AS int[])), :u"
            ),
            {"l": wanted, "ids": sorted(ids), "u": user},
        )


_DOCUMENTS_OF_A_BULK = 500


def _index_into(name: str, ident: int) -> str:
    return orjson.dumps({"index": {"_index": name, "_id": str(ident)}}).decode()


async def index(db: Database, client: AsyncOpenSearch, prefix: str) -> None:
    """Every record of the database into a fresh index behind each alias, in many small segments."""
    for entity in ("contacts", "organizations"):
        name = f"{prefix}{entity}-world"
        await client.indices.delete(index=f"{prefix}{entity}-*", params={"ignore_unavailable": "true"})
        await client.indices.create(index=name, body=documents.index_body(entity))
        async with db.transaction(SERVICE, read_only=True) as session:
            ids = list((await session.execute(text(f"SELECT id FROM app.{entity} ORDER BY id"))).scalars())
            bodies = await documents.read_json(session, entity, ids)
        step = max(1, min(len(ids) // 6, _DOCUMENTS_OF_A_BULK))
        for start in range(0, len(ids), step):
            lines = [
                line for i in ids[start : start + step] for line in (_index_into(name, i), bodies[i].decode())
            ]
            answer = await client.bulk(body="\n".join(lines) + "\n", params={"refresh": "true"})
            assert not answer["errors"], answer
        alias = documents.search_alias(f"{prefix}{entity}", documents.schema_hash(entity))
        await client.indices.put_alias(index=name, name=alias)
