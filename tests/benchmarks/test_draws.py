"""Profiles are new for every request, the same for every run, and match as many contacts as they should."""

from itertools import islice
from random import Random

import msgspec
import orjson
import pytest
from pyroaring import BitMap

from benchmarks.draws import KINDS, SHARES, Draws, Known, Profile, Scale, Values
from benchmarks.environment import BenchmarkFailed
from search.request import SearchRequest

PEOPLE = 20_000


def dealt(values: list, random: Random, *, each: int = 1) -> dict:
    """Everybody gets `each` of the values, the first ones more often."""
    weights = [1 / (place + 1) for place in range(len(values))]
    found: dict = {value: BitMap() for value in values}
    for person in range(1, PEOPLE + 1):
        for value in random.choices(values, weights, k=each):
            found[value].add(person)
    return found


@pytest.fixture(scope="module")
def known() -> Known:
    random = Random(7)
    return Known(
        BitMap(range(1, PEOPLE + 1)),
        [
            Values("contacts", "seniorities", dealt(["vp", "manager", "entry", "head"], random)),
            Values(
                "contacts", "countries", dealt(["US", "DE", "FR", "GB", "IT", "ES"], random), may_exclude=True
            ),
            Values("organizations", "industries", dealt([f"trade-{n}" for n in range(20)], random)),
            Values("organizations", "technologies", dealt([f"tool-{n}" for n in range(30)], random, each=3)),
        ],
        [
            Scale(
                "organizations",
                "founded_year",
                dealt(list(range(1950, 2026)), random),
                lambda year: {"min": year},
            )
        ],
    )


def matching(profile: Profile, known: Known) -> BitMap:
    """Who fits a profile, worked out from its filters alone."""
    found = BitMap(known.everybody)
    values = {(one.side, one.name): one.contacts for one in known.values}
    scales = {(one.side, one.name): one.contacts for one in known.scales}
    for side, directions in profile.filters.items():
        for direction, filters in directions.items():
            for name, wanted in filters.items():
                if isinstance(wanted, dict):
                    points = scales[side, name]
                    some = BitMap.union(*(points[point] for point in points if point >= wanted["min"]))
                else:
                    some = BitMap.union(*(values[side, name][value] for value in wanted))
                found = found - some if direction == "exclude" else found & some
    return found


def asked(drawn: list) -> list[bytes]:
    return [orjson.dumps(filters, option=orjson.OPT_SORT_KEYS) for filters in drawn]


def test_no_profile_is_drawn_twice(known):
    draws = Draws(known, 1)
    drawn = [profile.filters for kind in KINDS for profile in draws.take(kind, 150)]
    drawn += islice(draws.any(), 300)
    drawn += [profile.filters for profile in draws.take("middle", 150)]
    assert len(set(asked(drawn))) == len(drawn)


def test_a_seed_draws_the_same_profiles_every_time(known):
    first, again, other = (
        [p.filters for p in (*draws.take("narrow", 40), *draws.take("broad", 40))]
        + [*islice(draws.any(), 40)]
        for draws in (Draws(known, 3), Draws(known, 3), Draws(known, 4))
    )
    assert first == again
    assert asked(first) != asked(other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_matches_as_many_as_its_kind_says(known, kind):
    low, high = (share * PEOPLE for share in SHARES[kind])
    for profile in Draws(known, 2).take(kind, 100):
        assert profile.matches == len(matching(profile, known))
        assert low <= profile.matches <= high


def test_a_profile_is_a_search_that_the_product_takes(known):
    for filters in islice(Draws(known, 5).any(), 100):
        request = msgspec.convert({"filters": filters}, SearchRequest)
        assert request.filters != SearchRequest().filters


def test_running_out_of_new_profiles_is_said_and_not_hidden():
    everybody = BitMap(range(1, PEOPLE + 1))
    little = Known(everybody, [Values("contacts", "seniorities", {"vp": BitMap(range(1, 12_001))})], [])
    draws = Draws(little, 1)
    assert draws.take("broad", 1)[0].matches == 12_000
    with pytest.raises(BenchmarkFailed, match="No new broad profile"):
        draws.take("broad", 1)
