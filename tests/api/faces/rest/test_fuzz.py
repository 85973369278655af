"""Requests that nobody thought of: never our fault, and never a row or a value that plain SQL would not give.

What Ann may see is read once, by plain SQL as her role. Whatever an answer shows, at the top or embedded,
must be of that: the same row, with the same values.
"""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from api.faces.rest import exposed, grammar
from api.faces.rest.errors import Refused
from api.faces.rest.query import read_query
from api.faces.rest.reading import read_catalogue
from core.ids import UserId
from db.sessions import member
from tests.api.faces.rest.world import ANN

KEYS = {
    "list_members": ("list_id", "user_id"), "list_contacts": ("list_id", "contact_id"),
    "list_organizations": ("list_id", "organization_id"), "unlocks": ("user_id", "contact_id", "field"),
    "hidden_contacts": ("user_id", "contact_id"), "hidden_companies": ("user_id", "organization_id"),
    "vocabulary_terms": ("kind", "code"),
}  # fmt: skip
COLUMNS = {
    "plans": ("name", "features", "price_cents", "created_at"),
    "organizations": (
        "name",
        "domain",
        "technologies",
        "founded_year",
        "enrichment",
        "country",
        "funding_date",
    ),
    "contacts": (
        "first_name",
        "email",
        "phone",
        "title",
        "enrichment",
        "departments",
        "has_email",
        "created_at",
    ),
    "employment_history": ("company", "title", "start_date", "is_past", "contact_id"),
    "users": ("email", "role", "credit_balance"),
    "lists": ("name", "is_shared", "owner_id", "created_at"),
    "list_members": ("role",),
    "list_contacts": ("added_at", "added_by"),
    "unlocks": ("created_at",),
    "transactions": ("type", "credits_used", "created_at"),
    "email_finder_logs": ("input_data", "status", "output_email"),
    "icp_profiles": ("name", "filters", "tags"),
    "hidden_contacts": ("hidden_at",),
}
# Ways from one relation to another that need no hint.
WAYS = {
    "organizations": ("contacts", "employment_history"),
    "contacts": ("organizations", "employment_history", "lists", "list_contacts", "unlocks", "transactions"),
    "employment_history": ("contacts", "organizations"),
    "users": ("plans", "transactions", "icp_profiles", "email_finder_logs"),
    "lists": ("contacts", "list_contacts", "list_members"),
    "list_contacts": ("contacts", "lists"),
    "list_members": ("lists",),
    "unlocks": ("contacts", "users"),
    "transactions": ("contacts", "users"),
    "hidden_contacts": ("contacts",),
    "icp_profiles": ("users",),
    "email_finder_logs": ("contacts", "users"),
    "plans": ("users",),
}
VALUES = st.one_of(
    st.sampled_from(
        ["1", "3", "99", "-1", "null", "true", "vp", "VP Sales", "Acme GmbH", "*a*", "a%", "{python,java}",
         "{}", '{"score":7}', "[]", "2026-01-02", "2026-01-01T00:00:00Z", "anna@acme.example", "cleo*", "",
         "(", '"', "x,y", "11111111-0000-4000-8000-000000000001", str(ANN), "\\", "'", "';--", "{a", "1e400"]
    ),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12),
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    """A relation in a made-up request: what is selected of it, under which label, and its embedded ones."""

    relation: str
    label: str
    selected: str
    parameters: list[tuple[str, str]] = field(default_factory=list)
    children: "list[Node]" = field(default_factory=list)


def keys_of(relation: str) -> tuple[str, ...]:
    return KEYS.get(relation, ("id",))


