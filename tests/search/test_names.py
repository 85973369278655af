import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.names import (
    is_honorific,
    looks_like_initial,
    name_sort,
    name_terms,
    query_alternatives,
    spelling_variants,
)


@pytest.mark.parametrize(
    "first, middle, last, terms",
    [
        ("Jürgen", None, "Müller", {"jurgen", "juergen", "muller", "mueller"}),
        ("Anna", None, "Mueller", {"anna", "mueller", "muller"}),
        ("Jean-Pierre", None, "d'Artagnan", {"jean", "pierre", "jeanpierre", "dartagnan"}),
        ("Sean", None, "O'Brien", {"sean", "obrien"}),
        ("Sean", None, "O’Brien", {"sean", "obrien"}),
        ("A.", "B.", "Smith-Jones", {"a", "b", "smith", "jones", "smithjones"}),
        ("Eva", None, "van der Berg", {"eva", "van", "der", "berg", "vanderberg"}),
        ("Søren", None, "Ågård", {"soren", "soeren", "agard", "aagaard"}),
        ("Łukasz", None, "Groß", {"lukasz", "gross"}),
        ("Иван", None, "Жуков", {"ivan", "zhukov"}),
        ("Dr. Anna", None, "Ng III", {"anna", "ng"}),
    ],
)
def test_terms_are_the_folded_words_and_their_spellings(first, middle, last, terms):
    assert set(name_terms(first, middle, last)) == terms


def test_terms_are_sorted_and_each_is_there_once():
    assert name_terms("Anna Anna", "anna", "Zoe") == ("anna", "zoe")


@pytest.mark.parametrize(
    "name", ["Joel", "Michael", "Manuel", "Bauer", "Joe", "Chloe", "Samuel", "Rafael", "Quentin"]
)
def test_two_vowels_that_are_both_heard_are_no_umlaut(name):
    assert name_terms(name, None, None) == (name.lower(),)


def test_a_name_that_is_nothing_but_a_title_keeps_it():
    assert name_terms("Dr", None, None) == ("dr",)
    assert name_terms(None, None, None) == ()


@pytest.mark.parametrize(
    "first, last, sort",
    [
        ("Anna", "Müller", "muller anna"),
        ("Sean", "O'Brien", "obrien sean"),
        (None, "Ng", "ng"),
        ("Cher", None, "cher"),
        (None, None, None),
        ("", " ", None),
    ],
)
def test_the_sort_key_is_last_then_first(first, last, sort):
    assert name_sort(first, last) == sort


@pytest.mark.parametrize(
    "token, others",
    [
        ("bill", {"william"}),
        ("william", {"bill", "will", "liam"}),
        ("Müller", {"mueller"}),
        ("mueller", {"muller"}),
        ("bob", {"robert"}),
        ("sepp", {"josef"}),
        ("manu", {"manuel", "emmanuel"}),
        ("pepe", {"jose"}),
        ("beppe", {"giuseppe"}),
        ("kasia", {"katarzyna"}),
        ("sasha", {"alexander", "aleksandra"}),
        ("sergei", {"sergey", "serhii"}),
        ("catherine", {"katherine", "kate"}),
    ],
)
def test_a_searched_name_is_also_looked_for_by_its_other_forms(token, others):
    alternatives = query_alternatives(token)
    assert others <= set(alternatives)


def test_the_searched_word_comes_first():
    assert query_alternatives("Bill")[0] == "bill"
    assert query_alternatives("zzyzx") == ("zzyzx",)
    assert query_alternatives(" ") == ()


def test_short_forms_of_one_name_do_not_find_each_other():
    assert "will" not in query_alternatives("bill")


def test_every_nickname_leads_to_its_name_and_back():
    table = tomllib.loads(files("search").joinpath("data/nicknames.toml").read_text("utf-8"))
    pairs = [(full, short) for full, forms in table["nicknames"].items() for short in forms.split()]
    assert len(pairs) >= 250
    known = {name: set(query_alternatives(name)) for pair in pairs for name in pair}
    missing = [
        (full, short)
        for full, short in pairs
        if (short not in known[full] and len(known[full]) < 16)
        or (full not in known[short] and len(known[short]) < 16)
    ]
    assert missing == []


def test_spelling_variants_hold_no_nicknames():
    assert spelling_variants("Müller") == ("muller", "mueller")
    assert spelling_variants("bill") == ("bill",)


@pytest.mark.parametrize(
    "token, initial", [("A.", True), ("a", True), ("Ö", True), ("ab", False), ("", False), ("1", False)]
)
def test_an_initial_is_a_single_letter(token, initial):
    assert looks_like_initial(token) is initial


def test_forms_of_address_are_known():
    assert is_honorific("dr")
    assert not is_honorific("anna")


NAMES = st.none() | st.text(max_size=60)


@given(NAMES, NAMES, NAMES)
def test_any_text_gives_few_short_lower_case_terms(first, middle, last):
    terms = name_terms(first, middle, last)
    assert terms == tuple(sorted(set(terms)))
    assert len(terms) <= 24
    assert all(term.isascii() and term == term.lower() and 0 < len(term) <= 64 for term in terms)
    name_sort(first, last)


@given(st.text(max_size=80))
def test_any_token_has_a_bounded_number_of_alternatives(token):
    alternatives = query_alternatives(token)
    assert len(alternatives) <= 16
    assert len(set(alternatives)) == len(alternatives)


@given(st.sampled_from(["Müller", "Jörg", "Bär", "Weiß", "Sørensen", "Núñez", "François"]))
def test_a_record_is_found_by_its_own_name_and_by_its_plain_spelling(name):
    terms = set(name_terms(None, None, name))
    assert set(query_alternatives(name)) & terms
    assert query_alternatives(name)[0] in terms
