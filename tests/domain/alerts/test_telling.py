"""What events say: the same as the search's explanation, and each change once."""

import json
from uuid import uuid4

from pyroaring import BitMap

from domain.alerts.batches import Seen
from domain.alerts.states import Change
from domain.alerts.telling import Telling
from search.conditions import AnyOf, Clause, Criteria
from search.criteria import OpenTerms
from search.explain import Explanation
from search.fields import CONTACT_FIELDS

TERMS = OpenTerms({})


def seen(before, now, documents=()):
    ids = sorted(now)
    return Seen(
        ids=ids,
        documents=list(documents) or [{} for _ in ids],
        gone=BitMap(),
        touched=BitMap(ids),
        before=before,
        now=now,
        overrides={uuid4(): {}},
        hidden_by={},
    )


def state(title, seniority=None):
    return json.dumps([7, title, seniority])


def test_why_somebody_fits_is_what_the_search_explains():
    title = CONTACT_FIELDS["seniority"]
    criteria = Criteria(
        "contacts",
        (
            Clause("filters.contacts.include.seniorities", "contacts", AnyOf(title, ("vp", "cxo")), False),
            Clause("filters.contacts.exclude.seniorities", "contacts", AnyOf(title, ("intern",)), True),
        ),
        (),
    )
    documents = [{"seniority": "vp"}, {"seniority": "manager"}]
    telling = Telling(seen({}, {1: "", 2: ""}, documents), "contacts", TERMS)
    assert telling.fits(criteria, [0, 1]) == [1, 1]
    assert telling.lines() == {1: '[[],["seniority VP"]]', 2: "[[],[]]"}
    explained = Explanation(criteria, TERMS).reasons(documents[0])
    assert [one.reason for one in explained] == ["seniority VP"]
    assert [one.reason for one in Explanation(criteria, TERMS).reasons(documents[1])] == ["matches"]


def test_changes_are_told_by_the_fields_that_were_asked_for():
    telling = Telling(
        seen({1: state("CTO"), 2: state("CTO")}, {1: state('Head "of" it', "vp"), 2: state("CTO")}),
        "contacts",
        TERMS,
    )
    assert list(telling.changed()) == [1]
    assert telling.says([1, 2], {}) == [1, 0]
    assert telling.says([1], {}, ("location",)) == [0]
    assert telling.says([1], {}, ("seniority",)) == [2]
    # What one ICP has seen itself goes before what all have, and stays its own.
    assert telling.says([1], {1: ()}, ("seniority",)) == [0]
    assert telling.says([1], {1: (Change("title", "CEO", "CTO"),)}) == [3]
    assert telling.says([1], {}, ("seniority",)) == [2]
    assert list(telling.lines()) == [1]
    both, one, own = (json.loads(line) for line in telling.lines()[1].split("\n"))
    assert both[0] == [
        {"field": "title", "old": "CTO", "new": 'Head "of" it'},
        {"field": "seniority", "old": None, "new": "vp"},
    ]
    assert both[1] == ['title became Head "of" it', "seniority became VP"]
    assert one == [both[0][1:], both[1][1:]]
    assert own == [[{"field": "title", "old": "CEO", "new": "CTO"}], ["title became CTO"]]


def test_what_is_said_twice_is_one_line():
    telling = Telling(seen({1: state("A")}, {1: state("B", "vp")}, [{"seniority": "vp"}]), "contacts", TERMS)
    vps, others = (
        Criteria(
            "contacts", (Clause("p", "contacts", AnyOf(CONTACT_FIELDS["seniority"], values), False),), ()
        )
        for values in (("vp",), ("vp", "entry"))
    )
    assert [telling.fits(each, [0]) for each in (vps, others, vps)] == [[1], [1], [1]]
    assert [telling.says([1], {}, fields) for fields in (("title",), ("title", "location"))] == [[2], [2]]
    assert len(telling.lines()[1].split("\n")) == 2