# Of which kind columns are that are no text; most questions are put so that PostgreSQL can answer them.
KINDS = {
    "number": {
        "price_cents",
        "founded_year",
        "contact_id",
        "organization_id",
        "credit_balance",
        "credits_used",
    },
    "truth": {"has_email", "is_past", "is_shared"},
    "json": {"features", "enrichment", "input_data", "filters"},
    "words": {"technologies", "departments", "tags"},
    "time": {"created_at", "added_at", "hidden_at", "funding_date", "start_date"},
    "uuid": {"owner_id", "added_by", "list_id", "user_id"},
}
LITERALS = {
    "number": ["1", "3", "0", "99", "-5"],
    "truth": ["true", "false"],
    "json": ["{}", '{"score":7}', "[]", "7", '"a"'],
    "words": ["{}", "{python}", "{python,java}", "{sales}"],
    "time": ["2026-01-02", "2010-01-01", "infinity"],
    "uuid": [str(ANN), "11111111-0000-4000-8000-000000000001"],
    "text": ["VP Sales", "a", "*a*", "Acme%", "free", "anna@acme.example", "cleo*", "vp"],
}
OPERATORS = {
    "json": ["eq", "neq", "cs", "cd", "isdistinct"],
    "words": ["eq", "cs", "cd", "ov", "isdistinct"],
    "truth": ["eq", "neq", "gt"],
    "text": ["eq", "neq", "gt", "lte", "like", "ilike", "match", "imatch", "isdistinct"],
}
_USUAL = ["eq", "neq", "gt", "gte", "lt", "lte", "isdistinct"]


def kind_of(relation: str, column: str) -> str:
    if column == "id":
        return "text" if relation == "plans" else "uuid" if relation in UUIDS else "number"
    return next((kind for kind, names in KINDS.items() if column in names), "text")


UUIDS = {"users", "lists", "icp_profiles"}


@st.composite
def conditions(draw, relation: str, *, depth: int = 0) -> str:
    """A condition as it stands inside `and=(…)`."""
    if depth < 2 and draw(st.integers(0, 5)) == 0:
        inner = draw(st.lists(conditions(relation, depth=depth + 1), min_size=1, max_size=3))
        return f"{draw(st.sampled_from(['and', 'or', 'not.and', 'not.or']))}({','.join(inner)})"
    column = draw(st.sampled_from([*keys_of(relation), *COLUMNS[relation], *COLUMNS[relation]]))
    kind = kind_of(relation, column)
    if kind == "json" and draw(st.booleans()):
        column += draw(st.sampled_from(["->a", "->>score", "->tags->>0", "->>-1"]))
        kind = "text" if "->>" in column else "json"
    if draw(st.integers(0, 19)) == 0:
        return f"{column}.{draw(odd_operations())}"
    return f"{column}.{draw(operations(kind))}"


@st.composite
def operations(draw, kind: str) -> str:
    """An operator that a column of this kind has, with a value it can be compared with."""
    negation = draw(st.sampled_from(["", "", "", "not."]))
    literals = st.sampled_from(LITERALS[kind])
    choice = draw(st.integers(0, 9))
    if choice == 0:
        return f"{negation}is.{draw(st.sampled_from(['null', 'not_null']))}"
    if choice == 1 and kind != "words":
        return (
            f"{negation}in.({','.join(in_quotes(value) for value in draw(st.lists(literals, max_size=3)))})"
        )
    if choice == 2 and kind in ("text", "json"):
        operator = draw(st.sampled_from(["plfts", "phfts", "wfts"]))
        return f"{negation}{operator}{draw(st.sampled_from(['', '(english)', '(simple)']))}.sales"
    if choice == 3 and kind == "text":
        operator = draw(st.sampled_from(sorted(grammar.QUANTIFIED)))
        return f"{negation}{operator}({draw(st.sampled_from(['any', 'all']))}).{{a*,VP Sales}}"
    operator = draw(st.sampled_from(OPERATORS.get(kind, _USUAL)))
    return f"{negation}{operator}.{in_quotes(draw(literals))}"


@st.composite
def odd_operations(draw) -> str:
    """Any operator with any value."""
    negation = draw(st.sampled_from(["", "not.", "not.not."]))
    operator = draw(st.sampled_from([*sorted(grammar.COMPARISONS | grammar.SEARCHES), "is", "xx"]))
    return f"{negation}{operator}.{in_quotes(draw(VALUES))}"


