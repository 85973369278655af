"""How often each name is met: one power law over all surnames, shared out to the languages."""

from functools import cache

from domain.demo.draws import Weighted, pairs, power_law
from domain.demo.given_names import GIVEN_NAMES
from domain.demo.places import COUNTRIES, Country
from domain.demo.surnames import SURNAMES

SURNAME_SLOPE = 0.6
GIVEN_NAME_SLOPE = 0.7


@cache
def languages_of(country: str) -> Weighted[str]:
    """The languages of the names met in a country."""
    return pairs(COUNTRIES[country].languages)


@cache
def title_languages_of(country: str) -> Weighted[str]:
    return pairs(COUNTRIES[country].titles)


@cache
def given_names(language: str, gender: str) -> Weighted[str]:
    return power_law(GIVEN_NAMES[language][gender], GIVEN_NAME_SLOPE)


@cache
def surnames(language: str) -> Weighted[str]:
    """The surnames of a language, weighted by the rank that each has among all.

    Each language takes its turns in the common ranking in proportion to its people. So the weights of a
    language add up to its share, and drawing first a language and then a name gives one power law.
    """
    ranks = _ranks()
    names = SURNAMES[language]
    return Weighted(names, (rank**-SURNAME_SLOPE for rank in ranks[language]))


@cache
def _ranks() -> dict[str, list[int]]:
    shares = _shares()
    taken = dict.fromkeys(SURNAMES, 0.0)
    ranks: dict[str, list[int]] = {language: [] for language in SURNAMES}
    for rank in range(1, sum(map(len, SURNAMES.values())) + 1):
        open_languages = [code for code in SURNAMES if len(ranks[code]) < len(SURNAMES[code])]
        behind = min(open_languages, key=lambda code: (taken[code] / shares[code], code))
        ranks[behind].append(rank)
        taken[behind] += rank**-SURNAME_SLOPE
    return ranks


def _shares() -> dict[str, float]:
    """How many of all people bear names of each language."""
    return {
        language: sum(_speakers(country, language) for country in COUNTRIES.values()) for language in SURNAMES
    }


def _speakers(country: Country, language: str) -> float:
    return country.share * country.languages.get(language, 0) / sum(country.languages.values())
