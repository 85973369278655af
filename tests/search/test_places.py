"""The gazetteer: what a text means, which of several places of a name, and what is shown."""

import csv
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search import places
from search.gazetteer import gazetteer
from search.place_keys import place_key, place_keys

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


def brief(text):
    place = places.parse_place(text)
    return place and (place.country, place.region, place.city_name)


@pytest.mark.parametrize(
    "text, code",
    [
        ("Germany", "DE"),
        ("deutschland", "DE"),
        ("Allemagne", "DE"),
        ("DE", "DE"),
        ("DEU", "DE"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("United States of America", "US"),
        ("The Netherlands", "NL"),
        ("UK", "GB"),
        ("England", "GB"),
        ("Great Britain", "GB"),
        ("South Korea", "KR"),
        ("Korea, Republic of", "KR"),
        ("Россия", "RU"),
        ("日本", "JP"),
        ("Österreich", "AT"),
        ("Türkei", "TR"),
        ("Côte d'Ivoire", "CI"),
        ("Ivory Coast", "CI"),
        ("Czech Republic", "CZ"),
        ("CA", "CA"),
        ("Georgia", "GE"),
        ("Narnia", None),
        ("", None),
    ],
)
def test_a_country_is_known_by_its_codes_and_names_in_many_languages(text, code):
    assert places.resolve_country(text) == code


@pytest.mark.parametrize(
    "text, country, code",
    [
        ("TX", None, "US-TX"),
        ("Texas", None, "US-TX"),
        ("US-TX", None, "US-TX"),
        ("CA", None, "US-CA"),
        ("Georgia", None, "US-GA"),
        ("ON", None, "CA-ON"),
        ("QC", "CA", "CA-QC"),
        ("Québec", "CA", "CA-QC"),
        ("NSW", "AU", "AU-NSW"),
        ("WA", "AU", "AU-WA"),
        ("WA", None, "US-WA"),
        ("Bayern", None, "DE-BY"),
        ("Bavaria", "DE", "DE-BY"),
        ("NRW", "DE", "DE-NW"),
        ("Baden-Württemberg", None, "DE-BW"),
        ("Île-de-France", "FR", "FR-IDF"),
        ("MI", "IT", "IT-25"),
        ("Kent", "GB", "GB-ENG"),
        ("Scotland", None, "GB-SCT"),
        ("County Cork", "IE", "IE-M"),
        ("Zürich", "CH", "CH-ZH"),
        ("PR", None, "US-PR"),
        ("D.C.", None, "US-DC"),
        ("NSW", "SG", None),
        ("Mordor", None, None),
    ],
)
def test_a_region_is_known_by_its_code_its_names_and_what_lies_in_it(text, country, code):
    assert places.resolve_region(text, country) == code


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Paris, Texas", ("US", "US-TX", "Paris")),
        ("Paris", ("FR", "FR-IDF", "Paris")),
        ("Cambridge, MA", ("US", "US-MA", "Cambridge")),
        ("Cambridge, UK", ("GB", "GB-ENG", "Cambridge")),
        ("London, Ontario", ("CA", "CA-ON", "London")),
        ("London, England", ("GB", "GB-ENG", "London")),
        ("Saint Paul, Minnesota", ("US", "US-MN", "Saint Paul")),
        ("St. Paul, MN", ("US", "US-MN", "Saint Paul")),
        ("St Paul", ("US", "US-MN", "Saint Paul")),
        ("Washington, D.C.", ("US", "US-DC", "Washington")),
        ("Washington", ("US", "US-WA", None)),
        ("New York", ("US", "US-NY", "New York City")),
        ("New York, NY", ("US", "US-NY", "New York City")),
        ("Köln", ("DE", "DE-NW", "Köln")),
        ("Cologne", ("DE", "DE-NW", "Köln")),
        ("Koeln", ("DE", "DE-NW", "Köln")),
        ("München, Bayern, Deutschland", ("DE", "DE-BY", "Munich")),
        ("Georgia", ("US", "US-GA", None)),
        ("Tbilisi, Georgia", ("GE", "GE-TB", "Tbilisi")),
        ("Atlanta, Georgia", ("US", "US-GA", "Atlanta")),
        ("Wilmington, DE", ("US", "US-DE", "Wilmington")),
        ("Hamburg, DE", ("DE", "DE-HH", "Hamburg")),
        ("Toronto, CA", ("CA", "CA-ON", "Toronto")),
        ("San Jose, CA", ("US", "US-CA", "San Jose")),
        ("Dublin, Ireland", ("IE", "IE-L", "Dublin")),
        ("Dublin (Ireland)", ("IE", "IE-L", "Dublin")),
        ("Frankfurt (Oder)", ("DE", "DE-BB", "Frankfurt (Oder)")),
        ("Frankfurt", ("DE", "DE-HE", "Frankfurt am Main")),
        ("Zürich, ZH", ("CH", "CH-ZH", "Zürich")),
        ("Saint Petersburg", ("RU", "RU-SPE", "Saint Petersburg")),
        ("Москва", ("RU", "RU-MOW", "Moscow")),
        ("Singapore", ("SG", None, "Singapore")),
        ("Luxembourg", ("LU", None, None)),
        ("Germany", ("DE", None, None)),
        ("Bavaria", ("DE", "DE-BY", None)),
        ("NY", ("US", "US-NY", None)),
        ("CA", ("US", "US-CA", None)),
        ("LA", ("US", "US-LA", None)),
        ("DE", ("DE", None, None)),
        ("Québec", ("CA", "CA-QC", None)),
        ("Quebec City", ("CA", "CA-QC", "Québec")),
        ("Limburg", ("NL", "NL-LI", None)),
        ("Trinidad & Tobago", ("TT", None, None)),
    ],
)
def test_of_several_places_of_a_name_the_context_and_then_the_size_decides(text, expected):
    assert brief(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Reston, Virginia / Amsterdam, Netherlands; London, UK", ("US", "US-VA", "Reston")),
        ("West Falls Church, Virginia[2]", ("US", "US-VA", "West Falls Church")),
        ("10115 Berlin", ("DE", "DE-BE", "Berlin")),
        ("Washington DC 20510", ("US", "US-DC", "Washington")),
        ("1 Hacker Way, Menlo Park, CA 94025", ("US", "US-CA", "Menlo Park")),
        ("Greater Boston Area", ("US", "US-MA", "Boston")),
        ("San Francisco Bay Area", ("US", "US-CA", "San Francisco")),
        ("Dallas-Fort Worth Metroplex", ("US", "US-TX", "Dallas")),
        ("Tampa/St. Petersburg, Florida Area", ("US", "US-FL", "Tampa")),
        ("Austin TX", ("US", "US-TX", "Austin")),
        ("Berlin Germany", ("DE", "DE-BE", "Berlin")),
        ("Mayfield Village, Ohio", ("US", "US-OH", "Mayfield")),
        ("Nowhereville, Texas", ("US", "US-TX", "Nowhereville")),
    ],
)
def test_a_place_is_read_as_people_write_it(text, expected):
    assert brief(text) == expected


