"""What nobody should send: 4xx at once in the face's own shape, and never a 5xx."""

import json
from itertools import product

import pytest

from tests.api.faces.auth.face import code_of

ENDPOINTS = (
    ("POST", "/signup"),
    ("POST", "/token?grant_type=password"),
    ("POST", "/token?grant_type=refresh_token"),
    ("POST", "/token?grant_type=pkce"),
    ("POST", "/token?grant_type=id_token"),
    ("POST", "/recover"),
    ("POST", "/otp"),
    ("POST", "/magiclink"),
    ("POST", "/resend"),
    ("POST", "/verify"),
)
FIELDS = (
    "email",
    "password",
    "token",
    "token_hash",
    "type",
    "id_token",
    "provider",
    "refresh_token",
    "auth_code",
    "code_verifier",
)
BODIES = {
    "empty": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "text": b'"x"',
    "not UTF-8": b'{"email": "\xff"}',
    "deep": b'{"data": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "NaN": b'{"email": NaN}',
    "a huge number": b'{"email": ' + b"9" * 5_000 + b"}",
    "huge": b'{"email": "' + b"x" * 70_000 + b'"}',
    "a lone surrogate": b'{"email": "\\ud800@example.com", "password": "\\ud800"}',
    "NUL": json.dumps(dict.fromkeys(FIELDS, "a\0b")).encode(),
    "wrong types": json.dumps({name: {"a": 1} for name in FIELDS}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
async def test_bodies_that_cannot_be_read(face, name):
    for method, path in ENDPOINTS:
        answer = await face(
            method, path, content=BODIES[name], headers={"Content-Type": "application/json;charset=UTF-8"}
        )
        status, _ = code_of(answer)
        assert 400 <= status < 500, (path, answer.text)


async def test_only_json_is_taken(face):
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/xml", ""):
        answer = await face(
            "POST", "/token?grant_type=password", content=b"{}", headers={"Content-Type": content_type}
        )
        assert code_of(answer) == (415, "bad_json")


@pytest.mark.parametrize("value", ["%00", "%ed%a0%80", "x" * 5_000, "%ff", "[]", "'%20or%201=1--"])
async def test_parameters_that_cannot_be_read(face, value):
    for path in (
        f"/verify?token={value}&type={value}&redirect_to={value}",
        f"/authorize?provider={value}&redirect_to={value}&scopes={value}",
        f"/callback?state={value}&code={value}&error={value}",
        f"/token?grant_type={value}",
        f"/user?x={value}",
        f"/logout?scope={value}",
        f"/admin/users/{value if len(value) < 100 else 'x'}",
    ):
        for method in ("GET", "POST"):
            answer = await face(method, path)
            assert answer.status_code < 500, (path, answer.text)


async def test_what_there_is_not_is_said_in_the_clients_shape(face):
    assert code_of(await face("GET", "/nothing")) == (404, "not_found")
    assert code_of(await face("POST", "/passkeys")) == (404, "not_found")
    assert code_of(await face("DELETE", "/signup"))[0] == 405


async def test_an_error_tells_nothing_of_the_inside(face, monkeypatch):
    async def broken(*_, **__):
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    monkeypatch.setattr("domain.auth.signing_in.with_password", broken)
    answer = await face("POST", "/token?grant_type=password", json={"email": "a@b.com", "password": "x"})
    assert code_of(answer) == (500, "unexpected_failure")
    assert "SELECT" not in answer.text
    assert "passwd" not in answer.text


async def test_a_page_elsewhere_may_send_what_the_clients_send(open_face):
    async with open_face(cors_origins="https://front.example") as face:
        sent = (
            "authorization,apikey,content-type,accept,accept-profile,content-profile,prefer,range,range-unit,"
            "x-client-info,x-supabase-api-version,x-retry-count,x-region,x-upsert,cache-control"
        )
        headers = {"Origin": "https://front.example", "Access-Control-Request-Headers": sent}
        paths = (
            "/auth/v1/signup",
            "/rest/v1/lists",
            "/functions/v1/share-list",
            "/storage/v1/object/sign/e/x",
        )
        for path, method in product(paths, ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")):
            answer = await face.http.options(
                path, headers=headers | {"Access-Control-Request-Method": method}
            )
            assert answer.status_code < 300, (path, method)
            assert set(sent.split(",")) <= _names(answer, "access-control-allow-headers")
            assert method.lower() in _names(answer, "access-control-allow-methods")
        for path in ("/auth/v1/settings", "/rest/v1/plans?select=id"):
            answer = await face.http.get(path, headers={"Origin": "https://front.example"})
            assert {
                "content-range", "content-location", "location", "range-unit", "preference-applied",
                "x-supabase-api-version", "x-sb-error-code", "x-relay-error",
            } <= _names(answer, "access-control-expose-headers")  # fmt: skip
        answer = await face("GET", "/settings", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


def _names(answer, header):
    return {name.strip().lower() for name in answer.headers[header].split(",")}
