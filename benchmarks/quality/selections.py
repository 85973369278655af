"""Searches by filters alone: what is true of a record and shown by it must be found, and nothing else."""

from collections.abc import Callable
from typing import Any

from benchmarks.quality.judged import Judged
from benchmarks.quality.phrases import ACRONYMS, SYNONYMS
from benchmarks.quality.titles import grades
from benchmarks.quality.world import World
from domain.demo.companies import Company
from domain.demo.draws import Uniform, pick
from domain.demo.people import Person

_KIND = "filters"
_BANDS = ((1, 10), (11, 50), (51, 200), (201, 500), (501, 1_000))


def level_and_department(world: World, uniform: Uniform) -> Judged | None:
    concept = pick(world.people, uniform).concept
    if concept.department == "management":
        return None
    include = {"seniorities": [concept.level], "departments": [concept.department]}
    return _people(
        world,
        {"contacts": {"include": include}},
        lambda one: (
            bool(one.title)
            and (one.concept.level, one.concept.department) == (concept.level, concept.department)
        ),
    )


def level_and_city(world: World, uniform: Uniform) -> Judged | None:
    person = pick(world.people, uniform)
    city = person.home
    if not person.city or city.name in {"Portland", "Birmingham", "Cambridge"}:
        return None
    include = {"seniorities": [person.concept.level], "locations": [f"{city.name}, {city.country.name}"]}
    return _people(
        world,
        {"contacts": {"include": include}},
        lambda one: (
            bool(one.title and one.city) and one.home is city and one.concept.level == person.concept.level
        ),
    )


def similar_title(world: World, uniform: Uniform) -> Judged | None:
    phrase = pick((*SYNONYMS, *ACRONYMS), uniform)
    country = pick(("US", "GB", "DE", "FR", "ES"), uniform)
    include = {"titles": [phrase.words], "countries": [country]}
    found = grades(world, phrase.level, phrase.function, country)
    return (
        Judged(_KIND, "contacts", "", found, {"contacts": {"include": include}})
        if 3 in found.values()
        else None
    )


def people_by_company(world: World, uniform: Uniform) -> Judged | None:
    """People by what their company is: industry, size, and a level."""
    company = world.company(uniform)
    industry = company.seat.industry.name
    low, high = pick(_BANDS, uniform)
    level = pick(("vp", "director", "c_suite", "manager", "head"), uniform)
    filters = {
        "contacts": {"include": {"seniorities": [level]}},
        "organizations": {"include": {"industries": [industry], "num_employees": {"min": low, "max": high}}},
    }
    fitting = {
        one.seat.number
        for one in world.companies
        if one.row[6] == industry and one.row[8] and low <= one.seat.headcount <= high
    }
    return _people(
        world,
        filters,
        lambda one: (
            bool(one.title) and one.concept.level == level and bool(one.seat) and one.seat.number in fitting  # type: ignore[union-attr]
        ),
    )


def past_employer(world: World, uniform: Uniform) -> Judged | None:
    name = world.company(uniform).seat.short_name
    return _people(
        world,
        {"contacts": {"include": {"past_employers": [name]}}},
        lambda one: any(
            job.company_index >= 0 and world.companies[job.company_index].seat.short_name == name
            for job in one.history
        ),
    )


def companies_by_technology(world: World, uniform: Uniform) -> Judged | None:
    company = world.company(uniform)
    if len(company.technologies) < 2:
        return None
    first = int(uniform() * (len(company.technologies) - 1))
    both = company.technologies[first : first + 2]
    country = company.seat.city.country.code
    filters = {"organizations": {"include": {"technologies": {"all": list(both)}, "countries": [country]}}}
    return _companies(
        world,
        filters,
        lambda one: (
            set(both) <= set(one.technologies)
            and one.seat.city.country.code == country
            and any(one.row[16:19])
        ),
    )


def companies_by_industry(world: World, uniform: Uniform) -> Judged | None:
    company = world.company(uniform)
    industry, city = company.seat.industry.name, company.seat.city
    if not company.row[16] or city.name in {"Portland", "Birmingham", "Cambridge"}:
        return None
    include = {"industries": [industry], "locations": [f"{city.name}, {city.country.name}"]}
    return _companies(
        world,
        {"organizations": {"include": include}},
        lambda one: one.row[6] == industry and one.seat.city is city and one.row[16] != "",
    )


def _people(world: World, filters: dict[str, Any], fits: Callable[[Person], bool]) -> Judged | None:
    found = {one.id: 3 for one in world.people if fits(one)}
    return Judged(_KIND, "contacts", "", found, filters) if found else None


def _companies(world: World, filters: dict[str, Any], fits: Callable[[Company], bool]) -> Judged | None:
    found = {one.id: 3 for one in world.companies if fits(one)}
    return Judged(_KIND, "organizations", "", found, filters) if found else None
