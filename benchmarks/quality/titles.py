"""Searches for a title: synonyms, acronyms, and words of one language for cards in another."""

from benchmarks.quality.judged import Judged
from benchmarks.quality.phrases import ACRONYMS, LANGUAGES, SYNONYMS, Phrase
from benchmarks.quality.world import World, plain
from domain.demo.draws import Uniform, pick
from domain.demo.people import Person
from domain.demo.places import COUNTRIES

# Fewer than so many answers, and the search says more of the draw than of the engine.
_ENOUGH = 10
# A step beside in the same line of work: a senior developer is a developer, a director not quite a head.
_NEIGHBOURS: dict[str, dict[str, int]] = {
    "vp": {"head": 1, "director": 1},
    "head": {"vp": 1, "director": 1},
    "director": {"vp": 1, "head": 1},
    "entry": {"senior": 2},
    "senior": {"entry": 1},
}
_CHIEFS = (
    "ceo",
    "chief executive",
    "managing director",
    "geschäftsführer",
    "vorstandsvorsitzende",
    "pdg",
    "directeur général",
    "président-directeur",
    "directrice générale",
    "présidente-directrice",
    "director general",
    "directora general",
    "consejero delegado",
    "consejera delegada",
)
# Founders whose card names an office as well hold it.
_FOUNDERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("c_suite", "general"): ("ceo", "geschäftsführer", "président", "director"),
    ("c_suite", "engineering"): ("cto",),
}


def synonym(world: World, uniform: Uniform) -> Judged | None:
    return _judged("titles: synonyms", world, uniform, pick(SYNONYMS, uniform))


def acronym(world: World, uniform: Uniform) -> Judged | None:
    return _judged("titles: acronyms", world, uniform, pick(ACRONYMS, uniform))


def language(world: World, uniform: Uniform) -> Judged | None:
    """Words of one language, people of a country whose cards are mostly in another."""
    speaks = pick(("de", "fr", "es", "en"), uniform)
    phrase = pick(LANGUAGES[speaks], uniform)
    foreign = [
        code
        for code, country in COUNTRIES.items()
        if (country.titles.get("en", 0) < 0.4 if speaks == "en" else speaks not in country.titles)
    ]
    country = pick(foreign, uniform)
    return _judged("titles: languages", world, uniform, phrase, country)


def _judged(
    kind: str, world: World, uniform: Uniform, phrase: Phrase, country: str | None = None
) -> Judged | None:
    found = grades(world, phrase.level, phrase.function, country)
    if sum(grade == 3 for grade in found.values()) < _ENOUGH:
        return None
    words = phrase.words if uniform() < 0.7 else phrase.words.lower()
    filters = {"contacts": {"include": {"countries": [country]}}} if country else {}
    return Judged(kind, "contacts", words, found, filters)


def grades(world: World, level: str, function: str, country: str | None = None) -> dict[str, int]:
    """Who does just that, and who does it a step beside."""
    found: dict[str, int] = {}
    for near, grade in _NEIGHBOURS.get(level, {}).items():
        found |= dict.fromkeys((one.id for one in world.by_concept.get((near, function), ())), grade)
    for one in world.by_concept["founder", "general"]:
        if any(office in one.title.lower() for office in _FOUNDERS.get((level, function), ())):
            found[one.id] = 2
    for one in world.by_concept.get((level, function), ()):
        found[one.id] = 3 if function != "general" or level != "c_suite" or _heads_it_all(one.title) else 1
    if country is None:
        return found
    there = {one.id for one in world.people if lives_in(one, country)}
    return {key: grade for key, grade in found.items() if key in there}


def _heads_it_all(title: str) -> bool:
    """A president or one of several on a board is near a chief executive, not the same."""
    words = title.lower()
    return any(office in words for office in _CHIEFS)


def lives_in(person: Person, country: str, city: str = "") -> bool:
    """Whether the record shows it: a country, and the city where one is asked for."""
    return bool(
        person.country
        and person.home.country.code == country
        and (not city or (person.city and plain(person.home.name) == plain(city)))
    )
