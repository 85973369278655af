"""The facet of lists: exact, without its own selection, the user's own lists alone, alike on both engines."""

from uuid import UUID

import msgspec
import pytest

from db.sessions import member
from search.request import SearchRequest
from tests.search.oracle import Oracle
from tests.search.test_engines_agree import ENGINES, searcher, world  # noqa: F401 - fixtures

VPS = {"filters": {"contacts": {"include": {"seniorities": ["vp", "manager"]}}}}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("entity", ["contacts", "organizations"])
@pytest.mark.parametrize(
    "request_", [{}, VPS, {"hidden": "include"}, {"hidden": "only"}, {"unlocked": "exclude"}]
)
@pytest.mark.parametrize("selected", [False, True])
async def test_counts_are_exact(searcher, world, engine, entity, request_, selected):  # noqa: F811
    for user, list_id in zip(world.users, world.lists, strict=True):
        body = request_ | ({"in_lists": [str(list_id)]} if selected else {})
        asked = body | {"facets": ["lists", "industries"], "engine": engine}
        answer = await searcher.search(entity, msgspec.convert(asked, SearchRequest), member(user))
        assert answer.engine == engine
        members = (world.lists if entity == "contacts" else world.company_lists)[UUID(str(list_id))]
        fit = Oracle(world, entity, request_, user).matches()
        on_it = len(fit & members)
        facet = answer.facets["lists"]
        assert [(one.value, one.count) for one in facet.values] == ([(str(list_id), on_it)] if on_it else [])
        assert (facet.missing, facet.other) == (len(fit - members), 0)
        assert "industries" in answer.facets


async def test_a_prefix_and_a_limit(searcher, world):  # noqa: F811
    user = world.users[0]
    for prefix, shown in (("li", 1), ("other", 0)):
        asked = {"facets": [{"field": "lists", "prefix": prefix, "limit": 1}]}
        answer = await searcher.search("contacts", msgspec.convert(asked, SearchRequest), member(user))
        assert len(answer.facets["lists"].values) == shown
