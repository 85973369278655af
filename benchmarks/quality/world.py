"""The demo market as its generator knows it, laid out for questions: who is called what and works where.

Relevance comes from here and from nowhere else: no search rule and no database is asked.
"""

from collections import defaultdict
from dataclasses import dataclass

from domain.demo import generate
from domain.demo.companies import Company
from domain.demo.draws import Uniform, pick
from domain.demo.people import Person
from domain.demo.spelling import unmarked


def plain(text: str) -> str:
    """A name for comparison: no marks, no case, no punctuation; "ü" and "ue" alike."""
    text = unmarked(text, umlauts=True).lower()
    for long, short in (("ae", "a"), ("oe", "o"), ("ue", "u")):
        text = text.replace(long, short)
    return " ".join("".join(c if c.isalnum() else " " for c in text.replace("'", "")).split())


def parts(surname: str) -> list[str]:
    """The two names of "García López" or "Meyer-Schmidt"."""
    return [plain(part) for part in surname.replace("-", " ").split()]


@dataclass(frozen=True, slots=True)
class World:
    """All records of one demo data set. A `key` is the record's id in the demo files.

    `by_surname` knows people by their whole surname and by each part of a double one.
    """

    people: tuple[Person, ...]
    companies: tuple[Company, ...]
    by_surname: dict[str, list[Person]]
    by_concept: dict[tuple[str, str], list[Person]]
    by_company: dict[int, list[Person]]
    by_id: dict[str, Person]

    def person(self, uniform: Uniform) -> Person:
        """Somebody with a first and a last name on record, and no second record."""
        while True:
            one = pick(self.people, uniform)
            if one.first_name and one.last_name and not one.second_kind:
                return one

    def company(self, uniform: Uniform) -> Company:
        return pick(self.companies, uniform)


def build(*, seed: int, contacts: int, organizations: int) -> World:
    """Generate the market once and keep it."""
    market = generate.market(seed=seed, organizations=organizations)
    people = tuple(generate.people(market, contacts))
    by_surname: dict[str, list[Person]] = defaultdict(list)
    by_concept: dict[tuple[str, str], list[Person]] = defaultdict(list)
    by_company: dict[int, list[Person]] = defaultdict(list)
    for one in people:
        for name in {plain(one.surname): None, **dict.fromkeys(parts(one.surname))}:
            by_surname[name].append(one)
        if one.title:
            by_concept[one.concept.level, one.concept.function].append(one)
        if one.seat:
            by_company[one.seat.number].append(one)
    return World(
        people=people,
        companies=tuple(generate.companies(market)),
        by_surname=dict(by_surname),
        by_concept=dict(by_concept),
        by_company=dict(by_company),
        by_id={one.id: one for one in people},
    )
