"""Searches of several kinds of words at once: "vp sales acme berlin", "anna muller acme", "cfo toronto"."""

from benchmarks.quality.judged import Judged
from benchmarks.quality.names import grades as name_grades
from benchmarks.quality.phrases import ACRONYMS, SYNONYMS
from benchmarks.quality.titles import grades as title_grades
from benchmarks.quality.world import World, parts, plain
from domain.demo.draws import Uniform, pick
from domain.demo.people import Person
from domain.demo.places import City

_PHRASES: dict[tuple[str, str], list[str]] = {}
for _phrase in (*SYNONYMS, *ACRONYMS):
    _PHRASES.setdefault((_phrase.level, _phrase.function), []).append(_phrase.words)


def title_and_company(world: World, uniform: Uniform) -> Judged | None:
    person, words = _titled(world, uniform)
    if person is None or person.seat is None:
        return None
    found = _colleagues(world, person)
    q = f"{words} {person.seat.short_name}" if uniform() < 0.6 else f"{person.seat.short_name} {words}"
    return Judged("mixtures: title, company", "contacts", q.lower(), found)


def title_company_and_place(world: World, uniform: Uniform) -> Judged | None:
    person, words = _titled(world, uniform)
    if person is None or person.seat is None or not person.city:
        return None
    city = person.home
    if plain(city.name) in plain(person.seat.short_name):
        return None
    found = {key: grade for key, grade in _colleagues(world, person).items() if _shows_city(world, key, city)}
    q = f"{words} {person.seat.short_name} {city.name}".lower()
    return Judged("mixtures: title, company, place", "contacts", q, found)


def title_and_place(world: World, uniform: Uniform) -> Judged | None:
    person, words = _titled(world, uniform)
    if person is None or not person.city:
        return None
    city = person.home
    found = {
        key: grade
        for key, grade in title_grades(world, person.concept.level, person.concept.function).items()
        if grade > 1 and _shows_city(world, key, city)
    }
    joint = pick((" ", " in "), uniform)
    return Judged("mixtures: title, place", "contacts", f"{words}{joint}{city.name}", found)


def name_and_company(world: World, uniform: Uniform) -> Judged | None:
    person = world.person(uniform)
    if person.seat is None:
        return None
    name = f"{person.given_name} {person.surname}"
    at_company = {one.id for one in world.by_company[person.seat.number]}
    found = {key: grade for key, grade in name_grades(world, person, name).items() if key in at_company}
    if uniform() < 0.5:
        name = person.surname
        found = {
            one.id: 3
            for one in world.by_company[person.seat.number]
            if one.last_name and plain(name) in {plain(one.surname), *parts(one.surname)}
        }
    return Judged("mixtures: name, company", "contacts", f"{name} {person.seat.short_name}".lower(), found)


def name_and_title(world: World, uniform: Uniform) -> Judged | None:
    person, words = _titled(world, uniform)
    if person is None or not person.last_name:
        return None
    name = f"{person.given_name} {person.surname}"
    does = title_grades(world, person.concept.level, person.concept.function)
    found = {key: grade for key, grade in name_grades(world, person, name).items() if does.get(key, 0) > 1}
    return Judged("mixtures: name, title", "contacts", f"{name} {words}", found)


def name_and_place(world: World, uniform: Uniform) -> Judged | None:
    person = world.person(uniform)
    if not person.city:
        return None
    name = f"{person.given_name} {person.surname}"
    there = {
        one.id for one in world.by_surname[plain(person.surname)] if one.city and one.home is person.home
    }
    found = {key: grade for key, grade in name_grades(world, person, name).items() if key in there}
    return Judged("mixtures: name, place", "contacts", f"{name} {person.home.name}".lower(), found)


def people_of_a_company(world: World, uniform: Uniform) -> Judged | None:
    company = world.company(uniform)
    found = {
        one.id: 3
        for one in world.people
        if one.seat and plain(one.seat.short_name) == plain(company.seat.short_name)
    }
    return (
        Judged("mixtures: people of a company", "contacts", company.seat.short_name, found) if found else None
    )


def _titled(world: World, uniform: Uniform) -> tuple[Person | None, str]:
    """Somebody whose title is shown, and words a searcher has for it."""
    person = pick(world.people, uniform)
    words = _PHRASES.get((person.concept.level, person.concept.function))
    if not words or not person.title:
        return None, ""
    if title_grades(world, person.concept.level, person.concept.function)[person.id] < 3:
        return None, ""
    return person, pick(words, uniform)


def _colleagues(world: World, person: Person) -> dict[str, int]:
    """Those at companies of this name who do the same."""
    name = plain(person.seat.short_name) if person.seat else ""
    found = {}
    for key, grade in title_grades(world, person.concept.level, person.concept.function).items():
        seat = world.by_id[key].seat
        if grade > 1 and seat and plain(seat.short_name) == name:
            found[key] = grade
    return found


def _shows_city(world: World, key: str, city: City) -> bool:
    one = world.by_id[key]
    return bool(one.city) and one.home is city
