"""An address with an account and one without: the same answer for the same work."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.api.faces.auth.face import PASSWORD


@contextmanager
def recorded(face, monkeypatch):
    """The statements that are sent and the runs of argon2id meanwhile."""
    statements: list[str] = []
    runs: list[str] = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    hasher = face.services.sign_in.hasher
    original = hasher._run

    async def counted(work, *arguments):
        runs.append(work.__name__)
        return await original(work, *arguments)

    monkeypatch.setattr(hasher, "_run", counted)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements, runs
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        monkeypatch.undo()


@pytest.mark.parametrize(
    "path, body, hashes",
    [
        ("/token?grant_type=password", {"password": "not it at all"}, ["_fits"]),
        ("/token?grant_type=password", {"password": "x" * 10_000}, ["_fits"]),
        ("/signup", {"password": PASSWORD}, ["hash"]),
        ("/recover", {}, []),
        ("/otp", {"create_user": False}, []),
        ("/otp", {"create_user": True}, []),
        ("/magiclink", {}, []),
        ("/resend", {"type": "signup"}, []),
        ("/verify", {"type": "email", "token": "123456"}, []),
    ],
)
async def test_known_and_unknown_addresses_are_the_same_work(face, monkeypatch, path, body, hashes):
    known = (await face.person())["user"]["email"]
    unknown = "x" * len(known.partition("@")[0]) + "@example.com"
    seen = []
    for email in (known, unknown):
        with recorded(face, monkeypatch) as (statements, runs):
            answer = await face("POST", path, json={"email": email, **body})
        told = answer.text.replace(email, "…")
        if path == "/signup":
            told = str({key: type(value).__name__ for key, value in answer.json().items()})
        else:
            told = told.replace(answer.headers["x-request-id"], "…")
        seen.append((answer.status_code, told, statements, runs))
    assert seen[0] == seen[1]
    assert seen[0][3] == hashes
    assert seen[0][2]
