"""Searches for a person by name: with typos, without marks, by nickname, by initial, the other way round."""

from benchmarks.quality.judged import Judged
from benchmarks.quality.world import World, plain
from domain.demo.draws import Uniform, pick
from domain.demo.given_names import NICKNAMES
from domain.demo.people import Person
from domain.demo.spelling import has_marks, mistyped, unmarked


def exact(world: World, uniform: Uniform) -> Judged | None:
    person = world.person(uniform)
    return _judged("names: as they stand", world, person, f"{person.given_name} {person.surname}")


def typo(world: World, uniform: Uniform) -> Judged | None:
    """One slip in the surname or the given name, at times in both."""
    person = world.person(uniform)
    given_name, surname = person.given_name, person.surname
    where = uniform()
    if len(surname) < 5 or len(given_name) < 4:
        return None
    if where < 0.7:
        surname = mistyped(surname, uniform)
    if where > 0.55:
        given_name = mistyped(given_name, uniform)
    return _judged("names: typos", world, person, f"{given_name} {surname}".lower())


def diacritics(world: World, uniform: Uniform) -> Judged | None:
    """A marked name typed without marks or umlauts written out; an unmarked record asked for with them."""
    person = world.person(uniform)
    full_name = f"{person.given_name} {person.surname}"
    if not has_marks(full_name):
        return None
    if has_marks(person.first_name + person.last_name):
        full_name = unmarked(full_name, umlauts=uniform() < 0.5)
    return _judged("names: diacritics", world, person, full_name if uniform() < 0.7 else full_name.upper())


def nickname(world: World, uniform: Uniform) -> Judged | None:
    """The nickname of somebody recorded in full, or the full name of somebody recorded by nickname."""
    person = pick(world.people, uniform)
    nicknames = NICKNAMES.get(person.given_name, ())
    if not nicknames or not person.last_name or person.second_kind not in {"", "nickname"}:
        return None
    given_name = person.given_name if person.second_kind else pick(nicknames, uniform)
    return _judged("names: nicknames", world, person, f"{given_name} {person.surname}", given_name)


def initial(world: World, uniform: Uniform) -> Judged | None:
    person = world.person(uniform)
    letter = person.given_name[0]
    q = f"{letter}. {person.surname}" if uniform() < 0.6 else f"{letter} {person.surname}".lower()
    surname = plain(person.surname)
    found = {
        one.id: 3 if plain(one.surname) == surname else 2
        for one in world.by_surname[surname]
        if plain(one.given_name)[0] == plain(letter) and one.last_name
    }
    return Judged("names: initials", "contacts", q, found)


def order(world: World, uniform: Uniform) -> Judged | None:
    person = world.person(uniform)
    joint = pick((" ", ", "), uniform)
    surname = person.surname.upper() if uniform() < 0.3 else person.surname
    return _judged("names: order", world, person, f"{surname}{joint}{person.given_name}")


def _judged(kind: str, world: World, person: Person, q: str, given_name: str = "") -> Judged:
    return Judged(kind, "contacts", q, grades(world, person, q, given_name))


def grades(world: World, person: Person, q: str, given_name: str = "") -> dict[str, int]:
    """Everybody of this true name and everybody recorded as typed; then those one nickname or one name away.

    "Ana García" is also a way to ask for Ana García López.

    `given_name` is the one that was typed, when it is not the person's own.
    """
    found: dict[str, int] = {}
    related = _related(given_name or person.given_name)
    for one in world.by_surname[plain(person.surname)]:
        if not one.last_name:
            continue
        if plain(one.given_name) == plain(person.given_name):
            found[one.id] = 3 if plain(one.surname) == plain(person.surname) else 2
        elif plain(one.given_name) in related and plain(one.surname) == plain(person.surname):
            found[one.id] = 2
    typed = plain(q)
    backwards = " ".join(reversed(typed.split()))
    for word in sorted(set(typed.split())):
        for one in world.by_surname.get(word, ()):
            if plain(f"{one.first_name} {one.last_name}") in {typed, backwards}:
                found[one.id] = 3
    return found


def _related(given_name: str) -> set[str]:
    """A given name, what it is short for and what is short for it."""
    name = plain(given_name)
    found = {name}
    for formal, nicknames in NICKNAMES.items():
        short = {plain(nickname) for nickname in nicknames}
        if name == plain(formal):
            found |= short
        elif name in short:
            found.add(plain(formal))
    return found
