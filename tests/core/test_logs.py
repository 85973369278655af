"""Logs: one line an event, JSON for programs, words for people."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from core import logs


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    configured = structlog.get_config()
    yield
    root.handlers[:], root.level = before
    structlog.configure(**configured)
    structlog.contextvars.clear_contextvars()


def written(capsys) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_program_reads_one_json_object_a_line(capsys):
    logs.configure(json=True)
    logs.get_logger("domain.imports").info("import done", **{"job.name": "import", "duration_ms": 12})
    (line,) = written(capsys)
    assert line["event"] == "import done"
    assert line["level"] == "info"
    assert line["logger"] == "domain.imports"
    assert (line["job.name"], line["duration_ms"]) == ("import", 12)
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_write_through_the_same_door(capsys):
    logs.configure(json=True)
    logging.getLogger("sqlalchemy").warning("pool of %s", 10)
    (line,) = written(capsys)
    assert (line["event"], line["logger"]) == ("pool of 10", "sqlalchemy")


def test_what_is_bound_to_the_context_is_on_every_line(capsys):
    logs.configure(json=True)
    with structlog.contextvars.bound_contextvars(**{"request.id": "5d9e7c1f"}):
        logs.get_logger("api").info("request")
    logs.get_logger("api").info("later")
    inside, after = written(capsys)
    assert inside["request.id"] == "5d9e7c1f"
    assert "request.id" not in after


def test_an_exception_is_told_in_its_line(capsys):
    logs.configure(json=True)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logs.get_logger("api").exception("answer broke off")
    (line,) = written(capsys)
    assert "ZeroDivisionError" in str(line["exception"])


def test_a_person_reads_words(capsys):
    logs.configure(json=False)
    logs.get_logger("api").warning("redis does not answer")
    told = capsys.readouterr().err
    assert "redis does not answer" in told
    assert not told.startswith("{")


def test_less_than_the_least_severity_is_not_written(capsys):
    logs.configure(level="WARNING", json=True)
    logs.get_logger("api").info("request")
    assert written(capsys) == []


@pytest.mark.parametrize("name", ["opensearch", "httpx", "uvicorn.access"])
def test_libraries_that_log_every_request_are_quiet(capsys, name):
    logs.configure(level="DEBUG", json=True)
    logging.getLogger(name).info("POST /contacts/_search")
    assert written(capsys) == []


def test_configuring_twice_writes_once(capsys):
    logs.configure(json=True)
    logs.configure(json=True)
    logs.get_logger("api").info("once")
    assert len(written(capsys)) == 1
