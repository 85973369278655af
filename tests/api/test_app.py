"""What holds for every route: errors, headers, ids, limits, and input of the worst kind."""

import asyncio
import json
import random
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Request, get
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from api import problems
from api.app import OPERATIONS, create_app
from api.operations import client_address
from core import clock
from core.errors import LeadFuelError
from core.ids import UserId
from core.settings import AuthSettings, BadSetting, DatabaseSettings
from domain import tokens

JSON = {"Content-Type": "application/json"}
SEARCH = "/v1/contacts/search"


def is_problem(response: httpx.Response, status: int, slug: str | None = None) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert set(body) <= {"type", "title", "status", "detail", "request_id", "errors", "facts"}
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    if slug:
        assert body["type"] == f"/problems/{slug}"
    return body


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/v1/contacts/search/deeper", "/nothing", "/v1/%00"])
async def test_an_unknown_path_is_a_problem(api, path):
    is_problem(await api.get(path), 404, "not-found")


async def test_a_wrong_verb_is_a_problem_and_names_the_right_ones(api):
    response = await api.put(SEARCH)
    is_problem(response, 405, "method-not-allowed")
    assert set(response.headers["allow"].split(", ")) == {"OPTIONS", "POST"}
    options = await api.options("/v1/hidden/contacts/1")
    assert (options.status_code, options.headers["allow"]) == (204, "DELETE, OPTIONS, PUT")


@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.access != "public"], ids=lambda op: op.name)
async def test_every_route_wants_a_token(api, op):
    response = await api.request(op.method, re.sub(r"{\w+}", "1", op.path))
    assert response.status_code == 401
    assert "unauthenticated" in response.text
    assert response.headers["content-type"] == problems.face_of(op.path).media_type
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic YTpi", "Bearer x.y.z", "nonsense", "Bearer \x7f"]
)
async def test_a_header_without_a_good_token_is_refused(api, header):
    assert (await api.get("/v1/usage", headers={"Authorization": header})).status_code == 401


async def test_the_scheme_is_not_case_sensitive(api, ann):
    assert (await api.get("/v1/usage", headers={"Authorization": f"bearer {ann.token}"})).status_code == 200


async def test_a_token_of_nobody_is_refused(api, ring):
    token = (await tokens.mint(ring, user_id=UserId(UUID(int=0)))).text
    is_problem(await api.get("/v1/usage", headers={"Authorization": f"Bearer {token}"}), 401)


async def test_an_expired_token_is_refused(ann):
    with clock.shifted(timedelta(days=2)):
        is_problem(await ann("GET", "/v1/usage"), 401, "bad-token")


