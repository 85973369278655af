"""The judged set: many kinds, drawn anew by another seed, graded by what the generator knows."""

import subprocess
import sys
from collections import Counter

import pytest

from benchmarks.quality import judge, names, phrases, scores, world
from domain.demo.titles import concept


@pytest.fixture(scope="module")
def known() -> world.World:
    return world.build(seed=1, contacts=20_000, organizations=2_000)


@pytest.fixture(scope="module")
def searches(known) -> list:
    return judge.draw(known, draw_seed=42)


def test_there_are_many_searches_of_every_kind(searches):
    counts = Counter(search.kind for search in searches)
    assert len(searches) >= 150
    assert min(counts.values()) >= 5
    assert {kind.partition(":")[0] for kind in counts} == {
        "names",
        "companies",
        "titles",
        "mixtures",
        "filters",
    }


def test_the_same_seed_draws_the_same_searches(known, searches):
    assert judge.draw(known, draw_seed=42) == searches


def test_another_seed_draws_others(known, searches):
    others = {repr(search.request()) for search in judge.draw(known, draw_seed=43)}
    assert len(others & {repr(search.request()) for search in searches}) < len(searches) / 4


def test_no_search_comes_twice_and_each_has_an_answer(searches):
    assert len({(search.entity, repr(search.request())) for search in searches}) == len(searches)
    for search in searches:
        assert set(search.grades.values()) <= {1, 2, 3}
        assert 3 in search.grades.values() or 2 in search.grades.values()


def test_grades_name_records_of_the_data(known, searches):
    keys = {"contacts": set(known.by_id), "organizations": {company.id for company in known.companies}}
    assert all(search.grades.keys() <= keys[search.entity] for search in searches)


def test_a_search_for_a_title_expects_no_record_without_one(known, searches):
    for search in searches:
        if search.kind.startswith("titles"):
            assert all(known.by_id[key].title for key in search.grades)


def test_grades_of_a_name(known):
    second = next(one for one in known.people if one.second_kind == "typo" and one.last_name != one.surname)
    first = known.by_id[second.person_id]
    found = names.grades(known, first, f"{first.given_name} {first.surname}")
    assert found[first.id] == 3
    assert found[second.id] == 3


def test_a_nickname_is_worth_less_when_it_is_another_persons(known):
    for one in known.people:
        if one.given_name == "William" and not one.second_kind and one.last_name:
            found = names.grades(known, one, f"Bill {one.surname}", "Bill")
            assert found[one.id] == 3
            assert all(
                known.by_id[key].given_name == "William"
                or found[key] == 2
                or known.by_id[key].first_name == "Bill"
                for key in found
            )
            return
    pytest.fail("no William among twenty thousand")


@pytest.mark.parametrize(
    "table",
    [phrases.SYNONYMS, phrases.ACRONYMS, *phrases.LANGUAGES.values()],
    ids=["synonyms", "acronyms", *phrases.LANGUAGES],
)
def test_phrases_name_concepts_of_the_generator(table):
    for phrase in table:
        assert concept(phrase.level, phrase.function), phrase


def test_the_judge_asks_no_search_rule():
    program = (
        "import sys; import benchmarks.quality.judge;"
        "print([name for name in sys.modules if name.split('.')[0] in {'search', 'db', 'indexer'}])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_best_order_scores_one():
    assert scores.ndcg(["a", "b", "c"], {"a": 3, "b": 2, "c": 1}) == pytest.approx(1)
    assert scores.ndcg(["c", "b", "a"], {"a": 3, "b": 2, "c": 1}) == pytest.approx(0.6806, abs=1e-3)
    assert scores.ndcg(["x"], {"a": 3}) == 0
    assert scores.ndcg([], {}) == 0


def test_recall_is_capped_at_what_a_page_can_hold():
    many = {str(number): 3 for number in range(50)}
    assert scores.capped_recall([str(number) for number in range(10)], many) == 1
    assert scores.capped_recall(["a", "x"], {"a": 3, "b": 2, "c": 1}) == 0.5
    assert scores.capped_recall(["x"], {"c": 1}) == 0
