"""Text: what is cleaned for people, and what is folded for comparison."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import clean, fold, is_storable, slug, tokens

TEXT = st.text(max_size=60)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  Anna   Müller \t\n", "Anna Müller"),
        ("Mu\u0308ller", "Müller"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\x00nul\x07", "nul"),
        ("right\u202eto left", "rightto left"),
        ("non\u00a0breaking", "non breaking"),
        ("Ж", "Ж"),
        ("", ""),
    ],
)
def test_clean_keeps_what_a_person_reads(raw, cleaned):
    assert clean(raw) == cleaned


@given(TEXT)
def test_clean_is_done_once(text):
    assert clean(clean(text)) == clean(text)


@given(TEXT)
def test_clean_text_is_composed_and_without_controls(text):
    cleaned = clean(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(unicodedata.category(c) == "Cc" for c in cleaned)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned


@pytest.mark.parametrize(
    ("raw", "folded"),
    [
        ("Müller-Lüdenscheidt", "muller-ludenscheidt"),
        ("MÜLLER", "muller"),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("Łódź", "lodz"),
        ("Ørsted", "orsted"),
        ("Жанна", "zhanna"),
        ("ﬁnance", "finance"),
        ("  two   spaces ", "two spaces"),
    ],
)
def test_fold_lets_spellings_meet(raw, folded):
    assert fold(raw) == folded


@given(TEXT)
def test_folded_text_is_plain_and_stays_so(text):
    folded = fold(text)
    assert folded.isascii()
    assert folded == folded.lower()
    assert fold(folded) == folded


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll"], max_codepoint=0x17F), max_size=30))
def test_case_and_composition_do_not_matter_in_latin_scripts(text):
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("O'Brien & Söhne, Inc.", ["obrien", "sohne", "inc"]),
        ("O’Brien", ["obrien"]),
        ("vp-sales/EMEA", ["vp", "sales", "emea"]),
        ("...", []),
    ],
)
def test_tokens_are_folded_words(raw, found):
    assert tokens(raw) == found


@given(TEXT)
def test_tokens_are_letters_and_digits(text):
    assert all(word.isalnum() and word.isascii() and word == word.lower() for word in tokens(text))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("Software & Services", "software-services"),
        ("C++", "cplusplus"),
        ("C#", "csharp"),
        ("C", "c"),
        ("Pâtisserie", "patisserie"),
        ("!!!", ""),
    ],
)
def test_slugs_tell_terms_apart(raw, code):
    assert slug(raw) == code


@given(TEXT)
def test_a_slug_is_its_own_slug(text):
    assert slug(slug(text)) == slug(text)


@given(st.text(max_size=300))
def test_slugs_are_short(text):
    assert len(slug(text)) <= 100


@pytest.mark.parametrize(
    ("text", "storable"),
    [("", True), ("Müller 🙂", True), ("a\x00b", False), ("\ud800", False), ("x\udfff", False)],
)
def test_what_postgresql_can_hold(text, storable):
    assert is_storable(text) is storable


def encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Cc", "Cs", "So"]), max_size=8))
def test_storable_is_what_is_utf_8_without_nul(text):
    assert is_storable(text) == (encodes(text) and "\x00" not in text)