async def test_a_role_in_the_token_gives_no_rights(api, ring, ann):
    claimed = {
        "role": "service_role",
        "user_role": "admin",
        "is_admin": True,
        "app_metadata": {"role": "admin"},
    }
    token = (await tokens.mint(ring, user_id=ann.id, claims=claimed)).text
    for op in (op for op in OPERATIONS if op.access == "admin"):
        path = re.sub(r"{\w+}", "1", op.path)
        response = await api.request(op.method, path, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code in {403, 404}, op.name


@pytest.mark.parametrize(
    "given, kept",
    [("an-id-of-mine", True), ("short", False), ("with space inside", False), ("x" * 65, False)],
)
async def test_a_request_has_an_id(api, given, kept):
    response = await api.get("/health/live", headers={"X-Request-ID": given})
    assert (response.headers["x-request-id"] == given) is kept
    assert len(response.headers["x-request-id"]) >= 8


@pytest.mark.parametrize("path", ["/health/live", "/v1/usage", "/v1/nothing", "/openapi.json"])
async def test_the_fixed_headers_are_on_every_answer(api, path):
    headers = (await api.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


async def test_a_request_is_logged_without_its_ids_and_parameters(ann, world):
    with capture_logs() as logs:
        await ann("GET", f"/v1/contacts/{world.contacts[0]}")
        await ann("GET", "/v1/hidden/contacts?limit=7")
    written = json.dumps(logs, default=str)
    assert "/v1/contacts/{contact_id}" in written
    assert f"/v1/contacts/{world.contacts[0]}" not in written
    assert "limit=7" not in written
    assert ann.token not in written
    assert ann.user.email not in written


class TestBadInput:
    """Each is a 4xx problem at once, and the server lives."""

    @pytest.fixture(autouse=True)
    async def _lives_on(self, ann):
        yield
        assert (await ann("GET", "/v1/usage")).status_code == 200

    @pytest.mark.parametrize(
        "body, status",
        [
            (b"", 400),
            (b"{", 400),
            (b"nonsense", 400),
            (b'{"q": NaN}', 400),
            (b'{"q": -Infinity}', 400),
            (b'{"q": "\xff"}', 400),
            (b'{"q": "\\ud800"}', 400),
            (b'{"q": "\xed\xa0\x80"}', 400),
            (b'{"q": "a\x00b"}', 400),
            (b'{"q": "a\\u0000b"}', 422),
            (b'{"filters": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", 400),
            (b"[" * 1_000_000, 400),
            (b"[]", 422),
            (b"null", 422),
            (b'"q"', 422),
            (b'{"q": "' + b"a" * 10_000 + b'"}', 422),
            (b'{"limit": 0}', 422),
            (b'{"limit": 501}', 422),
            (b'{"limit": "25"}', 422),
            (b'{"limit": 2.5}', 422),
            (b'{"limit": true}', 422),
            (b'{"limit": 1e400}', 422),
            (b'{"limit": 99999999999999999999999999}', 422),
            (b'{"limit": null}', 422),
            (b'{"hidden": "no"}', 422),
            (b'{"filters": []}', 422),
            (b'{"in_lists": ["not-a-uuid"]}', 422),
            (b'{"unknown": 1}', 422),
            (b'{"filters": {"contacts": {"include": {"titels": ["CTO"]}}}}', 422),
            (b'{"filters": {"contacts": {"include": {"titles": "CTO"}}}}', 422),
            (b'{"filters": {"contacts": {"include": {"seniorities": ["vice"]}}}}', 422),
            (b'{"filters": {"organizations": {"include": {"num_employees": {"min": 10, "max": 1}}}}}', 422),
            (b'{"facets": ["seniorites"]}', 422),
            (b'{"sort": "nme"}', 422),
            (b'{"sort": "name; drop table contacts"}', 422),
            (b'{"cursor": "forged"}', 422),
            (b'{"cursor": "!"}', 422),
        ],
        ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else None,
    )
    async def test_a_body_that_cannot_be_is_refused(self, ann, body, status):
        response = await ann("POST", SEARCH, content=body, headers=JSON)
        problem = is_problem(response, status)
        if status == 422:
            assert problem.get("errors") or problem.get("facts"), problem

    async def test_a_thousand_and_one_domains_are_too_many(self, ann):
        domains = [f"d{i}.example" for i in range(1_001)]
        body = {"filters": {"organizations": {"include": {"domains": domains}}}}
        problem = is_problem(await ann("POST", SEARCH, json=body), 422)
        assert problem["errors"][0]["path"] == "filters.organizations.include.domains"

    async def test_an_unknown_filter_is_named_with_the_nearest(self, ann):
        body = {"filters": {"contacts": {"include": {"senoirities": ["vp"]}}}}
        (error,) = is_problem(await ann("POST", SEARCH, json=body), 422)["errors"]
        assert error["path"] == "filters.contacts.include.senoirities"
        assert error["allowed"][0] == "seniorities"

    async def test_an_unknown_value_is_named_with_the_nearest(self, ann):
        body = {"filters": {"contacts": {"exclude": {"seniorities": ["vp", "directr"]}}}}
        (error,) = is_problem(await ann("POST", SEARCH, json=body), 422)["errors"]
        assert error["path"] == "filters.contacts.exclude.seniorities[1]"
        assert error["allowed"][0] == "director"

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "text/plain",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/jsonp",
        ],
    )
    async def test_another_content_type_is_refused(self, ann, content_type):
        response = await ann("POST", SEARCH, content=b'{"q": "x"}', headers={"Content-Type": content_type})
        is_problem(response, 415, "wrong-content-type")

    @pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
    async def test_json_by_any_spelling_is_taken(self, ann, content_type):
        response = await ann("POST", SEARCH, content=b'{"q": ""}', headers={"Content-Type": content_type})
        assert response.status_code == 200

    async def test_twenty_megabytes_are_refused_with_and_without_a_length(self, ann):
        is_problem(await ann("POST", SEARCH, content=b" " * 20_000_000, headers=JSON), 413, "too-large")

        async def pieces():
            for _ in range(20):
                yield b" " * 1_000_000

        is_problem(await ann("POST", SEARCH, content=pieces(), headers=JSON), 413, "too-large")

    @pytest.mark.parametrize(
        "record",
        ["0", "-1", "2147483648", "9" * 30, "abc", "1.5", "1e3", "%00", "1%27--", "1;drop", "..", "٣", "+1"],
    )
    async def test_a_path_that_names_no_record_is_404(self, ann, record):
        for noun in ("contacts", "organizations"):
            is_problem(await ann("GET", f"/v1/{noun}/{record}"), 404)
            is_problem(await ann("PUT", f"/v1/hidden/{noun}/{record}"), 404)

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=501",
            "limit=five",
            "limit=",
            "limit=5&limit=6",
            "limit=%00",
            "limit=%ff",
            "limt=5",
            "cursor=",
            "cursor=forged",
            "cursor=%F0%9F%98%80",
            "cursor=" + "A" * 500,
            "cursor=WyJoaWRkZW5fY29udGFjdHMiLCAtMV0",
            "cursor=WyJoaWRkZW5fY29udGFjdHMiLCAiYSJd",
            "&".join(f"a{i}=1" for i in range(100)),
        ],
    )
    async def test_a_query_that_cannot_be_is_refused(self, ann, query):
        is_problem(await ann("GET", f"/v1/hidden/contacts?{query}"), 422)

    async def test_parameters_nobody_asked_for_are_refused(self, ann):
        is_problem(await ann("GET", "/v1/usage?verbose=1"), 422)

    @pytest.mark.parametrize(
        "text",
        [
            'title:"x" OR *:*',
            "(((( AND ]]] ~2^9",
            "/.*/",
            "%",
            "_",
            "100%\\",
            "a & b | !c <-> d:*",
            "'; DROP TABLE app.contacts; --",
            "${jndi:ldap://x}",
            "{{7*7}}",
            "\\",
            "\u202e\u200b\ufeff",
            "😀",
            "*",
            "a" * 500,
        ],
    )
    @pytest.mark.usefixtures("world")
    async def test_syntax_of_any_kind_is_just_text(self, ann, text):
        value = text[:200].strip() or "x"
        body = {"q": text, "filters": {"contacts": {"include": {"titles": [value], "names": [value]}}}}
        response = await ann("POST", SEARCH, json=body)
        assert response.status_code in {200, 422}, response.text
        if response.status_code == 200:
            assert response.json()["total_entries"] == 0


