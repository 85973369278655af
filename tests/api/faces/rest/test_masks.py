"""Addresses and numbers are nobody's who has not unlocked them: on no path, and not by guessing either.

Ann has unlocked the address and the number of contact 1, Bob the address of contact 3.
"""

import json

import pytest

SECRETS = {
    1: ("anna@acme.example", "+493012345"),
    3: ("cleo@globex.example", "+12125550100"),
    5: ("ed@nowhere.example",),
}
LOCKED_FOR_ANN = [*SECRETS[3], *SECRETS[5], "cleo", "nowhere"]
PATHS = (
    "/contacts?select=*",
    "/contacts?select=email,phone,enrichment",
    "/contacts?select=mail:email,number:phone",
    "/contacts?select=email::text,phone::varchar",
    "/contacts?select=email->>0,phone->a,enrichment->>level",
    "/contacts?select=id,email&order=email",
    "/contacts?select=id,phone&order=phone.desc.nullslast",
    "/organizations?select=id,contacts(*)",
    "/organizations?select=id,contacts(email,phone)",
    "/organizations?select=id,people:contacts(mail:email::text)",
    "/organizations?select=id,...contacts(email,phone)",
    "/list_contacts?select=contacts(email,phone)",
    "/list_contacts?select=...contacts(email,phone)",
    "/lists?select=name,contacts(email,phone)",
    "/employment_history?select=contacts(email,phone)",
    "/hidden_contacts?select=contacts(email,phone)",
    "/unlocks?select=contacts(email,phone)",
    "/transactions?select=contacts(email,phone)",
    "/contacts?select=organizations(contacts(email,phone))",
    "/contacts?select=id,organizations(id)&order=organizations(id)&email=not.is.null",
)
FORMS = (
    "application/json",
    "text/csv",
    "application/vnd.pgrst.array+json;nulls=stripped",
)


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("path", PATHS)
async def test_what_is_locked_is_in_no_answer(ask, path, accept):
    response = await ask.ann("GET", path, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    for secret in (*SECRETS[3], *SECRETS[5]):
        assert secret not in response.text
    others = await ask.bob("GET", path, headers={"Accept": accept})
    for secret in (*SECRETS[1], *SECRETS[5], SECRETS[3][1]):
        assert secret not in others.text


async def test_what_is_unlocked_is_there(ask):
    mine = (await ask.ann("GET", "/contacts?select=id,email,phone&order=id")).json()
    assert [(row["email"], row["phone"]) for row in mine] == [
        ("anna@acme.example", "+493012345"), (None, None), (None, None), (None, None), (None, None),
    ]  # fmt: skip
    bobs = (await ask.bob("GET", "/contacts?select=id,email,phone&id=in.(1,3)&order=id")).json()
    assert [(row["email"], row["phone"]) for row in bobs] == [(None, None), ("cleo@globex.example", None)]


FILTERS = (
    "email=eq.cleo@globex.example",
    "email=like.c*",
    "email=ilike.*globex*",
    "email=match.^cleo",
    "email=imatch.^CLEO",
    "email=gt.c",
    "email=in.(cleo@globex.example)",
    "email=like(any).{c*,e*}",
    "email=eq(any).{cleo@globex.example}",
    "email=fts(simple).cleo@globex.example",
    "email=plfts(simple).cleo@globex.example",
    "email=not.is.null&id=neq.1",
    "phone=like.*1212*",
    "phone=not.is.null&id=neq.1",
    "or=(email.eq.cleo@globex.example,phone.like.*1212*)",
    "not.or=(email.is.null,id.eq.1)",
    "enrichment->>skills=not.is.null&id=neq.1",
    'enrichment=cs.{"skills":[]}&id=eq.3',
)


@pytest.mark.parametrize("condition", FILTERS)
async def test_no_filter_tells_what_is_locked(ask, condition):
    """Neither by rows or their number, nor in an embedded relation, nor by whether its parent is there."""
    rows = await ask.ann("GET", f"/contacts?select=id&{condition}")
    assert rows.json() == [], rows.text
    number = await ask.ann("HEAD", f"/contacts?{condition}", headers={"Prefer": "count=exact"})
    assert number.headers["content-range"] == "*/0"
    inner = "&".join(f"contacts.{part}" for part in condition.split("&"))
    embedded = await ask.ann("GET", f"/organizations?select=id,contacts(id)&{inner}")
    assert all(row["contacts"] == [] for row in embedded.json())
    parents = await ask.ann("GET", f"/organizations?select=id,contacts!inner(id)&{inner}")
    assert parents.json() == []
    tested = await ask.ann("GET", f"/organizations?select=id,contacts()&contacts=not.is.null&{inner}")
    assert tested.json() == []


@pytest.mark.parametrize("column", ["email", "phone"])
async def test_no_order_tells_what_is_locked(ask, column):
    """Those that are locked stand in the order of the next term, whatever their addresses are."""
    up = await ask.ann("GET", f"/contacts?select=id&id=neq.1&order={column},id")
    down = await ask.ann("GET", f"/contacts?select=id&id=neq.1&order={column}.desc,id")
    assert [row["id"] for row in up.json()] == [row["id"] for row in down.json()] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "column, there, elsewhere",
    [
        ("email", "cleo@globex.example", "nobody@nowhere.invalid"),
        ("phone", "+12125550100", "+19995550199"),
    ],
)
async def test_no_estimate_and_no_error_tells_what_is_locked(ask, owner, column, there, elsewhere):
    """What the planner knows of the column is what everybody's rows say, the locked ones included."""
    await owner.execute("ANALYZE app.contacts")
    for preference in ("count=planned", "count=estimated"):
        told = [
            (
                await ask.ann("HEAD", f"/contacts?{column}={condition}", headers={"Prefer": preference})
            ).headers["content-range"]
            for value in (there, elsewhere)
            for condition in (f"eq.{value.replace('+', '%2B')}",)
        ]
        assert told[0] == told[1]
    # A cast that an address cannot bear says nothing of rows where it is locked.
    cast = await ask.ann("GET", f"/contacts?select=id,{column}::date&id=eq.3")
    assert (cast.status_code, cast.json()) == (200, [{"id": 3, column: None}])


