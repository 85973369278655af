"""One table of cases and random requests, asked of both engines and of the oracle: the same answers."""

from datetime import date

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import clock
from db.sessions import member
from search.engine import Searcher
from search.fields import FACETS
from search.request import SearchRequest
from tests.search import world as w
from tests.search.oracle import Oracle

ENGINES = ("opensearch", "postgres")


@pytest.fixture(scope="module")
async def world(db, opensearch, index_prefix, wipe):
    await wipe()
    built = await w.build(db, seed=20)
    await w.index(db, opensearch, index_prefix)
    yield built
    await wipe()


@pytest.fixture(scope="module")
async def searcher(db, opensearch, patient):
    made = Searcher(patient, db, opensearch)
    yield made
    await made._breaker.close()


async def ask(searcher, entity, request, user, engine):
    """All ids by way of pages of 7, the first page's total and facets."""
    body = request | {"limit": 7, "total": "exact", "engine": engine}
    ids, cursor, first = [], None, None
    while True:
        page = await searcher.search(
            entity, msgspec.convert(body | {"cursor": cursor}, SearchRequest), member(user)
        )
        assert page.engine == engine, page.engine_reason
        first = first or page
        ids += [hit.id for hit in page.results]
        cursor = page.cursor
        if cursor is None:
            return ids, first


async def agree(searcher, world, entity, request, user):
    oracle = Oracle(world, entity, request, user)
    expected = oracle.matches()
    facets = list(FACETS[entity])
    orders = []
    for engine in ENGINES:
        ids, first = await ask(searcher, entity, request | {"facets": facets}, user, engine)
        assert set(ids) == expected, engine
        assert len(ids) == len(expected), f"{engine}: a record shows twice"
        assert first.total_entries == len(expected), engine
        assert not first.missing_facets
        for name in facets:
            check_facet(oracle, FACETS[entity][name], first.facets[name], engine)
        orders.append(ids)
    assert orders[0] == orders[1]


def check_facet(oracle, facet, found, engine):
    counts, missing = oracle.facet(
        facet.field.name,
        facet.selection,
        of_company=facet.field.scope == "organizations",
    )
    assert {v.value: v.count for v in found.values} == dict(counts), (engine, facet.name)
    assert (found.missing, found.other) == (missing, 0), (engine, facet.name)


def days_since(day):
    """Counted back from today to where the small world's records were refreshed."""
    return (clock.today() - date(2026, 1, day)).days


CASES = {
    "refreshed within days": {
        "filters": {
            "contacts": {"include": {"last_refreshed_within_days": days_since(4)}},
            "organizations": {"exclude": {"last_refreshed_within_days": days_since(16)}},
        }
    },
    "nothing asked": {},
    "empty lists are no restriction": {
        "filters": {
            "contacts": {"include": {"titles": [], "seniorities": []}, "exclude": {"departments": []}}
        }
    },
    "titles with synonyms": {"filters": {"contacts": {"include": {"titles": ["VP Sales", "CTO"]}}}},
    "titles to the letter": {
        "filters": {"contacts": {"include": {"titles": ["VP Sales"], "include_similar_titles": False}}}
    },
    "a missing seniority passes an exclude": {"filters": {"contacts": {"exclude": {"seniorities": ["vp"]}}}},
    "exclude beats include": {
        "filters": {
            "contacts": {"include": {"departments": ["sales"]}, "exclude": {"departments": ["sales"]}}
        }
    },
    "two excludes, either removes": {
        "filters": {"contacts": {"exclude": {"seniorities": ["vp"], "countries": ["DE"]}}}
    },
    "no company fails an include": {"filters": {"organizations": {"include": {"num_employees": {"min": 1}}}}},
    "no company passes an exclude": {
        "filters": {"organizations": {"exclude": {"num_employees": {"min": 1}}}}
    },
    "overlapping sizes": {
        "filters": {"organizations": {"include": {"num_employees": {"min": 45, "max": 80}}}}
    },
    "open-ended sizes": {"filters": {"organizations": {"include": {"num_employees": {"min": 20_000}}}}},
    "revenue names its currency": {
        "filters": {
            "organizations": {"include": {"revenue": {"min": 1, "max": 2_000_000, "currency": "EUR"}}}
        }
    },
    "technologies any, all, not": {
        "filters": {
            "organizations": {
                "include": {"technologies": {"any": ["aws", "hubspot"], "all": ["aws"], "not": ["snowflake"]}}
            }
        }
    },
    "excluded by all": {
        "filters": {"organizations": {"exclude": {"technologies": {"all": ["aws", "hubspot"]}}}}
    },
    "near Berlin": {
        "filters": {
            "contacts": {"include": {"near": {"point": {"latitude": 52.5, "longitude": 13.4}, "km": 600}}}
        }
    },
    "near, company": {
        "filters": {
            "organizations": {
                "exclude": {"near": {"point": {"latitude": 30.3, "longitude": -97.7}, "km": 50}}
            }
        }
    },
    "past titles in one position": {"filters": {"contacts": {"include": {"past_titles": ["Sales Manager"]}}}},
    "past employers": {"filters": {"contacts": {"include": {"past_employers": ["Deutsche Bank"]}}}},
    "names with variants": {"filters": {"contacts": {"include": {"names": ["Anna Müller", "Bill Gates"]}}}},
    "funding": {
        "filters": {
            "organizations": {
                "include": {
                    "funding": {
                        "stages": ["seed", "series_a"],
                        "amount": {"max": 4_000_000, "currency": "USD"},
                        "date": {"after": "2024-01-01"},
                    }
                }
            }
        }
    },
    "company names and aliases": {
        "filters": {"organizations": {"include": {"names": ["Deutsche Bank", "Old Acme"]}}}
    },
    "hidden only": {"hidden": "only"},
    "hidden only, and an empty list": {
        "hidden": "only",
        "filters": {"contacts": {"exclude": {"cities": []}}},
    },
    "hidden too": {"hidden": "include"},
    "unlocked": {"unlocked": "only"},
    "not unlocked": {"unlocked": "exclude"},
    "person and company": {
        "filters": {
            "contacts": {"include": {"has_email": True}, "exclude": {"seniorities": ["entry"]}},
            "organizations": {"include": {"industries": ["banking", "software"]}},
        }
    },
}


