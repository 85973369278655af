"""A small world for the search tests: rows whose truth is at hand, in both engines.

The oracle below says what a request means by walking the rows, in plain Python and by another road than
the product's code: it reads the request's JSON, not the criteria.
"""

import math
import random
from collections import Counter
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
        await client.indices.put_alias(index=name, name=f"{prefix}{entity}")


# The oracle. A row passes a filter or it does not; a missing value fails every filter.

EARTH_M = 6_371_008.77


def _distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    (la, lo), (lb, lp) = (map(math.radians, p) for p in (a, b))
    h = math.sin((lb - la) / 2) ** 2 + math.cos(la) * math.cos(lb) * math.sin((lp - lo) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(h))


def _title_fits(value: str, terms: list[str]) -> bool:
    return any(set(wanted) <= set(terms) for wanted in titles.title_query(value))


def _overlaps(low, high, wanted: dict[str, int]) -> bool:
    if low is None and high is None:
        return False
    low, high = low if low is not None else 0, high if high is not None else math.inf
    return low <= wanted.get("max", math.inf) and high >= wanted.get("min", 0)


def _placed(row, name: str, values: Any) -> bool:
    if name == "near":
        point = values["point"]
        return row["latitude"] is not None and (
            _distance_m((point["latitude"], point["longitude"]), (row["latitude"], row["longitude"]))
            <= values["km"] * 1000
        )
    column = {"countries": "country", "regions": "region", "cities": "city"}[name]
    return row[column] in values


def contact_fits(row: dict[str, Any], name: str, values: Any, *, similar: bool = True) -> bool:
    if name in {"countries", "regions", "cities", "near"}:
        return _placed(row, name, values)
    if name == "titles" and similar:
        return any(_title_fits(v, row["title_terms"]) for v in values)
    if name == "titles":
        return any(titles.read_title(v).normalized == row["title_normalized"] for v in values)
    if name == "past_titles":
        past = [p for p in row["past"] if p["is_past"]]
        return any(_title_fits(v, p["title_terms"]) for v in values for p in past)
    if name == "past_employers":
        return any(company_key(v) == p["company_key"] for v in values for p in row["past"] if p["is_past"])
    if name == "seniorities":
        return row["seniority"] in values
    if name == "departments":
        return bool(set(row["departments"]) & set(values))
    if name == "email_status":
        return row["email_status"] in values
    if name in {"has_email", "has_phone"}:
        return (row[name.removeprefix("has_")] is not None) == values
    if name == "last_refreshed_after":
        return row["last_refreshed_at"].date() >= date.fromisoformat(values)
    if name == "names":
        return any(
            all(set(names.query_alternatives(w)) & set(row["name_terms"]) for w in fold(v).split())
            for v in values
        )
    raise LookupError(name)


def organization_fits(row: dict[str, Any] | None, name: str, values: Any) -> bool:
    if row is None:
        return False
    if name in {"countries", "regions", "cities", "near"}:
        return _placed(row, name, values)
    if name == "num_employees":
        return _overlaps(row["employees_min"], row["employees_max"], values)
    if name == "revenue":
        same = row["revenue_currency"] == values["currency"]
        return same and _overlaps(row["revenue_min"], row["revenue_max"], values)
    if name in {"technologies", "keywords"} and isinstance(values, dict):
        have = set(row[name])
        anyhow = not values.get("any") or bool(have & set(values["any"]))
        return anyhow and set(values.get("all", ())) <= have and not have & set(values.get("not", ()))
    if name in {"technologies", "keywords", "industries", "headcount_bands"}:
        return bool(set(row[name]) & set(values))
    if name == "domains":
        return row["domain"] in values
    if name == "names":
        return any(company_key(v) in {row["name_key"], *row["alias_keys"]} for v in values)
    if name == "founded_year":
        year = row["founded_year"]
        return year is not None and values.get("min", 0) <= year <= values.get("max", 9999)
    if name == "last_refreshed_after":
        return row["last_refreshed_at"].date() >= date.fromisoformat(values)
    raise LookupError(name)


def funding_fits(row: dict[str, Any] | None, part: str, values: Any) -> bool:
    if row is None:
        return False
    if part == "stages":
        return row["funding_stage"] in values
    if part == "amount":
        amount = row["funding_amount"]
        return (
            amount is not None
            and row["funding_currency"] == values["currency"]
            and values.get("min", 0) <= amount <= values.get("max", math.inf)
        )
    day = row["funding_date"]
    return day is not None and values.get("after", "0") <= day.isoformat() <= values.get("before", "9")