@pytest.mark.parametrize("column", ["email_hash", "phone_hash", "provenance", "linkedin_hash"])
async def test_hashes_and_sources_are_no_columns(ask, column):
    for path in (
        f"/contacts?select={column}",
        f"/contacts?{column}=not.is.null",
        f"/contacts?order={column}",
        f"/organizations?select=contacts({column})",
    ):
        assert (await ask.ann("GET", path)).json()["code"] == "42703"


async def test_a_write_gives_back_no_more_than_a_read(ask):
    added = await ask.ann(
        "POST",
        "/list_contacts?select=contacts(email,phone)",
        json={"list_id": "11111111-0000-4000-8000-000000000001", "contact_id": 5},
        headers={"Prefer": "return=representation, tx=rollback"},
    )
    assert added.json() == [{"contacts": {"email": None, "phone": None}}]
    for preference in ("return=representation", "return=headers-only", "return=minimal"):
        changed = await ask.ann(
            "PATCH",
            "/contacts?email=eq.cleo@globex.example&select=email",
            json={"title": "x"},
            headers={"Prefer": preference},
        )
        assert (changed.status_code, changed.json()["code"]) == (403, "42501")


async def test_a_conflict_tells_nothing_of_addresses(ask):
    answer = await ask.ann(
        "POST",
        "/contacts?on_conflict=email",
        json={"email": "cleo@globex.example"},
        headers={"Prefer": "resolution=merge-duplicates"},
    )
    assert answer.status_code in (400, 403)
    assert "cleo" not in json.dumps(answer.json())