class TestLimits:
    @pytest.fixture
    async def limited(self, api_settings, run_app):
        settings = replace(api_settings, api=replace(api_settings.api, requests_per_minute=3))
        app = create_app(settings)
        async with run_app(app) as client:
            # The middle of a minute that nobody else counts in.
            minute = random.randrange(10**6, 10**7) * 60
            app.state.services.limiter._wall_clock = lambda: minute + 30.0
            yield client

    async def test_the_fourth_request_of_a_minute_is_one_too_many(self, limited, ann, bob):
        answers = [await limited.get("/v1/usage", headers=ann.headers) for _ in range(4)]
        counts = [(answer.status_code, answer.headers["ratelimit-remaining"]) for answer in answers]
        assert counts == [(200, "2"), (200, "1"), (200, "0"), (429, "0")]
        problem = is_problem(answers[-1], 429, "too-many-requests")
        assert answers[-1].headers["retry-after"] == "30"
        assert problem["facts"]["limit"] == 3
        # Another route, and another user, have their own count.
        assert (await limited.get("/v1/hidden/contacts", headers=ann.headers)).status_code == 200
        assert (await limited.get("/v1/usage", headers=bob.headers)).status_code == 200

    async def test_guessing_tokens_is_limited_by_address(self, limited):
        statuses = []
        for i in range(4):
            headers = {"Authorization": "Bearer x.y.z", "X-Forwarded-For": f"10.0.0.{i}"}
            statuses.append((await limited.get("/v1/usage", headers=headers)).status_code)
        assert statuses == [401, 401, 401, 429]

    async def test_without_redis_requests_are_answered_and_counted(
        self, api_settings, run_app, ann, a_free_port
    ):
        settings = replace(
            api_settings, redis=replace(api_settings.redis, url=f"redis://127.0.0.1:{a_free_port}/0")
        )
        app = create_app(settings)
        async with run_app(app) as api:
            assert (await api.get("/v1/usage", headers=ann.headers)).status_code == 200
            usage = (await api.get("/v1/usage", headers=ann.headers)).json()
            assert usage["counted_by"] == "process"
            assert next(r["used"] for r in usage["routes"] if r["operation"] == "show_usage") == 2
            ready = (await api.get("/health/ready")).json()
            assert ready["status"] == "degraded"
            assert ready["parts"]["redis"]["status"] == "down"


