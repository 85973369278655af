"""A hidden market: companies, how each of them makes addresses, and what a catalogue has heard of that.

Made without a line of the finder, from what is seen in the world: mixtures and switches of patterns, five of
them such that the finder has no template for, five languages, namesakes, particles, double names, 3 % noise.
Where a company has switched, the old addresses are still listed; mail reaches people at the ones of today.
`best_guesses` are those of somebody who knows all of this.
"""

import random
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import Any, Final

NOISE: Final = 0.03
SWITCHED: Final = 0.1
_SWITCHED_YEARS: Final = (0.5, 4.0)
_OLDEST_YEARS: Final = 6.0
# So many more people have a mailbox than are listed: a server also knows those nobody has heard of.
_UNLISTED: Final = 20

_GIVEN: Final = {
    "DE": ["Jürgen", "Käthe", "Anna", "Lukas", "Björn", "Sören", "Heike", "Uwe", "Günther", "Jörg",
           "Karl-Heinz", "Marie-Luise", "Ute", "Dirk", "Nele"],
    "FR": ["Jean-Pierre", "Éloïse", "François", "Chloé", "Anne-Marie", "Luc", "Zoé", "Hélène", "René",
           "Mathis", "Inès", "Benoît", "Agnès"],
    "ES": ["José", "María", "Íñigo", "Lucía", "Ángel", "Nuria", "Jesús", "Begoña", "Raúl", "Sofía", "Martín",
           "Inés", "Juan-Carlos", "Óscar"],
    "SE": ["Åsa", "Björn", "Örjan", "Maja", "Göran", "Linnéa", "Håkan", "Jonas", "Ebba", "Søren", "Åke",
           "Märta", "Nils", "Kjell"],
    "US": ["William", "James", "Emily", "Olivia", "Robert", "Elizabeth", "Michael", "Jessica", "Thomas",
           "Grace", "Noah", "Ethan", "Mia", "Ava"],
}  # fmt: skip
_SURNAMES: Final = {
    "DE": ["Müller", "Schröder", "Groß", "Weiß", "Krämer", "von der Heide", "Meyer-Köhler", "Schulz",
           "Becker", "Hoffmann", "Köhler", "Jäger", "zu Guttenberg", "Böhm", "Vogel",
           "Fuchs", "Lange", "Krüger"],
    "FR": ["Lefèvre", "Dubois", "de La Tour", "Garçon", "Béranger", "D'Angelo", "Petit", "Moreau", "Fournier",
           "Le Goff", "Saint-Martin", "Girard", "Roussel", "Perrin", "Chevalier", "Noël"],
    "ES": ["García López", "Núñez", "Muñoz Pérez", "de la Fuente", "Ibáñez", "Torres", "Ortega Ruiz", "Vidal",
           "Peña", "Castro", "Gómez Díaz", "Serrano", "Blanco", "Marín Soto"],
    "SE": ["Sjöström", "Åkesson", "Lindqvist", "Nyström", "af Klint", "Bergström", "Ekström", "Holm",
           "Östlund", "Sandberg", "Wallin", "Hägg", "Norén", "Dahl"],
    "US": ["Smith", "O'Brien", "Johnson", "Van Buren", "Carter", "McDonald", "Taylor-Reed", "Nguyen", "Clark",
           "Walker", "Allen", "Young", "Wright", "Scott", "Baker", "Adams"],
}  # fmt: skip
# How often of a hundred, and how; the finder has no template for the last five.
PATTERNS: Final[dict[str, tuple[float, Any]]] = {
    "first.last": (38, lambda f, s: f"{f}.{s}"),
    "flast": (18, lambda f, s: f"{f[0]}{s}"),
    "first": (8, lambda f, _: f),
    "firstlast": (6, lambda f, s: f"{f}{s}"),
    "f.last": (8, lambda f, s: f"{f[0]}.{s}"),
    "first_last": (4, lambda f, s: f"{f}_{s}"),
    "last": (3, lambda _, s: s),
    "last.first": (4, lambda f, s: f"{s}.{f}"),
    "lastf": (3, lambda f, s: f"{s}{f[0]}"),
    "first-last": (3, lambda f, s: f"{f}-{s}"),
    "reversed": (1, lambda f, s: f"{s[::-1]}.{f}"),
    "x-first": (1, lambda f, s: f"x-{f}.{s}"),
    "initials.code": (1, lambda f, s: f"{f[0]}{s[0]}.{(len(f) * 37 + len(s)) % 89}"),
    "dropped vowels": (1, lambda f, s: f"{f}." + "".join(c for c in s if c not in "aeiou")),
    "first.last.ext": (1, lambda f, s: f"{f}.{s}.ext"),
}
COMMON: Final = tuple(PATTERNS)[:10]
_WRITTEN_OUT: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody and what stands before the @: as a catalogue has it since `years`, and as it is today."""

    first: str
    last: str
    listed: str
    today: str
    years: float


@dataclass(frozen=True, slots=True)
class Firm:
    """A company: those of its people whose addresses are listed, and all mailboxes that its server knows."""

    country: str
    people: tuple[Person, ...]
    mailboxes: frozenset[str]


def letters(text: str, *, written_out: bool) -> str:
    """The letters a-z of a name, with blanks and hyphens; marks are left away or written out."""
    text = text.lower().replace("ß", "ss").replace("ø", "oe" if written_out else "o")
    if written_out:
        text = "".join(_WRITTEN_OUT.get(c, c) for c in text)
    plain = unicodedata.normalize("NFD", text)
    return "".join(c for c in plain if "a" <= c <= "z" or c in " -")


_SIZES: Final = (1, 1, 2, 2, 3, 4, 5, 7, 9, 12)


def market(seed: int, companies: int) -> list[Firm]:
    """Companies with habits of their own, a few people of each listed."""
    return list(firms(seed, companies, _SIZES, unlisted=_UNLISTED))


def firms(seed: int, companies: int, sizes: Sequence[int], *, unlisted: int) -> Iterator[Firm]:
    """One company after the other, the same for the same seed; each of `sizes`, those listed, as likely."""
    draw = random.Random(seed)
    return (_firm(draw, draw.choice(sizes), unlisted) for _ in range(companies))


def _firm(draw: random.Random, size: int, unlisted: int) -> Firm:
    country = draw.choice(list(_GIVEN))
    weights = [weight for weight, _ in PATTERNS.values()]
    habit, other = draw.choices(list(PATTERNS), weights, k=2)
    mixture = draw.choice([1.0, 1.0, 1.0, 1.0, 0.85, 0.6])
    # Years since which `habit` holds; before, everybody's address was made as `other`.
    switched = draw.uniform(*_SWITCHED_YEARS) if draw.random() < SWITCHED else None
    written_out = draw.random() < _share_written_out(country)
    surname_way = draw.choice(["joined", "joined", "hyphen", "last", "bare"])
    given_way = draw.choice(["first", "first", "joined", "hyphen"])
    taken: Counter[str] = Counter()

    def address(name: tuple[str, str], pattern: str) -> str:
        f = _part(name[0], given_way, written_out=written_out)
        s = _part(name[1], surname_way, written_out=written_out)
        return str(PATTERNS[pattern][1](f, s))

    def person() -> Person:
        home = country if draw.random() < 0.8 else draw.choice(list(_GIVEN))
        name = draw.choice(_GIVEN[home]), draw.choice(_SURNAMES[home])
        years = draw.uniform(0, _OLDEST_YEARS)
        mixed = habit if switched is not None or draw.random() < mixture else other
        today = address(name, mixed)
        if draw.random() < NOISE:
            today = _garbled(draw, today)
        taken[today] += 1
        if taken[today] > 1:
            today += str(taken[today])
        is_old = switched is not None and years > switched
        return Person(*name, address(name, other) if is_old else today, today, years)

    people = tuple(person() for _ in range(size))
    mailboxes = {one.today for one in (*people, *(person() for _ in range(unlisted)))}
    return Firm(country, people, frozenset(mailboxes))


def _garbled(draw: random.Random, local: str) -> str:
    number = draw.randrange(9999)
    return draw.choice([local[1:] or "x", f"{local}x", f"{local[-4:]}{number % 99}", f"{local[0]}{number}"])


def _share_written_out(country: str) -> float:
    return {"DE": 0.8, "SE": 0.2}.get(country, 0.05)


@cache
def _part(text: str, way: str, *, written_out: bool) -> str:
    words = letters(text, written_out=written_out).replace("-", " ").split()
    particles = {"von", "der", "de", "la", "zu", "af", "van", "le", "d"}
    if way == "hyphen":
        return "-".join(words)
    if way == "bare":
        return "".join([word for word in words if word not in particles] or words)
    if way in {"first", "last"}:
        return words[0 if way == "first" else -1]
    return "".join(words)


# ---- one who knows how all of this was made ----

_MIXTURES: Final = ((1.0, 4 / 6), (0.85, 1 / 6), (0.6, 1 / 6))
_SURNAME_WAYS: Final = (("joined", 0.4), ("hyphen", 0.2), ("last", 0.2), ("bare", 0.2))
_GIVEN_WAYS: Final = (("first", 0.5), ("joined", 0.25), ("hyphen", 0.25))
_ODD: Final = 1e-3


def best_guesses(
    country: str, known: Sequence[Person], first: str, last: str, *, limit: int = 3
) -> list[str]:
    """The likeliest addresses of today for a name, the best first, given the same listed addresses.

    By Bayes over everything that a company was drawn from; nobody can be right more often.
    """
    score: Counter[str] = Counter()
    shares = [weight / 100 for weight, _ in PATTERNS.values()]
    ordered = sorted(known, key=lambda person: person.years)
    cuts = _cuts([person.years for person in ordered])
    for chance, rendered in _habits(country):
        target = rendered(first, last)
        fits = [
            [
                made in {person.listed, person.listed.rstrip("0123456789")}
                for made in rendered(person.first, person.last)
            ]
            for person in ordered
        ]
        for habit, other in product(range(len(shares)), repeat=2):
            new = [_odds(fit[habit]) for fit in fits]
            odds = chance * shares[habit] * shares[other]
            for mixture, how_often in _MIXTURES:
                likely = odds * how_often * (1 - SWITCHED)
                for fit in fits:
                    likely *= _odds(mixture * fit[habit] + (1 - mixture) * fit[other])
                score[target[habit]] += likely * mixture
                score[target[other]] += likely * (1 - mixture)
            before = [1.0]
            for fit in reversed(fits):
                before.append(before[-1] * _odds(fit[other]))
            since, likely = 1.0, 0.0
            for place, share in enumerate(cuts):
                likely += share * since * before[len(fits) - place]
                since *= new[place] if place < len(fits) else 1.0
            score[target[habit]] += odds * SWITCHED * likely
    taken = {person.listed for person in known}
    ranked = [local for local, _ in score.most_common(limit + len(taken))]
    free = [
        next(one for one in (local, *(f"{local}{n}" for n in range(2, 99))) if one not in taken)
        for local in ranked
    ]
    return list(dict.fromkeys(free))[:limit]


def _odds(fit: float) -> float:
    return (1 - NOISE) * fit + _ODD


def _cuts(years: Sequence[float]) -> list[float]:
    """How likely a switch lies before the first of these ages, between them, and after the last."""
    low, high = _SWITCHED_YEARS
    ends = [min(max(age, low), high) for age in years]
    return [(b - a) / (high - low) for a, b in zip([low, *ends], [*ends, high], strict=True)]


def _habits(country: str) -> Iterator[tuple[float, Any]]:
    """How companies of a country spell names, each with its probability."""
    share = _share_written_out(country)
    spellings = ((True, share), (False, 1 - share))
    for (written_out, a), (surname, b), (given, c) in product(spellings, _SURNAME_WAYS, _GIVEN_WAYS):
        yield a * b * c, partial(_all_patterns, given_way=given, surname_way=surname, written_out=written_out)


@cache
def _all_patterns(
    first: str, last: str, *, given_way: str, surname_way: str, written_out: bool
) -> tuple[str, ...]:
    f = _part(first, given_way, written_out=written_out)
    s = _part(last, surname_way, written_out=written_out)
    return tuple(pattern(f, s) for _, pattern in PATTERNS.values())