@pytest.mark.parametrize("sort", ["relevance", "name", "-name", "company", "-headcount", "last_refreshed"])
@pytest.mark.parametrize("entity", ["contacts", "organizations"])
async def test_every_order_pages_alike(searcher, world, entity, sort):
    await agree(searcher, world, entity, {"sort": sort}, world.users[0])


@pytest.mark.parametrize("entity", ["contacts", "organizations"])
@pytest.mark.parametrize("case", CASES)
async def test_cases_on_both_engines(searcher, world, entity, case):
    for user in world.users:
        await agree(searcher, world, entity, CASES[case], user)


@pytest.mark.parametrize("entity", ["contacts", "organizations"])
async def test_lists_keep_and_leave_out(searcher, world, entity):
    mine = {user: str(list_id) for user, list_id in zip(world.users, world.lists, strict=True)}
    for user, list_id in mine.items():
        await agree(searcher, world, entity, {"in_lists": [list_id]}, user)
        await agree(searcher, world, entity, {"not_in_lists": [list_id], "hidden": "include"}, user)


def _subset(values, most=2):
    return st.lists(st.sampled_from(values), min_size=0, max_size=most, unique=True)


def _range(values):
    return st.lists(st.sampled_from(values), min_size=2, max_size=2).map(
        lambda ends: {"min": min(ends), "max": max(ends)}
    )


DAYS = st.sampled_from([5, 15]).map(days_since)
COUNTRIES = _subset(["DE", "US", "FR"])
REGIONS = _subset(["DE-BE", "DE-BY", "US-TX", "US-CA"])
CITIES = _subset(["2950159", "2867714", "4671654"])
NEAR = st.builds(
    lambda place, km: {"point": {"latitude": place[4], "longitude": place[5]}, "km": km},
    st.sampled_from(w.PLACES[:5]),
    st.sampled_from([1, 300, 700, 9_000]),
)
ANY_ALL = st.fixed_dictionaries({}, optional={"any": _subset(w.TECHNOLOGIES), "all": _subset(w.TECHNOLOGIES)})
ANY_ALL_NOT = st.fixed_dictionaries({}, optional={k: _subset(w.TECHNOLOGIES) for k in ("any", "all", "not")})
PEOPLE = {
    "titles": _subset([t for t in w.TITLES if t]),
    "seniorities": _subset(["vp", "manager", "c_suite", "entry", "head", "director"]),
    "departments": _subset(["sales", "marketing", "engineering", "finance"]),
    "countries": COUNTRIES,
    "regions": REGIONS,
    "cities": CITIES,
    "near": NEAR,
    "email_status": _subset(["valid", "invalid", "unknown"]),
    "has_email": st.booleans(),
    "has_phone": st.booleans(),
    "last_refreshed_after": st.sampled_from(["2026-01-05", "2026-01-15"]),
    "last_refreshed_within_days": DAYS,
    "past_titles": _subset([t for t in w.TITLES if t]),
    "past_employers": _subset(w.COMPANIES),
    "names": _subset(["Müller", "Bill", "Anna Mueller", "Alvarez"]),
}
FIRMS = {
    "countries": COUNTRIES,
    "regions": REGIONS,
    "near": NEAR,
    "num_employees": _range([1, 10, 11, 75, 300, 9_999, 20_000]),
    "headcount_bands": _subset(["1-10", "11-50", "51-200", "10001+"]),
    "revenue": _range([0, 2_000_000, 9_000_000]).flatmap(
        lambda r: st.sampled_from(["USD", "EUR"]).map(lambda c: r | {"currency": c})
    ),
    "industries": _subset(w.INDUSTRIES),
    "keywords": _subset(w.KEYWORDS),
    "last_refreshed_within_days": DAYS,
    "founded_year": _range([1899, 1950, 2001, 2020]),
    "names": _subset(w.COMPANIES),
    "domains": _subset(["acme1.example", "hooli2.example", "globex1.example"]),
    "funding": st.fixed_dictionaries(
        {},
        optional={
            "stages": _subset(["seed", "ipo"]),
            "amount": _range([0, 500_000, 5_000_000]).map(lambda r: r | {"currency": "USD"}),
        },
    ),
}


def _side(filters, extra=None):
    """At most three filters at once: more leave nothing to compare."""
    named = filters | (extra or {})
    return st.lists(st.sampled_from(sorted(named)), max_size=2, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: named[name] for name in chosen})
    )


REQUESTS = st.fixed_dictionaries(
    {
        "filters": st.fixed_dictionaries(
            {
                "contacts": st.fixed_dictionaries({"include": _side(PEOPLE), "exclude": _side(PEOPLE)}),
                "organizations": st.fixed_dictionaries(
                    {
                        "include": _side(FIRMS, {"technologies": ANY_ALL_NOT}),
                        "exclude": _side(FIRMS, {"technologies": ANY_ALL}),
                    }
                ),
            }
        )
    },
    optional={"hidden": st.sampled_from(["exclude", "only", "include"])},
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=REQUESTS, entity=st.sampled_from(["contacts", "organizations"]), who=st.integers(0, 1))
async def test_random_requests_on_both_engines(searcher, world, request, entity, who):
    await agree(searcher, world, entity, request, world.users[who])
