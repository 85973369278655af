"""What members and strangers try at the product's own faces: forged tokens, syntax, oracles, odd sizes."""

import base64
import gzip
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.api.test_lists import make

SEARCH = "/v1/contacts/search"
AT_ONCE_S = 4.0

# One of each kind of syntax that something behind an API might take for its own, and twelve odd values.
INJECTIONS = (
    "' OR '1'='1", "' OR 1=1--", '" OR ""="', "') OR ('1'='1", "' UNION SELECT NULL,version()--",
    "'; SELECT pg_sleep(9)--", "1; DROP TABLE app.users", "$$; SELECT 1; $$", "E'\\\\' OR 1",
    "x' || pg_sleep(9) || '",
    "%27%20OR%201%3D1", "/**/OR/**/1=1", "1 OR 1=1", "COPY x FROM PROGRAM 'id'", "\\'; SELECT 1--",
    "*", "?", "*:*", "a OR b", "title:*", "_exists_:email", "/.*/", "/(a+)+$/", "a~2", "[* TO *]",
    "{!lucene}*:*", '{"match_all":{}}', '{"query":{"script":{"source":"while(true){}"}}}', "doc['x'].value",
    "a & b | !c", "a <-> b:*", "a:*", "(((((", ")", "^$", "(?=.*)", "[[:<:]]", "\\p{L}+",
    "%", "_", "%%%%", "100%\\", "\\", "{$ne: null}", '{"$gt": ""}', "$where: 1", "${jndi:ldap://x}",
    "{{7*7}}", "<%= 7*7 %>", "<script>alert(1)</script>", "`id`", "$(id)", "| id", "../../etc/passwd",
    "http://169.254.169.254/",
)  # fmt: skip
ODD = (
    "-1", "0", "1e309", "NaN", "null", "undefined", "true", "[]", "😀" * 40, "\u202e\u200b\ufeff", "İ" * 50,
    "a" * 200,
)  # fmt: skip
TEXTS = (*INJECTIONS, *ODD)
FILTERS = {
    "contacts": (
        "titles", "seniorities", "departments", "names", "email_status", "past_titles", "past_employers",
        "locations", "countries", "regions", "cities",
    ),
    "organizations": (
        "names", "domains", "headcount_bands", "industries", "technologies", "keywords", "locations",
        "countries", "regions", "cities",
    ),
}  # fmt: skip


def test_there_are_as_many_of_them_as_promised():
    assert (len(set(INJECTIONS)), len(set(ODD))) == (55, 12)


async def nothing_happens(person, method, path, *, at_most=0, **options):
    """Refused, or answered with nothing found; at once either way, and never by an error of ours."""
    started = time.perf_counter()
    answer = await person(method, path, **options)
    assert answer.status_code in {200, 404, 422}, (options, answer.text)
    assert time.perf_counter() - started < AT_ONCE_S
    if answer.status_code == 200:
        assert answer.json().get("total_entries", 0) <= at_most, options
    return answer


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("side", FILTERS)
async def test_no_syntax_in_a_filter_finds_everything(ann, side):
    """Any of them would do: the values of a filter are alternatives."""
    for name in FILTERS[side]:
        body = {"filters": {side: {"include": {name: list(TEXTS)}}}}
        answer = await nothing_happens(ann, "POST", SEARCH, json=body)
        if answer.status_code == 422:
            # One of them is no text for this filter: so each by itself, as far as it is taken.
            for value in TEXTS[::6]:
                body = {"filters": {side: {"include": {name: [value]}}}}
                await nothing_happens(ann, "POST", SEARCH, json=body)


@pytest.mark.usefixtures("world")
async def test_no_syntax_in_a_text_a_sort_or_a_cursor_finds_everything(ann):
    for text in TEXTS:
        # What has no word in it asks for none, and the letters in it may begin somebody's name.
        most = 1 if any(sign.isalnum() for sign in text) else 5
        await nothing_happens(ann, "POST", SEARCH, at_most=most, json={"q": text})
        assert (await ann("POST", SEARCH, json={"sort": text})).status_code == 422
        assert (await ann("POST", SEARCH, json={"cursor": text})).status_code == 422
        assert (await ann("POST", SEARCH, json={"facets": [text]})).status_code == 422
        completed = await ann("GET", "/v1/suggest", params={"field": "titles", "prefix": text[:50]})
        assert completed.status_code in {200, 422}