def in_quotes(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def nodes(draw, relation: str, label: str, prefix: str = "", depth: int = 0) -> Node:
    columns = [
        *keys_of(relation),
        *draw(st.lists(st.sampled_from(COLUMNS[relation]), max_size=3, unique=True)),
    ]
    parts, children, parameters = [", ".join(columns)], [], []
    if depth < 3:
        for number in range(draw(st.integers(0, 2 if depth == 0 else 1))):
            target = draw(st.sampled_from(WAYS[relation]))
            alias = f"{target}_{number}" if draw(st.booleans()) else target
            if alias in [child.label for child in children]:
                continue
            child = draw(nodes(target, alias, f"{prefix}{alias}.", depth + 1))
            children.append(child)
            join = draw(st.sampled_from(["", "", "!inner", "!left"]))
            head = target if alias == target else f"{alias}:{target}"
            parts.append(f"{head}{join}({child.selected})")
            parameters += child.parameters
            if draw(st.integers(0, 4)) == 0:
                parameters.append((f"{prefix}{alias}", draw(st.sampled_from(["is.null", "not.is.null"]))))
    for _ in range(draw(st.integers(0, 2))):
        word = draw(st.sampled_from(["and", "or", "not.and", "not.or"]))
        inner = draw(st.lists(conditions(relation), min_size=1, max_size=3))
        parameters.append((f"{prefix}{word}", f"({','.join(inner)})"))
    if draw(st.booleans()):
        direction = draw(st.sampled_from(["", ".asc", ".desc", ".desc.nullslast", ".nullsfirst"]))
        parameters.append((f"{prefix}order", draw(st.sampled_from(columns)) + direction))
    if draw(st.integers(0, 3)) == 0:
        parameters.append((f"{prefix}limit", str(draw(st.integers(0, 3)))))
    if draw(st.integers(0, 5)) == 0:
        parameters.append((f"{prefix}offset", str(draw(st.integers(0, 2)))))
    return Node(relation, label, ",".join(parts), parameters, children)


REQUESTS = st.sampled_from(sorted(COLUMNS)).flatmap(lambda relation: nodes(relation, relation))


# How the questions above were answered: questions that are all refused would prove nothing.
ANSWERED: Counter[int] = Counter()


@pytest.fixture(scope="module")
async def visible(db, rest_world) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    """Every row that Ann sees by plain SQL, by relation and key."""
    found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    async with db.transaction(member(UserId(ANN)), read_only=True) as session:
        for relation in exposed.RELATIONS:
            rows = await session.execute(text(f"SELECT to_json(t)::text FROM public.{relation} AS t"))
            loaded = [json.loads(row) for row in rows.scalars()]
            found[relation] = {tuple(row[key] for key in keys_of(relation)): row for row in loaded}
    return found


def check(rows: list[dict[str, Any]], node: Node, visible) -> None:
    for row in rows:
        known = visible[node.relation].get(tuple(row[key] for key in keys_of(node.relation)))
        assert known is not None, f"{node.relation} shows a row that is not to be seen"
        children = {child.label: child for child in node.children}
        for name, value in row.items():
            if name not in children:
                assert value == known[name], f"{node.relation}.{name}"
            elif value is not None:
                check(value if isinstance(value, list) else [value], children[name], visible)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(node=REQUESTS, prefer=st.sampled_from(["", "count=exact", "count=planned", "count=estimated"]))
async def test_no_question_shows_more_than_plain_sql_does(ask, visible, node, prefer):
    pairs = [("select", node.selected), *node.parameters]
    query = "&".join(f"{quote(key)}={quote(value)}" for key, value in pairs)
    response = await ask.ann("GET", f"/{node.relation}?{query}", headers={"Prefer": prefer} if prefer else {})
    assert response.status_code < 500, response.text
    ANSWERED[response.status_code] += 1
    if response.status_code in (200, 206):
        check(response.json(), node, visible)
    else:
        assert response.json().keys() == {"code", "message", "details", "hint"}


def test_many_of_the_questions_are_answered():
    if ANSWERED:
        assert ANSWERED[200] + ANSWERED[206] > 0.25 * ANSWERED.total()


TOKENS = st.sampled_from(
    ["id", "*", "(", ")", ",", ".", ":", "::", "!", "...", "->", "->>", "and", "or", "not", "eq", "in", "is",
     '"', "\\", "{", "}", " ", "text", "contacts", "organizations", "inner", "null", "1", "fts", "any",
     "desc", "%", "ü"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    relation=st.sampled_from(["contacts", "lists", "plans"]),
    pairs=st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from(
                    ["select", "order", "limit", "offset", "and", "or", "not.or", "on_conflict", "columns"]
                ),
                st.lists(TOKENS, max_size=5).map("".join),
                st.text(max_size=8),
            ),
            st.one_of(st.lists(TOKENS, max_size=14).map("".join), st.text(max_size=20)),
        ),
        max_size=4,
    ),
)
async def test_no_text_is_ever_our_fault(ask, relation, pairs):
    def encoded(part: str) -> str:
        return quote(part.encode("utf-8", "surrogatepass"))

    query = "&".join(f"{encoded(key)}={encoded(value)}" for key, value in pairs)
    response = await ask.ann("GET", f"/{relation}?{query}")
    assert response.status_code < 500, response.text
    if response.status_code >= 300:
        assert response.json().keys() == {"code", "message", "details", "hint"}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw):
    with suppress(Refused):
        read_query(raw, is_call=False)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=120, deadline=None)
