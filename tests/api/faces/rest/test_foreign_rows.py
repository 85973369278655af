"""Whatever Ann asks for, what is Bob's alone is in no answer and takes no change."""

import pytest

from tests.api.faces.rest.world import ANN, BOB

# Tables of people, by the column that says whose a row is.
WHOSE = {
    "users": "id",
    "lists": "owner_id",
    "unlocks": "user_id",
    "transactions": "user_id",
    "credit_purchases": "user_id",
    "email_finder_logs": "user_id",
    "email_validation_logs": "user_id",
    "hidden_contacts": "user_id",
    "hidden_companies": "user_id",
    "icp_profiles": "user_id",
}
# Rows that are Bob's and that he shares with Ann: as they must show, and nothing else of his.
SHARED = {"lists": "id=neq.11111111-0000-4000-8000-000000000002"}
WAYS = (
    "select=*",
    "select=*&{column}=eq.{bob}",
    "select=*&{column}=neq.{ann}",
    "select=*&{column}=in.({ann},{bob})",
    "select=*&or=({column}.eq.{bob},{column}.not.is.null)",
    "select=*&not.and=({column}.eq.{ann},{column}.is.null)",
    "select=*&{column}=not.eq.{ann}",
    "select=*&limit=1000000&offset=0",
    "select={column}::text&order={column}.desc",
    "select=whose:{column}",
)


@pytest.mark.parametrize("table", WHOSE)
@pytest.mark.parametrize("way", WAYS)
async def test_no_operator_reaches_the_rows_of_another(ask, table, way):
    query = way.format(column=WHOSE[table], ann=ANN, bob=BOB)
    answer = await ask.ann("GET", f"/{table}?{query}&{SHARED.get(table, '')}".rstrip("&"))
    assert answer.status_code == 200, answer.text
    assert str(BOB) not in answer.text
    assert "bob@example.com" not in answer.text
    counted = await ask.ann("HEAD", f"/{table}?{WHOSE[table]}=eq.{BOB}&{SHARED.get(table, '')}".rstrip("&"),
                            headers={"Prefer": "count=exact"})  # fmt: skip
    assert counted.headers["content-range"] == "*/0"


@pytest.mark.parametrize("table", ["lists", "icp_profiles", "hidden_contacts"])
async def test_no_change_reaches_the_rows_of_another(ask, table):
    column = WHOSE[table]
    for query in (f"{column}=eq.{BOB}", f"or=({column}.eq.{BOB})", f"{column}=neq.{ANN}"):
        headers = {"Prefer": "return=representation, tx=rollback"}
        gone = await ask.ann("DELETE", f"/{table}?{query}", headers=headers)
        assert (gone.status_code, gone.json()) == (200, []), gone.text
    given = await ask.ann("POST", f"/{table}", json={column: str(BOB), "name": "his", "contact_id": 2})
    assert given.status_code in {400, 403}


@pytest.mark.parametrize("offset", ["1000000000000000", "9223372036854775807", "99999999999999999999999"])
async def test_a_page_far_out_is_empty_at_once(ask, offset):
    answer = await ask.ann("GET", f"/contacts?select=id&limit=1000000&offset={offset}")
    assert answer.status_code in {200, 400, 416}
    if answer.status_code == 200:
        assert answer.json() == []
