"""docs/api.md against the code: every kind of problem, every path, every filter, facet and order."""

import re
from typing import Final

import pytest

from search.fields import FACETS, FILTERS, SORTS
from search.suggest import FIELDS
from tests.api_tables import DOCUMENT, kinds, renewed

TEXT: Final = DOCUMENT.read_text("utf-8")
KINDS: Final = kinds()


def test_slugs_are_unique():
    slugs = [kind.slug for kind in KINDS]
    assert [slug for slug in slugs if slugs.count(slug) > 1] == []


def test_the_tables_of_paths_and_problems_are_as_the_code_has_them():
    assert renewed(TEXT) == TEXT, "run: python -m tests.api_tables --write"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_every_kind_explains_itself(kind):
    assert len(kind.__doc__ or "") > 15
    assert kind.__dict__.get("slug") == kind.slug
    assert 400 <= kind.status < 600
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug)


@pytest.mark.parametrize("scope", ["contacts", "organizations"])
def test_every_filter_is_documented(scope):
    table = TEXT.partition(f"| filter of `{scope}` |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z_.]+)`", table))
    implied = {"include_similar_titles"}
    assert {f.name for f in FILTERS if f.scope == scope} - implied <= named
    assert implied <= set(re.findall(r"`([a-z_.]+)`", TEXT)) | {f.name for f in FILTERS if f.scope != scope}


def test_every_facet_order_and_field_of_typeahead_is_named():
    words = set(re.findall(r"[a-z_]+", TEXT))
    assert {name for facets in FACETS.values() for name in facets} <= words
    assert {name.removeprefix("-") for sorts in SORTS.values() for name in sorts} <= words
    assert set(FIELDS) <= words