class TestProxies:
    @pytest.mark.parametrize(
        "hops, forwarded, who",
        [
            (0, "1.1.1.1", "127.0.0.1"),
            (1, "1.1.1.1", "1.1.1.1"),
            (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
            (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
            (2, "1.1.1.1", "127.0.0.1"),
            (1, "", "127.0.0.1"),
        ],
    )
    async def test_only_trusted_proxies_are_believed(self, api_settings, run_app, hops, forwarded, who):
        settings = replace(api_settings, api=replace(api_settings.api, trusted_proxies=hops))
        app = create_app(settings)

        @get("/who", status_code=200)
        async def whose(request: Request) -> str:
            return client_address(request)

        app.register(whose)
        async with run_app(app) as api:
            response = await api.get("/who", headers={"X-Forwarded-For": forwarded})
            assert response.text == who


class TestOwnFaults:
    @pytest.fixture
    def broken(self, app, monkeypatch):
        def breaking(error: Exception):
            async def fail(*_args, **_kwargs):
                raise error

            monkeypatch.setattr(app.state.services.searcher, "search", fail)

        return breaking

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("secret at /srv/leadfuel SELECT * FROM app.users"),
            LeadFuelError("secret at /srv/leadfuel"),
            BadSetting("secret at /srv/leadfuel"),
            RecursionError(),
            KeyError("secret"),
        ],
    )
    async def test_an_unforeseen_error_leaves_with_an_id_and_nothing_else(self, ann, broken, error):
        broken(error)
        with capture_logs() as logs:
            response = await ann("POST", SEARCH, json={})
        problem = is_problem(response, 500, "internal")
        assert "secret" not in response.text
        assert "SELECT" not in response.text
        assert len([entry for entry in logs if entry["log_level"] == "error"]) == 1
        assert problem["request_id"]

    async def test_a_lost_database_is_unavailable(self, ann, broken):
        broken(OperationalError("SELECT secret", {}, ConnectionError("secret")))
        with capture_logs() as logs:
            response = await ann("POST", SEARCH, json={})
        is_problem(response, 503, "unavailable")
        assert "secret" not in f"{response.text} {logs}"
        lines = [(e["kind"], "exc_info" in e) for e in logs if e["log_level"] in {"warning", "error"}]
        assert lines == [("OperationalError", False)]  # no traceback: nothing is there to mend

    async def test_a_failed_commit_is_a_clean_error_and_writes_nothing(self, ann, world, monkeypatch, app):
        database = app.state.services.database
        original = database.transaction

        @asynccontextmanager
        async def failing(*args, **kwargs):
            async with original(*args, **kwargs) as session:
                yield session
                if not kwargs.get("read_only"):
                    raise RuntimeError("the commit failed")

        monkeypatch.setattr(database, "transaction", failing)
        is_problem(await ann("PUT", f"/v1/hidden/contacts/{world.contacts[0]}"), 500, "internal")
        monkeypatch.undo()
        assert (await ann("GET", "/v1/hidden/contacts")).json()["results"] == []


