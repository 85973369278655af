"""What nobody honest sends: refused at once, with four keys, and never our fault."""

import json
import time
from dataclasses import replace

import pytest

from api.app import create_app
from tests.api.faces.rest.world import ANN

AT_ONCE_S = 2.0


def nested_embeds(depth: int) -> str:
    return "contacts(organizations(" * (depth // 2) + "id" + "))" * (depth // 2)


GETS = {
    "embeds 50 deep": f"/organizations?select={nested_embeds(50)}",
    "embeds 9 deep": f"/contacts?select={nested_embeds(18)}",
    "40 embeds side by side": "/contacts?select=" + ",".join(f"o{n}:organizations(id)" for n in range(40)),
    "2,000 filters": "/contacts?" + "&".join(f"id=neq.{n}" for n in range(2_000)),
    "290 filters": "/contacts?" + "&".join(f"id=neq.{n}" for n in range(290)),
    "2,000 conditions": f"/contacts?or=({','.join(['id.eq.1'] * 2_000)})",
    "conditions 500 deep": "/contacts?or=" + "(and" * 500 + "(id.eq.1)" + ")" * 500,
    "conditions 20 deep": "/contacts?or=" + "(and" * 20 + "(id.eq.1)" + ")" * 20,
    "500 columns": "/contacts?select=" + ",".join(["id"] * 500),
    "100 orders": "/contacts?order=" + ",".join(["id"] * 100),
    "a name of 1,000 letters": f"/contacts?select={'a' * 1_000}",
    "an alias of 1,000 letters": f"/contacts?select={'a' * 1_000}:id",
    "a path of 100 arrows": "/organizations?select=enrichment" + "->a" * 100,
    "a million parentheses": "/contacts?or=" + "(" * 60_000,
    "a filter path 100 deep": "/contacts?" + "a." * 100 + "id=eq.1",
    "NUL in a value": "/contacts?first_name=eq.%00",
    "NUL in a name": "/contacts?first%00name=eq.1",
    "NUL in an alias": "/contacts?select=a%00b:id",
    "no UTF-8": "/contacts?first_name=eq.%ff%fe",
    "a lone surrogate": "/contacts?first_name=eq.%ed%a0%80",
    "a quote in a name": '/contacts?select=id";DROP TABLE app.users;--',
    "SQL in a column": "/contacts?id;DROP TABLE app.users=eq.1",
    "SQL in a cast": "/contacts?select=id::text);DROP TABLE app.users",
    "SQL in an order": "/contacts?order=id;DROP TABLE app.users",
    "a cast that looks names up": "/contacts?select=first_name::regclass",
    "SQL in a language": "/contacts?title=fts(english');DROP TABLE app.users;--).x",
    "an unknown table of the database": "/pg_authid?select=*",
    "a number without end": f"/contacts?id=eq.{'9' * 5_000}",
    "a limit that is none": "/contacts?limit=all",
    "a limit with a unit": "/contacts?limit=5x",
    "an offset below nothing": "/contacts?offset=-1",
}


@pytest.mark.parametrize("name", GETS)
async def test_a_question_that_is_too_much_is_refused_at_once(ask, name):
    started = time.perf_counter()
    response = await ask.ann("GET", GETS[name])
    assert 400 <= response.status_code < 500, response.text[:200]
    assert response.json().keys() == {"code", "message", "details", "hint"}
    assert time.perf_counter() - started < AT_ONCE_S
    assert len(response.content) < 10_000


async def test_a_url_of_a_megabyte_is_too_long(app, ask):
    """By hand, for the client itself refuses to send it."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/rest/v1/contacts", "raw_path": b"/rest/v1/contacts", "root_path": "", "state": {},
        "query_string": b"id=in.(" + b"1," * 500_000 + b"1)", "client": ("127.0.0.1", 1), "server": ("a", 1),
        "headers": [(b"host", b"api.test"), (b"authorization", f"Bearer {ask.ann.token}".encode())],
    }  # fmt: skip
    started = time.perf_counter()
    await app(scope, receive, send)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (414, "PGRST100")
    assert time.perf_counter() - started < AT_ONCE_S


BODIES = {
    "objects 100,000 deep": b'{"a":' * 100_000,
    "arrays 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "lists in a list": b'[[{"name":"x"}]]',
    "NUL": b'{"name":"a\\u0000b"}',
    "NUL in a key": b'{"na\\u0000me":"b"}',
    "a lone surrogate": b'{"name":"\\ud800"}',
    "no UTF-8": b'{"name":"\xff\xfe"}',
    "NaN": b'{"name":NaN}',
    "a number without end": b'{"contact_id":' + b"9" * 5_000 + b"}",
    "an exponent without end": b'{"contact_id":1e999999}',
    "10,000 keys": b"{" + b",".join(b'"k%d":1' % n for n in range(10_000)) + b"}",
    "6,000 rows": b"[" + b",".join([b'{"name":"x"}'] * 6_000) + b"]",
    "the rows of nothing": b"[{},{}]",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ["/lists", "/hidden_contacts"])
async def test_a_body_that_is_too_much_is_refused_at_once(ask, path, name):
    started = time.perf_counter()
    for method, where in (("POST", path), ("PATCH", f"{path}?created_at=is.null"), ("PUT", path)):
        response = await ask.ann(
            method, where, content=BODIES[name], headers={"Content-Type": "application/json"}
        )
        assert 400 <= response.status_code < 500, response.text[:200]
        assert response.json().keys() == {"code", "message", "details", "hint"}
    assert time.perf_counter() - started < 3 * AT_ONCE_S


async def test_a_body_of_two_megabytes_is_too_large(ask):
    body = b'{"name":"' + b"x" * 2_000_000 + b'"}'
    response = await ask.ann("POST", "/lists", content=body)
    assert (response.status_code, response.json()["code"]) == (413, "PGRST102")


@pytest.mark.parametrize(
    "arguments",
    [
        b'{"list_id":"\\u0000"}',
        b'{"list_id":{"a":[1]}}',
        b'{"list_id":null, "list_id\\u0000": 1}',
        b"[" * 99_999,
    ],
)
async def test_arguments_of_no_use_are_refused(ask, arguments):
    response = await ask.ann("POST", "/rpc/list_people", content=arguments)
    assert 400 <= response.status_code < 500


@pytest.mark.parametrize(
    "header, value",
    [
        ("Prefer", "count=exact," * 2_000),
        ("Accept", "application/json;q=nonsense, */*;q=0" * 500),
        ("Range", "0-" + "9" * 500),
        ("Accept", ""),
        ("Accept-Profile", "public\tx"),
    ],
)
async def test_odd_headers_are_never_our_fault(ask, header, value):
    response = await ask.ann("GET", "/contacts?select=id", headers={header: value})
    assert response.status_code < 500


async def test_a_statement_that_takes_too_long_is_ended(api_settings, ask, owner, run_app):
    impatient = replace(api_settings, rest=replace(api_settings.rest, statement_timeout_s=0.2))
    headers = {"Authorization": f"Bearer {ask.ann.token}"}
    async with run_app(create_app(impatient)) as client, owner.transaction():
        assert (await client.get("/rest/v1/lists?select=id", headers=headers)).status_code == 200
        await owner.execute("LOCK TABLE app.lists IN ACCESS EXCLUSIVE MODE")
        ended = await client.get("/rest/v1/lists?select=id", headers=headers)
    assert (ended.status_code, ended.json()["code"]) == (500, "57014")
    assert ended.json()["message"] == "canceling statement due to statement timeout"


async def test_a_page_has_no_more_rows_than_the_installation_allows(api_settings, ask, run_app):
    frugal = replace(api_settings, rest=replace(api_settings.rest, max_rows=2))
    headers = {"Authorization": f"Bearer {ask.ann.token}"}
    async with run_app(create_app(frugal)) as client:
        page = await client.get("/rest/v1/contacts?select=id&order=id&limit=1000000", headers=headers)
        inner = await client.get("/rest/v1/lists?select=list_contacts(contact_id)", headers=headers)
        counted = await client.get(
            "/rest/v1/contacts?select=id&order=id", headers=headers | {"Prefer": "count=exact"}
        )
        estimated = await client.get(
            "/rest/v1/contacts?select=id&order=id", headers=headers | {"Prefer": "count=estimated"}
        )
    assert [row["id"] for row in page.json()] == [1, 2]
    assert all(len(row["list_contacts"]) <= 2 for row in inner.json())
    assert (counted.status_code, counted.headers["content-range"]) == (206, "0-1/5")
    # Beyond what can be had the planner's word is taken, which is never less than what was counted.
    assert int(estimated.headers["content-range"].rpartition("/")[2]) >= 3


async def test_the_planned_count_is_the_planners(ask):
    response = await ask.ann("GET", "/contacts?select=id", headers={"Prefer": "count=planned"})
    assert response.status_code in (200, 206)
    assert response.headers["content-range"].rpartition("/")[2].isdecimal()
    assert response.headers["preference-applied"] == "count=planned"


async def test_an_error_tells_nothing_of_our_inside(ask):
    response = await ask.ann("GET", "/contacts?select=id&id=eq.x")
    for word in ("SELECT", "app.", "Traceback", "asyncpg", "/rest/"):
        assert word not in response.text


async def test_a_disabled_account_reads_and_writes_nothing(ask, owner):
    await owner.execute(
        "UPDATE app.users SET disabled_at = app.now(), disabled_because = 'test' WHERE id = $1", ANN
    )
    try:
        read = await ask.ann("GET", "/contacts?select=id")
        written = await ask.ann("POST", "/lists", json={"name": "after the end"})
    finally:
        await owner.execute(
            "UPDATE app.users SET disabled_at = NULL, disabled_because = NULL WHERE id = $1", ANN
        )
    assert (read.status_code, read.json()["code"]) == (401, "PGRST301")
    assert (written.status_code, written.json()["code"]) == (401, "PGRST301")
    assert not (await ask.ann("GET", "/lists?name=eq.after the end")).json()


async def test_what_is_the_same_for_everybody_has_a_tag_and_the_rest_is_kept_by_nobody(ask):
    first = await ask.ann("GET", "/plans?select=id")
    assert first.headers["cache-control"] == "private, max-age=60"
    again = await ask.ann("GET", "/plans?select=id", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for path in ("/contacts?select=id", "/users", "/plans?select=id,users(email)", "/nothing"):
        response = await ask.ann("GET", path)
        assert (response.headers["cache-control"], "etag" in response.headers) == ("no-store", False)


async def test_requests_are_counted_and_one_too_many_is_refused(api_settings, ask, run_app):
    strict = replace(api_settings, api=replace(api_settings.api, requests_per_minute=3))
    headers = {"Authorization": f"Bearer {ask.bob.token}"}
    async with run_app(create_app(strict)) as client:
        answers = [await client.get("/rest/v1/plans?select=id", headers=headers) for _ in range(7)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "too-many-requests"
    assert int(refused[0].headers["retry-after"]) > 0
