import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from cli import context
from cli.context import NoDatabase
from core.settings import Settings
from embedded import state as states
from embedded.state import Part


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An environment without URLs, whose stack's home is an empty folder."""
    for name in [name for name in os.environ if name.endswith("_URL") or name.startswith("LEADFUEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LEADFUEL_HOME", str(tmp_path))
    return tmp_path


def remember(home, **parts):
    states.load_or_create(home)
    for name, part in parts.items():
        states.set_part(home, name, part)


def test_without_a_stack_there_are_settings_and_no_database(home):
    settings = context.load_settings()
    assert settings.database.url == ""
    with pytest.raises(NoDatabase, match="leadfuel stack up"):
        context.require_database(settings)


def test_urls_and_secrets_come_from_the_remembered_stack(home):
    remember(
        home,
        redis=Part(condition="running", port=1111),
        opensearch=Part(condition="starting", port=2222),
    )
    settings = context.load_settings()
    assert settings.redis.url.endswith("@127.0.0.1:1111/0")
    assert settings.opensearch.url == "http://127.0.0.1:2222"
    assert settings.auth.jwt_secret == states.load(home).secrets.jwt_secret
    assert settings.privacy.hash_key == states.load(home).secrets.privacy_key


def test_the_environment_goes_before_the_stack(home, monkeypatch):
    remember(home, redis=Part(condition="running", port=1111))
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:6379/3")
    monkeypatch.setenv("LEADFUEL_JWT_SECRET", "x" * 40)
    settings = context.load_settings()
    assert settings.redis.url == "redis://elsewhere:6379/3"
    assert settings.auth.jwt_secret == "x" * 40


def test_an_empty_variable_does_not_hide_the_stack(home, monkeypatch):
    remember(home, redis=Part(condition="running", port=1111))
    monkeypatch.setenv("REDIS_URL", "")
    assert context.load_settings().redis.url.endswith(":1111/0")


def test_a_database_whose_process_is_gone_is_no_database(home):
    remember(home, postgres=Part(condition="running", port=1111, pid=2**22, started=1.0))
    with pytest.raises(NoDatabase):
        context.require_database(context.load_settings())


def test_parts_that_are_not_there_have_no_url(home):
    remember(
        home,
        redis=Part(condition="stopped", port=1111),
        opensearch=Part(condition="unavailable", port=2222),
    )
    settings = context.load_settings()
    assert settings.redis.url == settings.opensearch.url == ""


def test_a_named_database_is_taken_at_its_word():
    settings = Settings()
    settings = replace(settings, database=replace(settings.database, url="postgresql://x/y"))
    assert context.require_database(settings) is settings


def test_who_serves_or_works_does_not_keep_the_owners_login(monkeypatch):
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://owner@x/y")
    settings = context.without_owner(Settings.from_env())
    assert settings.database.migration_url == ""
    assert "MIGRATION_DATABASE_URL" not in os.environ


def test_run_returns_what_the_coroutine_returns():
    async def answer():
        await asyncio.sleep(0)
        return 42

    # A fresh process would be slow, and this thread has a loop of the test run.
    import threading  # noqa: PLC0415

    results = []
    thread = threading.Thread(target=lambda: results.append(context.run(answer())))
    thread.start()
    thread.join()
    assert results == [42]


def test_ctrl_c_cleans_up_and_exits_with_130(tmp_path):
    code = (
        "import asyncio, sys\n"
        "from cli.context import run\n"
        "async def main():\n"
        "    print('on', flush=True)\n"
        "    try:\n"
        "        await asyncio.sleep(60)\n"
        "    finally:\n"
        "        print('cleaned', flush=True)\n"
        "run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "on\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, complaint = process.communicate(timeout=20)
    assert process.returncode == 130
    assert output == "cleaned\n"
    assert complaint == ""
