"""The oracle of the search tests: what a request means, by walking the rows of the small world.

In plain Python and by another road than the product's code: it reads the request's JSON, not the criteria.
A row passes a filter or it does not; a missing value fails every filter.
"""

import math
from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID

from core import clock
from core.text import fold
from search import names, titles
from search.companies import company_key
from tests.search.world import World

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
    if name == "last_refreshed_within_days":
        return (clock.today() - row["last_refreshed_at"].date()).days <= values
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
    if name == "last_refreshed_within_days":
        return (clock.today() - row["last_refreshed_at"].date()).days <= values
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
        # An empty list asks for nothing, and so for no person either.
        asked = any(
            name != "include_similar_titles" and values != []
            for side in people.values()
            for name, values in side.items()
        )
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
