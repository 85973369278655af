"""What events say: the same as the search's explanation, and each change once."""

import json
from uuid import uuid4

from pyroaring import BitMap

from domain.alerts.batches import Seen
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
    assert telling.fits(criteria, [0, 1]) == ['["seniority VP"]', "[]"]
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
    both, none = telling.says([1, 2], {})
    assert none is None
    assert json.loads(both[0]) == [
        {"field": "title", "old": "CTO", "new": 'Head "of" it'},
        {"field": "seniority", "old": None, "new": "vp"},
    ]
    assert json.loads(both[1]) == ['title became Head "of" it', "seniority became VP"]
    assert telling.says([1], {}, ("location",)) == [None]
    ((changes, _),) = telling.says([1], {}, ("seniority",))
    assert [one["field"] for one in json.loads(changes)] == ["seniority"]
    # What one ICP has seen itself goes before what all have, and stays its own.
    assert telling.says([1], {1: ()}, ("seniority",)) == [None]
    assert telling.says([1], {}, ("seniority",)) != [None]