@given(
    method=st.sampled_from(["POST", "PATCH", "PUT"]),
    relation=st.sampled_from(
        ["lists", "hidden_contacts", "list_contacts", "icp_profiles", "users", "contacts"]
    ),
    body=st.one_of(
        JSON,
        st.lists(
            st.dictionaries(
                st.sampled_from(["id", "name", "contact_id", "list_id", "user_id", "filters", "tags"]), JSON
            ),
            max_size=3,
        ),
    ),
    prefer=st.lists(
        st.sampled_from(
            ["return=representation", "return=headers-only", "resolution=merge-duplicates", "count=exact",
             "resolution=ignore-duplicates", "missing=default", "handling=strict", "max-affected=1"]
        ),
        max_size=3,
    ),
    query=st.sampled_from(
        ["", "?id=eq.1", "?contact_id=eq.5", "?name=like.*", "?select=*&name=not.is.null", "?on_conflict=id",
         "?columns=name"]
    ),
)  # fmt: skip
async def test_no_write_is_ever_our_fault_or_reaches_what_is_anothers(
    ask, visible, method, relation, body, prefer, query
):
    response = await ask.ann(
        method,
        f"/{relation}{query}",
        content=json.dumps(body).encode("utf-8", "surrogatepass"),
        headers={"Prefer": ", ".join([*prefer, "tx=rollback"]), "Content-Type": "application/json"},
    )
    assert response.status_code < 500, response.text
    if response.status_code >= 300:
        assert response.json().keys() == {"code", "message", "details", "hint"}


async def test_the_world_is_as_it_was(ask, visible, db):
    """After all the writes above, which were undone."""
    rows = (await ask.bob("GET", "/lists?select=name&order=name")).json()
    assert rows == [{"name": "Bobs own"}, {"name": "Shared"}]


async def test_the_catalogue_is_what_is_exposed_and_no_more(db, rest_world):
    catalogue = await read_catalogue(db)
    assert set(catalogue.relations) == set(exposed.RELATIONS)
    assert set(catalogue.functions) == set(exposed.FUNCTIONS)
    assert "email_hash" not in catalogue.relations["contacts"].columns
    assert {
        way.target
        for name in ("plans", "vocabulary_terms")
        for way in catalogue.relations[name].relationships
    } == {"users"}
