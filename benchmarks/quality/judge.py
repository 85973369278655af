"""Judged searches over the demo data: what people type, and how well each record answers it (0 to 3).

    world = build(seed=1, contacts=20_000, organizations=2_000)
    searches = draw(world, draw_seed=42)

The searches are drawn by a seed of their own, so anybody can judge with fresh ones. Grades: 3 is what was
asked for; 2 answers as well under another name (a nickname's bearer, a company whose other name fits); 1 is
near it (the same work, a neighbouring level). A record that does not show the asked field (no title, no
city) is not expected, however true it would be.
"""

from collections.abc import Callable

from benchmarks.quality import companies, mixtures, names, selections, titles
from benchmarks.quality.judged import Judged
from benchmarks.quality.world import World
from domain.demo.draws import Uniform, stream

_Draw = Callable[[World, Uniform], Judged | None]

# How many searches of each kind a set has.
KINDS: dict[_Draw, int] = {
    names.exact: 8,
    names.typo: 16,
    names.diacritics: 14,
    names.nickname: 14,
    names.initial: 10,
    names.order: 10,
    companies.legal_form: 12,
    companies.spelling: 8,
    companies.prefix: 12,
    companies.typo: 12,
    companies.other_name: 10,
    companies.placed: 8,
    companies.by_trade: 6,
    titles.synonym: 18,
    titles.language: 16,
    titles.acronym: 14,
    mixtures.title_and_company: 10,
    mixtures.title_company_and_place: 10,
    mixtures.title_and_place: 10,
    mixtures.name_and_company: 10,
    mixtures.name_and_title: 8,
    mixtures.name_and_place: 8,
    mixtures.people_of_a_company: 8,
    selections.level_and_department: 4,
    selections.level_and_city: 4,
    selections.similar_title: 4,
    selections.people_by_company: 4,
    selections.past_employer: 4,
    selections.companies_by_technology: 4,
    selections.companies_by_industry: 4,
}
_TRIES = 20_000


def draw(world: World, *, draw_seed: int) -> list[Judged]:
    """A set of searches, none of them twice."""
    searches: list[Judged] = []
    for number, (kind, wanted) in enumerate(KINDS.items()):
        searches += _draw_kind(world, stream(draw_seed, 100 + number), kind, wanted)
    return searches


def _draw_kind(world: World, uniform: Uniform, kind: _Draw, wanted: int) -> list[Judged]:
    found: dict[str, Judged] = {}
    for _ in range(_TRIES):
        search = kind(world, uniform)
        if search is not None and search.grades:
            found.setdefault(repr(search.request()), search)
        if len(found) == wanted:
            break
    return list(found.values())
