"""Cursors are refused with their reason, whatever is done to them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from search import cursor
from search.cursor import Place
from search.plan import After
from search.request import SearchRequest

SECRET = "a secret that is long enough for anybody"
REQUEST = SearchRequest(sort="name")
END = After("müller anna", 42)


def encode(request=REQUEST, engine=None, entity="contacts", after=END, given=25):
    return cursor.encode(Place(after, given, engine), entity=entity, request=request, secret=SECRET)


def decode(text, request=REQUEST, entity="contacts", secret=SECRET):
    return cursor.decode(text, entity=entity, request=request, secret=secret)


@pytest.mark.parametrize("after", [END, After(None, 7), After(12.0, 3, 1_700_000_000_000_000), After(-5, 1)])
def test_it_comes_back_as_it_went(after):
    assert decode(encode(after=after)) == Place(after, 25, None)
    assert decode(encode(engine="postgres", after=after, given=0)) == Place(after, 0, "postgres")


@pytest.mark.parametrize(
    "change",
    [
        {"request": SearchRequest(sort="-name")},
        {"request": SearchRequest(sort="name", q="x")},
        {"request": SearchRequest(sort="name", hidden="include")},
        {"entity": "organizations"},
    ],
)
def test_it_belongs_to_its_request(change):
    with pytest.raises(cursor.BadCursor) as refused:
        decode(encode(), **change)
    assert refused.value.facts == {"reason": "other_request"}


@pytest.mark.parametrize(
    "request_", [SearchRequest(sort="name", limit=3), SearchRequest(sort="name", facets=["seniorities"])]
)
def test_size_and_facets_may_change(request_):
    assert decode(encode(), request=request_).after == END


def test_another_key_is_a_forgery():
    with pytest.raises(cursor.BadCursor) as refused:
        decode(encode(), secret="another secret that is long enough as well")
    assert refused.value.facts == {"reason": "forged"}


@given(st.text(max_size=300))
def test_anything_else_is_a_forgery(text):
    with pytest.raises(cursor.BadCursor) as refused:
        decode(text)
    assert refused.value.facts == {"reason": "forged"}


@given(st.integers(0, 200), st.integers(1, 127))
def test_every_changed_byte_is_a_forgery(position, change):
    text = encode()
    at = position % (len(text) - 1)  # the last character carries bits that base64 does not use
    changed = text[:at] + chr((ord(text[at]) + change) % 128) + text[at + 1 :]
    with pytest.raises(cursor.BadCursor) as refused:
        decode(changed)
    assert refused.value.facts["reason"] == "forged"


def test_one_by_relevance_expires_and_one_by_field_does_not():
    by_relevance, by_field = encode(engine="opensearch"), encode()
    with clock.shifted(timedelta(seconds=cursor.RELEVANCE_LIFETIME_S + 1)):
        assert decode(by_field).after == END
        with pytest.raises(cursor.BadCursor) as refused:
            decode(by_relevance)
    assert refused.value.facts == {"reason": "expired"}