@pytest.mark.parametrize(
    "text", ["", "none", "Remote", "Worldwide", "Europe", "foo bar", "?", "12345", "x" * 5000]
)
def test_what_names_no_place_is_none(text):
    assert places.parse_place(text) is None


def test_only_a_city_gives_a_point():
    berlin, texas = places.parse_place("Berlin, Germany"), places.parse_place("Texas")
    assert (round(berlin.latitude, 1), round(berlin.longitude, 1)) == (52.5, 13.4)
    assert texas.latitude is None
    latitude, longitude = places.point("region", "US-TX")
    assert 30 < latitude < 33
    assert -101 < longitude < -97


def test_columns_narrow_each_other():
    combine = places.combine
    assert combine(city="Melrose Park", region="SA", country="Australia").region == "AU-SA"
    assert combine(city="Paris", country="US").country == "US"
    assert combine(city="San Juan", region="PR", country="US").country == "PR"
    assert combine(region="WA").country == "US"
    assert combine(city="Oxfordshire", country="United Kingdom").region == "GB-ENG"
    assert combine(country="Narnia") is None
    unknown = combine(city="Foobar", country="France")
    assert (unknown.country, unknown.city, unknown.city_name) == ("FR", None, "Foobar")
    assert combine(location="Austin, TX", country="United States").city_name == "Austin"


def test_names_to_show_and_codes_that_are_none():
    berlin = places.resolve_city("Berlin").code
    assert places.place_display("city", berlin) == "Berlin, Germany"
    assert places.place_display("city", places.resolve_city("Munich").code) == "Munich, Bavaria, Germany"
    assert places.place_display("region", "US-TX") == "Texas, United States"
    assert places.place_display("country", "HK") == "Hong Kong"
    assert places.place_display("city", "1") == "1"
    assert places.known("city", berlin)
    assert places.known("region", "DE-BE")
    assert places.known("country", "DE")
    assert not places.known("city", "abc")
    assert not places.known("region", "DE-XX")


def test_suggestions_put_the_likeliest_first():
    assert places.suggest_places("ber", "city", 1)[0][2] == "Berlin, Germany"
    assert places.suggest_places("san f", "city", 1)[0][2] == "San Francisco, California, United States"
    assert places.suggest_places("cologne", "city", 1)[0][2].startswith("Köln")
    assert places.suggest_places("germ", "country", 1) == [("country", "DE", "Germany")]
    kinds = {kind for kind, _, _ in places.suggest_places("ber", None, 8)}
    assert kinds == {"country", "region", "city"}
    assert places.suggest_places("", None) == []


def test_an_unknown_name_has_near_ones():
    assert places.nearest("country", "Germny")[0] == "DE"
    assert places.nearest("region", "Bavria")[0] == "DE-BY"
    assert places.place_display("city", places.nearest("city", "Munchenn")[0]).startswith("Munich")


def test_keys_ignore_marks_and_know_abbreviations():
    assert place_key("St. Paul") == place_key("Saint-Paul") == "saint paul"
    assert place_key("D.C.") == place_key("DC")
    assert set(place_keys("Köln")) == {"koln", "koeln"}


def test_every_city_is_found_again_by_its_own_name_and_place():
    known = gazetteer()
    for number in range(0, 3000, 7):
        name, country, region = known.name(number), known.country_of(number), known.region_of(number)
        found = places.resolve_city(name, country, region)
        assert found is not None, name
        assert found.country == country
        assert found.population >= known.populations[number] // 50


def test_the_gazetteer_fits_in_memory():
    gazetteer.cache_clear()
    tracemalloc.start()
    try:
        gazetteer()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 60_000_000


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_text_is_too_odd(text):
    place = places.parse_place(text)
    assert place is None or place.country or place.city_name
    places.combine(city=text, region=text, country=text)
    places.suggest_places(text[:5])


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real files are not beside this checkout")
def test_the_head_offices_of_the_sp500_resolve():
    with (SHARED_DATA / "sp500.csv").open(encoding="utf-8") as file:
        found = [places.parse_place(row["Headquarters Location"]) for row in csv.DictReader(file)]
    assert len(found) == 503
    # One company states none; of one English suburb the gazetteer knows the country alone.
    assert sum(place is not None and place.country is not None for place in found) == 502
    assert sum(place is not None and place.region is not None for place in found) == 501
    assert sum(place is not None and place.city is not None for place in found) >= 497
