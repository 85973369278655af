"""Requests whose answers PostgREST's documentation and specification determine, from `corpus/*.toml`.

Every expectation was written from the page that its section cites, none was taken from an answer of ours.
Pages are those of https://postgrest.org/en/stable, "specification" is PostgREST's own test suite (test/spec).
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.api.faces.rest.world import NAMES, write_world

FILES: Final = sorted(Path(__file__).with_name("corpus").glob("*.toml"))
VERBS: Final = ("get", "head", "post", "patch", "put", "delete", "options")
KEYS: Final = {
    *VERBS, "as", "body", "type", "prefer", "accept", "range_sent", "headers_sent",
    "status", "json", "ids", "text", "range", "headers", "absent", "code", "message", "details", "hint",
    "then", "then_json", "then_as",
}  # fmt: skip


def cases() -> Iterator[Any]:
    for file in FILES:
        for section in tomllib.loads(file.read_text(encoding="utf-8"))["section"]:
            for case in section["cases"]:
                verb = next(verb for verb in VERBS if verb in case)
                name = f"{file.stem}: {verb.upper()} {case[verb]} {case.get('prefer', '')}"
                yield pytest.param(case, id=name.strip()[:160])


def test_the_corpus_is_large_and_each_of_its_keys_means_something():
    found = [case.values[0] for case in cases()]
    assert len(found) >= 300
    assert not {key for case in found for key in case} - KEYS


@pytest.fixture
async def world_afterwards(owner):
    """The world as it was, for whoever comes after a change."""
    changed = []
    yield changed
    if changed:
        await write_world(owner)


@pytest.mark.parametrize("case", list(cases()))
async def test_a_request_is_answered_as_it_is_specified(case, ask, world_afterwards):
    verb = next(verb for verb in VERBS if verb in case)
    headers = dict(case.get("headers_sent", {}))
    for name, key in (("Prefer", "prefer"), ("Accept", "accept"), ("Range", "range_sent")):
        if key in case:
            headers[name] = case[key]
    content = None
    if "body" in case:
        headers.setdefault("Content-Type", case.get("type", "application/json"))
        content = named(case["body"]).encode()
    asker = getattr(ask, case.get("as", "ann"))
    response = await asker(verb.upper(), named(case[verb]), headers=headers, content=content)
    if verb not in ("get", "head", "options") and response.status_code < 300:
        world_afterwards.append(case)
    assert response.status_code == case.get("status", 200), response.text
    judge(case, response)
    if "then" in case:
        after = await getattr(ask, case.get("then_as", "ann"))("GET", named(case["then"]))
        assert after.json() == json.loads(named(case["then_json"]))


def judge(case: dict[str, Any], response) -> None:
    if "json" in case:
        assert like(response.json(), json.loads(named(case["json"]))), response.text
    if "ids" in case:
        assert [row["id"] for row in response.json()] == case["ids"]
    if "text" in case:
        assert response.text == named(case["text"])
    if "range" in case:
        assert response.headers["content-range"] == case["range"]
    for name, value in case.get("headers", {}).items():
        assert response.headers[name] == named(value)
    for name in case.get("absent", ()):
        assert name not in response.headers
    if response.status_code >= 300 and response.request.method != "HEAD":
        assert response.json().keys() == {"code", "message", "details", "hint"}
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        assert response.headers["proxy-status"] == f"PostgREST; error={response.json()['code']}"
    for name in ("code", "message", "details", "hint"):
        if name in case:
            assert response.json()[name] == named(case[name])


def like(found: Any, wanted: Any) -> bool:
    """Equal, with "<any>" for what differs each time."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() == wanted.keys() and all(like(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(like, found, wanted))
    return wanted == "<any>" or (found == wanted and type(found) is type(wanted))


def named(text: str) -> str:
    """The text with the ids that its <names> stand for."""
    for name, value in NAMES.items():
        text = text.replace(f"<{name}>", value)
    return text
