"""docs/api.md against the code: every kind of problem, every path, every filter, facet and order."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from api.app import OPERATIONS
from core.errors import LeadFuelError
from search.fields import FACETS, FILTERS, SORTS
from search.suggest import FIELDS

ROOT: Final = Path(__file__).resolve().parents[2]
TEXT: Final = (ROOT / "docs" / "api.md").read_text()
PACKAGES: Final = ("core", "db", "search", "indexer", "domain", "api", "workers", "cli", "embedded")
ROW: Final = re.compile(r"^\| `(?P<slug>[a-z-]+)` \| (?P<status>\d{3}) \| (?P<meaning>.+) \|$", re.MULTILINE)
# What the framework itself finds wrong with a path has no class of its own.
OF_THE_FRAMEWORK: Final = {"method-not-allowed"}
# These run by themselves when they are imported, or need what is not installed everywhere.
NOT_IMPORTED: Final = re.compile(r"^(db\.migrations|search\.data|embedded\.opensearch\.node)")


def kinds() -> Iterator[type[LeadFuelError]]:
    """Every subclass that our own packages declare."""
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not NOT_IMPORTED.match(module.name):
                importlib.import_module(module.name)
    waiting: list[type[LeadFuelError]] = [LeadFuelError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.split(".")[0] in PACKAGES:
            yield kind


KINDS: Final = sorted(set(kinds()), key=lambda kind: kind.slug)


def test_slugs_are_unique():
    slugs = [kind.slug for kind in KINDS]
    assert [slug for slug in slugs if slugs.count(slug) > 1] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_every_kind_of_problem_is_documented(kind):
    row = next((row for row in ROW.finditer(TEXT) if row["slug"] == kind.slug), None)
    assert row is not None, f"docs/api.md has no row for {kind.slug}"
    assert int(row["status"]) == kind.status
    assert len(row["meaning"]) > 15


def test_no_other_kind_is_documented():
    rows = [row["slug"] for row in ROW.finditer(TEXT)]
    assert len(rows) == len(set(rows))
    assert set(rows) - {kind.slug for kind in KINDS} == OF_THE_FRAMEWORK


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_every_kind_explains_itself(kind):
    assert kind.__doc__
    assert kind.__dict__.get("slug") == kind.slug
    assert 400 <= kind.status < 600
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug)


def test_every_path_is_documented_with_who_may_use_it():
    audience = {"public": "everybody", "member": "members", "admin": "administrators"}
    for op in OPERATIONS:
        assert f"| `{op.method} {op.path}` | {audience[op.access]} |" in TEXT


def test_no_other_path_is_documented():
    rows = re.findall(r"^\| `([A-Z]+ /\S*)` \|", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted(f"{op.method} {op.path}" for op in OPERATIONS)


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