class Oracle:
    """What one user's request has to be answered with."""

    def __init__(self, world: World, entity: str, request: dict[str, Any], user: UUID) -> None:
        self.world, self.entity, self.request, self.user = world, entity, request, user

    def rows(self) -> dict[int, dict[str, Any]]:
        return self.world.contacts if self.entity == "contacts" else self.world.organizations

    def matches(self, *, without: str | None = None) -> set[int]:
        """The ids that fit; `without` names an include filter to leave out, as a facet does."""
        return {i for i in self.rows() if self._kept(i) and self._fits(i, without)}

    def _person_hidden(self, ident: int) -> bool:
        company = self.world.contacts[ident]["organization_id"]
        return (
            ident in self.world.hidden_contacts[self.user]
            or company in self.world.hidden_companies[self.user]
        )

    def _kept(self, ident: int) -> bool:
        people = self.entity == "contacts"
        hidden = self._person_hidden(ident) if people else ident in self.world.hidden_companies[self.user]
        mode = self.request.get("hidden", "exclude")
        if (mode == "exclude" and hidden) or (mode == "only" and not hidden):
            return False
        lists = self.world.lists if people else self.world.company_lists
        within = [lists[UUID(i)] for i in self.request.get("in_lists", ())]
        if within and not any(ident in members for members in within):
            return False
        if any(ident in lists[UUID(i)] for i in self.request.get("not_in_lists", ())):
            return False
        unlocked = people and ident in self.world.unlocks[self.user]
        wanted = self.request.get("unlocked", "any")
        return not ((wanted == "only" and not unlocked) or (wanted == "exclude" and unlocked))

    def _fits(self, ident: int, without: str | None) -> bool:
        sides = self.request.get("filters", {})
        people, firms = sides.get("contacts", {}), sides.get("organizations", {})
        if self.entity == "contacts":
            row = self.world.contacts[ident]
            firm = self.world.organizations.get(row["organization_id"])
            return self._person(row, people, without) and self._firm(firm, firms, without)
        if not self._firm(self.world.organizations[ident], firms, without):
            return False
        asked = any(set(side) - {"include_similar_titles"} for side in people.values())
        return not asked or any(
            row["organization_id"] == ident and not self._person_hidden(i) and self._person(row, people, None)
            for i, row in self.world.contacts.items()
        )

    def _person(self, row, sides, without: str | None) -> bool:
        for side, wanted in sides.items():
            similar = wanted.get("include_similar_titles", True)
            for name, values in wanted.items():
                if name == "include_similar_titles" or values == [] or f"contacts.{side}.{name}" == without:
                    continue
                if contact_fits(row, name, values, similar=similar) != (side == "include"):
                    return False
        return True

    def _firm(self, row, sides, without: str | None) -> bool:
        for side, wanted in sides.items():
            for name, values in wanted.items():
                parts = values.items() if name == "funding" else [(None, values)]
                for part, value in parts:
                    path = f"organizations.{side}.{name}" + (f".{part}" if part else "")
                    if value == [] or (path == without and not isinstance(value, dict)):
                        continue
                    if path == without:
                        value = {"not": value.get("not", [])}  # noqa: PLW2901 - a facet keeps what excludes
                    fits = funding_fits(row, part, value) if part else self._firm_side(row, name, value, side)
                    if fits != (side == "include"):
                        return False
        return True

    @staticmethod
    def _firm_side(row, name: str, values: Any, side: str) -> bool:
        """An include asks for any and all and none together; an exclude removes by any or by all."""
        open_terms = name in {"technologies", "keywords"} and isinstance(values, dict)
        if side == "include" and open_terms and row is None:
            # What is missing passes an exclude, and `not` is one; without any and all nothing else is asked.
            return not values.get("any") and not values.get("all")
        if side == "exclude" and open_terms:
            each = [{k: v} for k, v in values.items() if v]
            return any(organization_fits(row, name, one) for one in each)
        return organization_fits(row, name, values)

    def facet(self, column: str, selection: str, *, of_company: bool) -> tuple[Counter[str], int]:
        counts: Counter[str] = Counter()
        missing = 0
        for ident in self.matches(without=selection):
            row: dict[str, Any] | None = self.rows()[ident]
            if of_company and self.entity == "contacts":
                row = self.world.organizations.get(row["organization_id"])
            value = (
                None if row is None else row["email"] is not None if column == "has_email" else row[column]
            )
            values = value if isinstance(value, list) else [value]
            values = [str(v).lower() if isinstance(v, bool) else v for v in values if v is not None]
            missing += not values
            counts.update(values)
        return counts, missing
