"""Concepts and their phrasings."""

import pytest

from domain.demo import titles


def test_every_concept_can_be_said_in_every_language():
    for concept in titles.concepts():
        for language in ("en", "de", "fr", "es"):
            for gender in ("f", "m"):
                for text in titles.phrasings(concept, language, gender).values:
                    assert text
                    assert text == " ".join(text.split())
                    assert not set(text) & set("<>{}|")


@pytest.mark.parametrize(
    "level, function, language, gender, phrase",
    [
        ("vp", "sales", "en", "f", "Vice President of Sales"),
        ("vp", "sales", "en", "m", "VP Sales"),
        ("head", "sales", "de", "f", "Leiterin Vertrieb"),
        ("head", "sales", "de", "m", "Vertriebsleiter"),
        ("director", "purchasing", "fr", "f", "Directrice des achats"),
        ("director", "marketing", "es", "f", "Directora de Marketing"),
        ("c_suite", "engineering", "en", "m", "CTO"),
        ("c_suite", "general", "de", "f", "Geschäftsführerin"),
        ("c_suite", "logistics", "de", "m", "Chief Supply Chain Officer"),
        ("manager", "projects", "en", "m", "Project Manager"),
    ],
)
def test_phrasings_are_those_of_cards(level, function, language, gender, phrase):
    concept = titles.concept(level, function)
    assert concept
    assert phrase in titles.phrasings(concept, language, gender).values


def test_there_is_no_concept_that_nobody_has():
    assert titles.concept("c_suite", "brand") is None
    assert titles.concept("vp", "general") is None


def test_a_small_company_has_more_owners_than_a_large_one():
    def share(size: str) -> float:
        table = titles.concepts_for("making", size)
        place = table.values.index(titles.concept("owner", "general"))
        return (table.cumulated[place] - table.cumulated[place - 1]) / table.total

    assert share("small") > 2 * share("medium") > 10 * share("large")


def test_trades_prefer_their_own_lines_of_work():
    def share(group: str, function: str) -> float:
        table = titles.concepts_for(group, "medium")
        steps = zip([0, *table.cumulated], table.cumulated, table.values, strict=False)
        return sum(after - before for before, after, one in steps if one.function == function) / table.total

    assert share("tech", "engineering") > 3 * share("making", "engineering")
    assert share("health", "medical") > 10 * share("commerce", "medical")