async def test_a_name_is_kept_as_it_was_written(ann):
    """Whatever it looks like; or it is refused."""
    for text in TEXTS:
        answer = await ann("POST", "/v1/lists", json={"name": text})
        if answer.status_code == 422:
            # The plan's number of lists, or a text that no name can be.
            continue
        assert answer.status_code == 201, answer.text
        assert answer.json()["name"] == text.strip()
        assert (await ann("DELETE", f"/v1/lists/{answer.json()['id']}")).status_code == 204


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "kind",
    ["nobody's key", "none", "no signature", "another's signature", "edited", "public key as secret"],
)
async def test_a_forged_token_opens_no_face(api, ann, bob, kind):
    head, body, signature = ann.token.split(".")
    said = jwt.decode(ann.token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(ann.token)["kid"]
    keys = (await api.get("/auth/v1/.well-known/jwks.json")).content
    # The library would not sign with this; whoever forges has another.
    unsigned = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{body}"
    by_public_key = base64.urlsafe_b64encode(hmac.digest(keys, unsigned.encode(), "sha256")).rstrip(b"=")

    other = jwt.encode(said, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": kid})
    token = {
        "nobody's key": other,
        "none": f"{part({'alg': 'none', 'kid': kid})}.{body}.",
        "no signature": f"{head}.{body}.",
        "another's signature": f"{head}.{body}.{bob.token.split('.')[2]}",
        "edited": f"{head}.{part(said | {'sub': str(bob.id)})}.{signature}",
        "public key as secret": f"{unsigned}.{by_public_key.decode()}",
    }[kind]
    for method, path in (
        ("GET", "/v1/usage"),
        ("GET", "/rest/v1/users?select=id"),
        ("POST", "/functions/v1/share-list"),
        ("GET", "/storage/v1/bucket"),
        ("GET", "/auth/v1/user"),
    ):
        answer = await api.request(method, path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == (403 if path.startswith("/auth") else 401), path


@pytest.mark.parametrize(
    "told", ["zq77x@ourmail.example", "zq77x", "ourmail", "+491711234567", "491711234567"]
)
async def test_no_search_tells_whose_a_locked_address_is(ann, world, owner, told):
    await owner.execute(
        "UPDATE app.contacts SET email = 'zq77x@ourmail.example', phone = '+491711234567' WHERE id = $1",
        world.contacts[0],
    )
    for body in (
        {"q": told},
        {"q": told, "explain": True},
        {"filters": {"contacts": {"include": {"names": [told]}}}},
        {"filters": {"contacts": {"include": {"titles": [told]}}}},
        {"filters": {"contacts": {"include": {"past_employers": [told]}}}},
        {"filters": {"organizations": {"include": {"names": [told]}}}},
    ):
        await nothing_happens(ann, "POST", SEARCH, json=body)
    for body in (
        {"filters": {"contacts": {"include": {"email": [told]}}}},
        {"filters": {"contacts": {"include": {"phone": [told]}}}},
        {"sort": "email"},
        {"sort": "-phone"},
        {"facets": ["email"]},
        {"facets": [{"field": "phone", "prefix": told}]},
    ):
        assert (await ann("POST", SEARCH, json=body)).status_code == 422, body
    for field in ("email", "phone"):
        completed = await ann("GET", "/v1/suggest", params={"field": field, "prefix": told})
        assert completed.status_code == 422
    everything = await ann("POST", SEARCH, json={"explain": True, "facets": ["seniorities", "email_status"]})
    assert told not in everything.text


async def test_what_ann_has_unlocked_bob_does_not_see_in_any_search(ann, bob, world, owner):
    await owner.execute(
        "INSERT INTO app.unlocks (user_id, contact_id, field) VALUES ($1, $2, 'email'), ($1, $2, 'phone')",
        ann.id,
        world.contacts[0],
    )
    for path, body in ((SEARCH, {"explain": True}), (f"/v1/contacts/{world.contacts[0]}", None)):
        method = "GET" if body is None else "POST"
        mine, his = [await person(method, path, json=body) for person in (ann, bob)]
        assert (mine.status_code, his.status_code) == (200, 200)
        assert "anna@acme.example" not in his.text
        assert "+493012345" not in his.text
    assert "anna@acme.example" in (await ann("GET", f"/v1/contacts/{world.contacts[0]}")).text


async def test_a_body_that_is_packed_is_no_json(ann, api):
    """Nothing is unpacked that a request may have packed, so nothing can burst."""
    good = gzip.compress(json.dumps({"q": ""}).encode())
    bomb = gzip.compress(b" " * 5_000_000)
    for content in (good, good[:-8], b"\x1f\x8b" + b"\xff" * 100, bomb):
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        for path in (SEARCH, "/rest/v1/lists", "/functions/v1/share-list"):
            answer = await ann("POST", path, content=content, headers=headers)
            assert 400 <= answer.status_code < 500, (path, answer.text)
        answer = await api.post("/auth/v1/token?grant_type=password", content=content, headers=headers)
        assert answer.status_code == 400
    assert (await ann("GET", "/v1/usage")).status_code == 200


@pytest.mark.parametrize("limit", ["1000000", "-1", "0", "all", "1e3", "99999999999999999999", ""])
async def test_a_page_has_its_limit(ann, limit):
    for path in ("/v1/lists", "/v1/credits/transactions", "/v1/hidden/contacts", "/v1/exports", "/v1/icps"):
        answer = await ann("GET", path, params={"limit": limit})
        assert answer.status_code in {404, 422}, path
    assert (await ann("POST", SEARCH, json={"limit": 1_000_000})).status_code == 422


async def test_an_error_that_nobody_foresaw_tells_nothing(ann, monkeypatch):
    async def broken(*_, **__):
        raise RuntimeError("SELECT secret FROM app.users; /home/leadfuel/api/app.py")

    monkeypatch.setattr("db.sessions.Database.fetch", broken)
    for path in ("/v1/usage", "/storage/v1/bucket"):
        answer = await ann("GET", path)
        assert answer.status_code == 500
        for word in ("SELECT", "secret", "/home", "RuntimeError", "Traceback"):
            assert word not in answer.text
    monkeypatch.undo()
    monkeypatch.setattr("api.faces.rest.serve.admit", broken)
    answer = await ann("GET", "/rest/v1/lists")
    assert answer.status_code == 500
    assert "SELECT" not in answer.text


async def test_nobody_elses_record_answers_whatever_is_asked_beside(ann, bob):
    """Ids in the body, in the query and in headers are no way to another's records."""
    theirs = await make(bob, "Bob's")
    said = {"user_id": str(bob.id), "owner_id": str(bob.id), "select": "*", "or": "(id.not.is.null)"}
    for method, path in (
        ("GET", f"/v1/lists/{theirs['id']}"),
        ("PATCH", f"/v1/lists/{theirs['id']}"),
        ("DELETE", f"/v1/lists/{theirs['id']}"),
        ("GET", f"/v1/lists/{theirs['id']}/members"),
    ):
        body = {"name": "mine now"} if method == "PATCH" else None
        plain = await ann(method, path, json=body)
        assert plain.status_code == 404, path
        asked = await ann(method, path, params=said, json=body, headers={"X-User-Id": str(bob.id)})
        assert asked.status_code in {404, 422}, path
    for headers in ({}, {"X-User-Id": str(bob.id)}):
        assert (await ann("GET", "/v1/lists", headers=headers)).json()["results"] == []
    assert (await ann("GET", "/v1/lists", params=said)).status_code == 422
