"""The demo market: the same bytes from the same seed, and the skews that were measured on real lists."""

import csv
import hashlib
import io
import itertools
import math
import re
import subprocess
import sys
import tracemalloc
from collections import Counter

import pytest

from domain.demo import generate, people
from domain.demo.generate import BadDemo
from domain.demo.given_names import GIVEN_NAMES
from domain.demo.places import CITIES, COUNTRIES
from domain.demo.surnames import SURNAMES
from domain.demo.titles import LEVELS
from search import places, vocabulary

PHONE = re.compile(r"^\+\d{1,3} [\d ]+ 555-01\d\d$")
HOST = re.compile(r"(?:https?://|@)([^/\s;]+)")

GOLDEN = {
    "organizations": "6b4db143a6d2299946ed2f0d9b83340857bdb252fafd10c0658a58b514446d89",
    "contacts": "2e113fa359364d9566f2bac3160270d176ddf909ec0484d1a597939aeff20e52",
    "employment": "0cd79aa857d4f59e5f8edea2993ebf5be6e796731c1a170795cfa3b88f0b2da2",
}


@pytest.fixture(scope="module")
def market() -> people.Market:
    return generate.market(seed=7, organizations=3_000)


@pytest.fixture(scope="module")
def crowd(market: people.Market) -> list[people.Person]:
    return list(generate.people(market, 40_000))


def digests() -> dict[str, str]:
    """A fingerprint of the first thousand rows of each file."""
    small = generate.market(seed=1, organizations=1_000)
    files = {
        "organizations": generate.organizations_csv(small),
        "contacts": generate.contacts_csv(small, 1_000),
        "employment": generate.employment_csv(small, 1_000),
    }
    return {name: hashlib.sha256(b"".join(pieces)).hexdigest() for name, pieces in files.items()}


def slope(counts: Counter, top: int) -> float:
    """How fast the counts fall with rank: the straight line through log rank and log count."""
    values = [count for _, count in counts.most_common(top)]
    xs = [math.log(rank) for rank in range(1, len(values) + 1)]
    ys = [math.log(value) for value in values]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return -covariance / sum((x - mean_x) ** 2 for x in xs)


def test_a_seed_always_gives_the_same_bytes():
    assert digests() == GOLDEN


