from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import vocabulary
from search.vocabulary import (
    DEPARTMENTS,
    EMAIL_STATUSES,
    FUNDING_STAGES,
    HEADCOUNT_BANDS,
    HEADCOUNT_BOUNDS,
    SENIORITIES,
    code_of,
    headcount_bands,
    nearest,
)

ALL = [SENIORITIES, DEPARTMENTS, EMAIL_STATUSES, HEADCOUNT_BANDS, FUNDING_STAGES]


def test_the_fixed_vocabularies_are_those_of_the_field():
    assert (
        " ".join(SENIORITIES) == "owner founder c_suite partner vp head director manager senior entry intern"
    )
    assert " ".join(EMAIL_STATUSES) == "valid invalid accept_all webmail disposable unknown"
    assert " ".join(HEADCOUNT_BANDS) == "1-10 11-50 51-200 201-500 501-1000 1001-5000 5001-10000 10001+"
    assert {"pre_seed", "seed", "series_a", "series_j", "private_equity", "ipo"} <= set(FUNDING_STAGES)
    assert {"EUR", "USD", "GBP", "JPY"} <= vocabulary.CURRENCIES
    assert all(len(code) == 3 and code.isupper() for code in vocabulary.CURRENCIES)


@pytest.mark.parametrize("terms", ALL)
def test_a_vocabulary_cannot_be_changed(terms):
    with pytest.raises(TypeError):
        terms["new"] = "New"


@pytest.mark.parametrize("terms", ALL)
def test_codes_and_display_names_lead_to_their_code_in_any_writing(terms):
    for code, name in terms.items():
        for text in (code, name, name.upper(), code.replace("_", " "), code.replace("_", "-")):
            assert code_of(terms, text) == code


@pytest.mark.parametrize("terms", ALL)
def test_no_two_codes_share_a_display_name(terms):
    assert len(set(terms.values())) == len(terms)


@pytest.mark.parametrize(
    "terms, text, code",
    [
        (SENIORITIES, "C suite", "c_suite"),
        (SENIORITIES, "Vice President", "vp"),
        (SENIORITIES, "co-founder", "founder"),
        (DEPARTMENTS, "R&D", "research"),
        (DEPARTMENTS, "HR", "human_resources"),
        (DEPARTMENTS, "Customer Support", "customer_success"),
        (EMAIL_STATUSES, "Catch-All", "accept_all"),
        (EMAIL_STATUSES, "Verified", "valid"),
        (HEADCOUNT_BANDS, "501 to 1,000", "501-1000"),
        (HEADCOUNT_BANDS, "1.001 – 5.000", "1001-5000"),
        (HEADCOUNT_BANDS, "10,001+", "10001+"),
        (FUNDING_STAGES, "Series-A", "series_a"),
        (FUNDING_STAGES, "M&A", "m_and_a"),
        (SENIORITIES, "zzz", None),
        (SENIORITIES, "", None),
    ],
)
def test_what_people_write_is_understood(terms, text, code):
    assert code_of(terms, text) == code


@given(st.text())
def test_any_text_is_a_code_or_nothing(text):
    for terms in ALL:
        assert code_of(terms, text) in {None, *terms}


@pytest.mark.parametrize(
    "minimum, maximum, bands",
    [
        (None, None, ()),
        (1, 1, ("1-10",)),
        (10, 11, ("1-10", "11-50")),
        (200, 600, ("51-200", "201-500", "501-1000")),
        (10001, None, ("10001+",)),
        (5000, None, ("1001-5000", "5001-10000", "10001+")),
        (None, 50, ("1-10", "11-50")),
        (0, 0, ()),
        (1_000_000, 1_000_000, ("10001+",)),
    ],
)
def test_an_interval_touches_every_band_it_overlaps(minimum, maximum, bands):
    assert headcount_bands(minimum, maximum) == bands


@given(st.integers(1, 20_000), st.integers(0, 20_000))
def test_bands_are_those_that_hold_one_of_the_numbers(minimum, width):
    maximum = minimum + width
    expected = tuple(
        band.code
        for band in HEADCOUNT_BOUNDS
        if any(band.minimum <= n <= (band.maximum or n) for n in (minimum, maximum))
        or (minimum < band.minimum and band.maximum is not None and band.maximum < maximum)
    )
    assert headcount_bands(minimum, maximum) == expected


def test_bands_leave_no_number_out_and_none_in_two():
    for before, after in pairwise(HEADCOUNT_BOUNDS):
        assert before.maximum is not None
        assert before.maximum + 1 == after.minimum


def test_the_nearest_values_come_first_and_nonsense_has_none():
    assert nearest("senoir", SENIORITIES)[0] == "senior"
    assert nearest("human-resource", DEPARTMENTS)[0] == "human_resources"
    assert nearest("xqjzk", SENIORITIES) == ()
    assert len(nearest("series", FUNDING_STAGES)) == 3