async def test_every_kind_of_problem_has_a_page(api):
    for slug in problems.kinds():
        page = await api.get(f"/problems/{slug}")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
    assert (await api.get("/problems")).status_code == 200
    is_problem(await api.get("/problems/nothing"), 404)


async def test_origins_are_foreign_unless_named(api, api_settings, run_app):
    origin = {"Origin": "https://crm.example"}
    preflight = origin | {"Access-Control-Request-Method": "GET"}
    assert "access-control-allow-origin" not in (await api.options("/v1/usage", headers=preflight)).headers
    settings = replace(
        api_settings, api=replace(api_settings.api, cors_origins="https://crm.example, https://b.example")
    )
    app = create_app(settings)
    async with run_app(app) as own:
        allowed = await own.options("/v1/usage", headers=preflight)
        assert allowed.headers["access-control-allow-origin"] == "https://crm.example"
        foreign = await own.options("/v1/usage", headers=preflight | {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize("secret", ["", "short"])
def test_no_app_without_a_real_secret(api_settings, secret):
    with pytest.raises(BadSetting, match="LEADFUEL_JWT_SECRET"):
        create_app(replace(api_settings, auth=AuthSettings(jwt_secret=secret)))


async def test_many_at_once_do_not_mix_users(ann, bob, world):
    async def hide_and_list(person, contact):
        assert (await person("PUT", f"/v1/hidden/contacts/{contact}")).status_code == 204
        return [r["id"] for r in (await person("GET", "/v1/hidden/contacts")).json()["results"]]

    for _ in range(5):
        hers, his = await asyncio.gather(
            hide_and_list(ann, world.contacts[0]), hide_and_list(bob, world.contacts[1])
        )
        assert (hers, his) == ([world.contacts[0]], [world.contacts[1]])


class TestHealth:
    async def test_live(self, api):
        assert (await api.get("/health/live")).json() == {"status": "ok"}

    async def test_without_opensearch_it_is_degraded_and_says_what_searches(self, api):
        response = await api.get("/health/ready")
        assert response.status_code == 200
        body = response.json()
        assert (body["status"], body["search"]) == ("degraded", "pg_trgm")
        assert body["parts"]["database"]["status"] == "ok"
        assert body["parts"]["redis"]["status"] == "ok"
        assert body["parts"]["opensearch"]["status"] == "off"

    async def test_without_a_database_it_is_down(self, api_settings, run_app, a_free_port, ring):
        token = (await tokens.mint(ring, user_id=UserId(uuid4()))).text
        lost = DatabaseSettings(url=f"postgresql://nobody@127.0.0.1:{a_free_port}/nothing")
        app = create_app(replace(api_settings, database=lost))
        async with run_app(app) as api:
            response = await api.get("/health/ready")
            assert response.status_code == 503
            assert response.json()["status"] == "down"
            assert (await api.get("/health/live")).status_code == 200
            refused = await api.get("/v1/usage", headers={"Authorization": f"Bearer {token}"})
            is_problem(refused, 503, "unavailable")