def test_the_bytes_do_not_hang_on_the_hash_seed():
    program = (
        "import hashlib; from domain.demo import generate as g; m = g.market(seed=1, organizations=1000);"
        "print(hashlib.sha256(b''.join(g.contacts_csv(m, 1000))).hexdigest())"
    )
    for hash_seed in ("0", "4711"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        assert run.stdout.strip() == GOLDEN["contacts"]


def test_another_seed_gives_another_market():
    one, other = (generate.market(seed=seed, organizations=50) for seed in (1, 2))
    assert {seat.domain for seat in one.seats} != {seat.domain for seat in other.seats}
    assert not {company.id for company in generate.companies(one)} & {
        company.id for company in generate.companies(other)
    }


def test_a_larger_market_begins_with_the_companies_of_the_smaller():
    small, large = (generate.market(seed=3, organizations=count) for count in (20, 400))
    assert [seat.name for seat in small.seats] == [seat.name for seat in large.seats[:20]]


def test_more_contacts_begin_with_the_fewer(market):
    few = list(generate.people(market, 3_000))
    assert few[:2_000] == list(itertools.islice(generate.people(market, 4_000), 2_000))


def test_contacts_per_organization_fall_as_measured(crowd):
    counts = Counter(person.seat.number for person in crowd if person.seat)
    assert slope(counts, 500) == pytest.approx(0.6, abs=0.06)


def test_titles_fall_as_measured(crowd):
    counts = Counter(person.title for person in crowd if person.title)
    assert slope(counts, 300) == pytest.approx(1.2, abs=0.15)
    assert len(counts) > 2_000


def test_surnames_fall_as_measured(crowd):
    counts = Counter(person.last_name for person in crowd if person.last_name)
    assert slope(counts, 1_000) == pytest.approx(0.6, abs=0.08)


def test_headcount_is_log_normal_with_a_heavy_tail():
    seats = generate.market(seed=7, organizations=20_000).seats
    headcounts = sorted(seat.headcount for seat in seats)
    assert 20 <= headcounts[len(headcounts) // 2] <= 32
    body = [math.log(count) for count in headcounts if count < 400]
    mean = sum(body) / len(body)
    assert mean == pytest.approx(3.15, abs=0.15)
    assert 0.06 < sum(count >= 400 for count in headcounts) / len(headcounts) < 0.12
    assert headcounts[-1] > 20_000


def test_an_eighth_of_the_names_carries_diacritics(crowd):
    share = sum(not (p.first_name + p.last_name).isascii() for p in crowd) / len(crowd)
    assert share == pytest.approx(0.12, abs=0.012)


def test_three_in_a_hundred_are_second_records(crowd):
    seconds = [person for person in crowd if person.second_kind]
    assert len(seconds) / len(crowd) == pytest.approx(0.03, abs=0.005)
    kinds = Counter(person.second_kind for person in seconds)
    assert set(kinds) == {"nickname", "initial", "typo", "address"}
    assert min(kinds.values()) > len(seconds) / 10
    firsts = {person.id: person for person in crowd if not person.second_kind}
    for second in seconds:
        first = firsts[second.person_id]
        assert (second.given_name, second.surname, second.concept, second.seat) == (
            first.given_name, first.surname, first.concept, first.seat,
        )  # fmt: skip
        assert second.id != first.id
        assert not second.email or second.email != first.email


def test_missing_fields_are_as_frequent_as_in_lists(crowd):
    def missing(field: str) -> float:
        return sum(not getattr(person, field) for person in crowd) / len(crowd)

    assert missing("title") == pytest.approx(0.04, abs=0.01)
    assert missing("email") == pytest.approx(0.25, abs=0.03)
    assert missing("phone") == pytest.approx(0.60, abs=0.02)
    assert missing("city") == pytest.approx(0.15, abs=0.02)
    assert missing("seat") == pytest.approx(0.02, abs=0.005)
    with_history = [person.history for person in crowd if person.history]
    assert len(with_history) / len(crowd) == pytest.approx(0.6, abs=0.03)
    assert {len(history) for history in with_history} == {1, 2, 3, 4}


def test_past_positions_end_before_the_next_begins(crowd):
    for person in itertools.islice(crowd, 5_000):
        begins = [person.position_started_on or "9999", *(job.start_date for job in person.history)]
        assert all(
            job.start_date < job.end_date <= begin for job, begin in zip(person.history, begins, strict=False)
        )


def test_nothing_leads_to_anybody(market, crowd):
    rows = [company.row for company in generate.companies(market)]
    rows += [people.contact_row(person) for person in crowd]
    hosts = {host for row in rows for cell in row for host in HOST.findall(cell)}
    assert hosts
    assert all(host.endswith(".example") for host in hosts)
    assert all(seat.domain.endswith(".example") and seat.domain.count(".") == 1 for seat in market.seats)
    phones = [company.row[5] for company in generate.companies(market)] + [person.phone for person in crowd]
    assert all(PHONE.match(phone) for phone in phones if phone)
    assert sum(map(bool, phones)) > 10_000


def test_domains_and_addresses_are_given_once(market, crowd):
    domains = [seat.domain for seat in (*market.seats, *market.outside)]
    assert len(domains) == len(set(domains))
    addresses = [person.email for person in crowd if person.email]
    assert len(addresses) == len(set(addresses))
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*@[a-z0-9-]+\.example", address) for address in addresses)


def test_the_pyramid_has_every_step(crowd):
    counts = Counter(person.concept.level for person in crowd)
    assert set(counts) == set(LEVELS) == set(vocabulary.SENIORITIES)
    assert counts["manager"] > counts["director"] > counts["vp"] > counts["partner"]
    departments = {person.concept.department for person in crowd}
    assert len(departments) >= 12


def test_titles_speak_the_language_of_the_country(crowd):
    def share(country: str, language: str) -> float:
        titles = [p.title_language for p in crowd if p.seat and p.seat.city.country.code == country]
        return titles.count(language) / len(titles)

    assert share("DE", "de") > 0.5
    assert share("FR", "fr") > 0.6
    assert share("MX", "es") > 0.6
    assert share("US", "en") == 1


def test_names_come_from_long_lists_of_many_languages(crowd):
    assert len({name for names in SURNAMES.values() for name in names}) >= 1_000
    assert (
        len({name for genders in GIVEN_NAMES.values() for names in genders.values() for name in names}) >= 600
    )
    assert {person.language for person in crowd} == set(SURNAMES) == set(GIVEN_NAMES)


def test_the_gazetteer_knows_every_place():
    for code, cities in CITIES.items():
        assert places.resolve_country(COUNTRIES[code].name) == code
        for city in cities:
            region = places.resolve_region(city.region, code) if city.region else None
            assert region or not city.region, city.region
            found = places.resolve_city(city.name, code, region)
            assert found, city.name


def test_the_columns_are_those_of_the_files(market):
    pieces = b"".join(generate.contacts_csv(market, 10)).decode()
    rows = list(csv.DictReader(io.StringIO(pieces)))
    assert len(rows) == 10
    assert list(rows[0]) == list(people.CONTACT_COLUMNS)
    assert all(None not in row and None not in row.values() for row in rows)
    organizations = list(csv.reader(io.StringIO(b"".join(generate.organizations_csv(market)).decode())))
    assert len(organizations) == 3_001
    assert {len(row) for row in organizations} == {21}


def test_written_files_are_the_streamed_ones(tmp_path):
    small = generate.market(seed=5, organizations=30)
    seen = []
    written = generate.write(
        tmp_path / "new", small, contacts=2_000, progress=lambda *step: seen.append(step)
    )
    assert written["organizations"] == 30
    assert written["contacts"] == 2_000
    assert ("contacts", 1_000) in seen
    folder = tmp_path / "new"
    assert (folder / "organizations.csv").read_bytes() == b"".join(generate.organizations_csv(small))
    assert (folder / "contacts.csv").read_bytes() == b"".join(generate.contacts_csv(small, 2_000))
    employment = (folder / "employment.csv").read_bytes()
    assert employment == b"".join(generate.employment_csv(small, 2_000))
    assert employment.count(b"\n") == written["employment"] + 1


def test_memory_is_flat_however_many_contacts(market):
    stream = generate.people(market, 10_000_000)
    list(itertools.islice(stream, 5_000))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _person in itertools.islice(stream, 20_000):
        pass
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 6_000_000
    assert after - before < 6_000_000


@pytest.mark.parametrize("organizations", [0, -1, 1_000_001])
def test_an_impossible_market_is_refused(organizations):
    with pytest.raises(BadDemo, match="organizations"):
        generate.market(seed=1, organizations=organizations)


@pytest.mark.parametrize("seed", [-1, 1_000_000])
def test_an_impossible_seed_is_refused(seed):
    with pytest.raises(BadDemo, match="seed"):
        generate.market(seed=seed, organizations=1)


def test_a_negative_number_of_contacts_is_refused(market):
    with pytest.raises(BadDemo, match="negative"):
        generate.people(market, -1)
