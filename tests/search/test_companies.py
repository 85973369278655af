import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search.companies import company_key, company_tokens


@pytest.mark.parametrize(
    "name, key",
    [
        ("Deutsche Bank AG", "deutsche bank"),
        ("DEUTSCHE BANK", "deutsche bank"),
        ("Société Générale S.A.", "societe generale"),
        ("Amazon.com, Inc.", "amazon com"),
        ("The Coca-Cola Company", "coca cola"),
        ("Coca-Cola Company (The)", "coca cola"),
        ("Coca-Cola Company, The", "coca cola"),
        ("Tiffany & Co.", "tiffany"),
        ("Samsung Electronics Co., Ltd.", "samsung electronics"),
        ("Müller GmbH & Co. KG", "muller"),
        ("Orlen Sp. z o.o.", "orlen"),
        ("Cemex, S.A.B. de C.V.", "cemex"),
        ("Toll S.à r.l.", "toll"),
        ("Škoda Auto a.s.", "skoda auto"),
        ("Türk Hava Yolları A.Ş.", "turk hava yollari"),
        ("AB Volvo (publ)", "volvo"),
        ("Volvo AB", "volvo"),
        ("Sappi (Pty) Ltd", "sappi"),
        ("Plan B S.A.", "plan b"),
        ("PT Telkom Indonesia (Persero) Tbk", "telkom indonesia"),
        ("ООО Ромашка", "romashka"),
        ("株式会社トヨタ", "toyota"),
        ("トヨタ株式会社", "toyota"),
        ("Bayerische Motoren Werke Aktiengesellschaft", "bayerische motoren werke"),
        ("Marks & Spencer Group p.l.c.", "marks and spencer group"),
    ],
)
def test_the_key_is_the_name_without_legal_form(name, key):
    assert company_key(name) == key


@pytest.mark.parametrize(
    "names",
    [
        ("A. O. Smith", "A O Smith Corporation", "AO Smith"),
        ("Procter & Gamble", "Procter and Gamble Co.", "Procter und Gamble", "Procter et Gamble"),
        ("Ortega y Gasset SL", "Ortega & Gasset"),
        ("3M Company", "3 M"),
        ("L'Oréal S.A.", "L’OREAL"),
        ("Marks and Spencer plc", "The Marks & Spencer P.L.C."),
    ],
)
def test_ways_of_writing_one_name_share_the_key(names):
    assert len({company_key(name) for name in names}) == 1


@pytest.mark.parametrize(
    "name, key",
    [
        ("Alphabet Inc. (Class A)", "alphabet class a"),
        ("Alphabet Inc. (Class C)", "alphabet class c"),
        ("SAS Institute", "sas institute"),
        ("AS Roma", "as roma"),
        ("CV-Library", "cv library"),
        ("E.ON SE", "e on"),
        ("HT&E Limited", "ht and e"),
        ("Holdings Limited Partners", "holdings limited partners"),
    ],
)
def test_what_only_looks_like_a_legal_form_stays(name, key):
    assert company_key(name) == key


@pytest.mark.parametrize(
    "name, key", [("AG", "ag"), ("Co", "co"), ("The", "the"), ("The Limited", "limited")]
)
def test_a_name_is_never_stripped_to_nothing(name, key):
    assert company_key(name) == key


def test_a_name_without_letters_keeps_its_signs():
    assert company_key("!!!") == "!!!"
    assert company_key("") == ""


def test_the_tokens_are_the_words_of_the_key():
    assert company_tokens("Deutsche Bank AG") == ("deutsche", "bank")


@given(st.text(max_size=80))
@example("S.A. Corp")
@example("A & A")
@example("(Ltd) (Inc)")
def test_the_key_of_a_key_is_itself_and_no_text_is_too_odd(name):
    key = company_key(name)
    assert company_key(key) == key
    assert len(key) <= 4 * 400
    assert bool(key) == bool(name.strip()) or not key


WORDS = st.lists(
    st.sampled_from(["the", "acme", "ag", "and", "co", "a", "b", "ltd", "s", "&", "bank"]), min_size=1
)


@given(WORDS)
def test_a_key_of_words_is_never_empty(words):
    assert company_key(" ".join(words)) or set(words) <= {"&"}


@given(WORDS, st.sampled_from(["GmbH", "Ltd.", "S.p.A.", ", Inc.", "plc", "Oy", "K.K."]))
def test_a_legal_form_at_the_end_changes_nothing(words, form):
    name = "Acme " + " ".join(words)
    assert company_key(f"{name} last {form}") == company_key(f"{name} last")
