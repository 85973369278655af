"""Searches for a company: another legal form, a beginning, a typo, another name, its place, its trade."""

from benchmarks.quality.judged import Judged
from benchmarks.quality.world import World, plain
from domain.demo.companies import Company
from domain.demo.draws import Uniform, pick
from domain.demo.spelling import mistyped, unmarked

_FORMS = ("GmbH", "AG", "Ltd", "Limited", "Inc", "LLC", "SA", "SAS", "S.L.", "B.V.", "Corp", "plc", "S.p.A.")


def legal_form(world: World, uniform: Uniform) -> Judged | None:
    """The name without its form, with the form spelt otherwise, or with a form the record does not have."""
    company = world.company(uniform)
    short_name = company.seat.short_name
    chance = uniform()
    q = short_name if chance < 0.5 else f"{short_name} {pick(_FORMS, uniform)}"
    return Judged(
        "companies: legal forms", "organizations", q.lower() if chance < 0.25 else q, same(world, company)
    )


def spelling(world: World, uniform: Uniform) -> Judged | None:
    """Marks and the "&" typed otherwise."""
    company = world.company(uniform)
    short_name = company.seat.short_name
    if short_name.isascii() and "&" not in short_name:
        return None
    typed = unmarked(short_name, umlauts=uniform() < 0.5)
    typed = typed.replace(" & ", pick((" and ", " ", " und "), uniform)) if "&" in typed else typed
    return Judged("companies: spellings", "organizations", typed, same(world, company))


def prefix(world: World, uniform: Uniform) -> Judged | None:
    """What somebody has typed so far."""
    company = world.company(uniform)
    short_name = company.seat.short_name
    length = 5 + int(uniform() * 4)
    if len(short_name) < length + 2:
        return None
    q = short_name[:length].strip().lower()
    begun = plain(q)
    found: dict[str, int] = {}
    for one in world.companies:
        names = [plain(one.seat.short_name), *map(plain, one.seat.aliases)]
        if names[0].startswith(begun):
            found[one.id] = 3
        elif any(name.startswith(begun) or f" {begun}" in name for name in names):
            found[one.id] = 2
    return Judged("companies: prefixes", "organizations", q, found) if found else None


def typo(world: World, uniform: Uniform) -> Judged | None:
    company = world.company(uniform)
    words = company.seat.short_name.split()
    place = max(range(len(words)), key=lambda number: len(words[number]))
    if len(words[place]) < 6:
        return None
    words[place] = mistyped(words[place], uniform)
    return Judged("companies: typos", "organizations", " ".join(words).lower(), same(world, company))


def other_name(world: World, uniform: Uniform) -> Judged | None:
    """A former name, the long form of an abbreviation, the name of the group."""
    company = world.company(uniform)
    if not company.seat.aliases:
        return None
    alias = pick(company.seat.aliases, uniform)
    found = {one.id: 2 for one in world.companies if plain(one.seat.short_name) == plain(alias)}
    found |= {one.id: 3 for one in world.companies if alias in one.seat.aliases}
    return Judged("companies: other names", "organizations", alias, found)


def placed(world: World, uniform: Uniform) -> Judged | None:
    """The company with its city: "lueton stuttgart"."""
    company = world.company(uniform)
    if not company.row[16]:
        return None
    q = f"{company.seat.short_name} {company.seat.city.name}"
    if plain(company.seat.city.name) in plain(company.seat.short_name):
        return None
    return Judged("companies: with a place", "organizations", q.lower(), same(world, company))


def by_trade(world: World, uniform: Uniform) -> Judged | None:
    """What companies do, and where: "semiconductors austin"."""
    company = world.company(uniform)
    industry, city = company.row[6], company.seat.city
    if not industry or not company.row[16]:
        return None
    found = {
        one.id: 3
        for one in world.companies
        if one.row[6] == industry and one.row[16] and one.seat.city.name == city.name
    }
    joint = pick((" ", " in "), uniform)
    return Judged("companies: by trade", "organizations", f"{industry}{joint}{city.name}".lower(), found)


def same(world: World, company: Company) -> dict[str, int]:
    """The company, and those of the same name, which no word of the search tells from it."""
    wanted = plain(company.seat.short_name)
    found = {}
    for one in world.companies:
        if plain(one.seat.short_name) == wanted:
            found[one.id] = 3
        elif any(plain(alias) == wanted for alias in one.seat.aliases):
            found[one.id] = 2
    return found
