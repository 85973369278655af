"""`leadfuel emails`, with a laboratory for the world outside."""

import asyncio
import json
import threading
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from cli.emails import emails
from db.sessions import SERVICE, Database
from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer


@contextmanager
def running(*domains):
    """A laboratory in a loop of its own, for commands bring their own loop."""
    ready, stop = threading.Event(), asyncio.Event()
    found = {}

    async def live():
        async with laboratory() as lab:
            for name, server in domains:
                await lab.domain(name, server)
            found["settings"] = lab.settings
            found["loop"] = asyncio.get_running_loop()
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert ready.wait(10)
    try:
        yield found["settings"]
    finally:
        found["loop"].call_soon_threadsafe(stop.set)
        thread.join(10)


def environment(settings, **more):
    return {
        "LEADFUEL_MAIL_RESOLVER": settings.resolver,
        "LEADFUEL_SMTP_PORT": str(settings.smtp_port),
        "LEADFUEL_SMTP_ALLOWED_NETWORKS": "127.0.0.0/8",
        "LEADFUEL_SMTP_COMMAND_TIMEOUT": "1",
        "LEADFUEL_SMTP_HELO": "probe.leadfuel.example",
        "REDIS_URL": "",
        **more,
    }


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADFUEL_HOME", str(tmp_path))
    monkeypatch.delenv("REDIS_URL", raising=False)
    return lambda args, env=None: CliRunner().invoke(emails, args, env=env or {}, catch_exceptions=False)


def test_an_address_is_checked_without_database_or_redis(run):
    with running(("corp-lab.com", MailServer({"anna": OK}))) as settings:
        env = environment(settings)
        result = run(["validate", "anna@corp-lab.com", "bob@corp-lab.com", "--json"], env)
        shown = run(["validate", "bob@corp-lab.com"], env)
    assert [found["is_reachable"] for found in json.loads(result.stdout)] == ["safe", "invalid"]
    assert "mailbox_not" in shown.stdout


def test_lists_are_shown_and_extended(run, tmp_path):
    before = json.loads(run(["lists", "--json"]).stdout)
    assert before["disposable"] > 5_000
    file = tmp_path / "more.txt"
    file.write_text("throwaway-lab.com  # seen today\n-mailinator.com\nfresh-lab.org\n")
    env = {"LEADFUEL_MAIL_LISTS": str(tmp_path / "lists")}
    assert run(["lists", "--add", "disposable", str(file)], env).exit_code == 0
    after = json.loads(run(["lists", "--json"], env).stdout)
    assert after["disposable"] == before["disposable"] + 1


def test_the_self_check_says_what_is_amiss(run):
    with running(("gmail.com", MailServer())) as settings:
        found = run(["selfcheck", "--json"], environment(settings))
    checks = {check["name"]: check["is_good"] for check in json.loads(found.stdout)}
    assert checks[f"port {settings.smtp_port}"] is True
    assert checks["address"] is False
    assert found.exit_code == 1
    assert run(["selfcheck"], {"LEADFUEL_SMTP_PORT": "0"}).exit_code == 1


@pytest.fixture
def catalogue(settings, clean_database):
    """Thirty companies with three known addresses each, and somebody whose address is sought."""

    async def fill():
        db = Database(settings.database)
        async with db.transaction(SERVICE) as session:
            for number in range(30):
                await session.execute(_COMPANY, {"id": number + 1, "domain": f"corp{number}-lab.com"})
                for first, last in (("Anna", "Keller"), ("Bernd", "Vogel"), ("Carla", "Stein")):
                    local = f"{first[0]}{last}" if number % 3 else f"{first}.{last}"
                    email = f"{local}@corp{number}-lab.com".lower()
                    values = {"company": number + 1, "first": first, "last": last, "email": email}
                    await session.execute(_PERSON, values)
        await db.close()

    asyncio.run(fill())
    return {
        "DATABASE_URL": settings.database.url,
        "LEADFUEL_PRIVACY_KEY": settings.privacy.hash_key,
        "REDIS_URL": "",
    }


_COMPANY = text(
    "INSERT INTO organizations (id, name, name_key, name_sort, domain, country) OVERRIDING SYSTEM VALUE"
    " VALUES (:id, :domain, :domain, :domain, :domain, 'DE')"
)
_PERSON = text(
    "INSERT INTO contacts (organization_id, first_name, last_name, email, email_status)"
    " VALUES (:company, :first, :last, :email, 'valid')"
)


def test_patterns_are_learned_measured_and_used(run, catalogue):
    nothing = run(["accuracy"], catalogue)
    assert "Nobody has reported" in nothing.stdout
    held = json.loads(run(["accuracy", "--held-back", "--json"], catalogue).stdout)
    assert held["trials"] == 90
    assert held["accuracy_at_1"] > held["baselines"]["first_last"]
    assert {"0", "1", "2-4"} == set(held["by_samples"])
    shown = run(["accuracy", "--held-back"], catalogue).stdout
    assert "90 addresses held back" in shown
    assert "majority" in shown
    assert json.loads(run(["accuracy", "--json"], catalogue).stdout)["versions"] == []  # nothing was kept
    [learned] = json.loads(run(["learn", "--json"], catalogue).stdout)
    [kept] = json.loads(run(["accuracy", "--json"], catalogue).stdout)["versions"]
    assert kept["version"] == learned["version"]
    assert kept["accuracy_at_1"] == learned["accuracy_at_1"]
    again = run(["learn", "--changed"], catalogue)
    assert (again.exit_code, "nothing has changed" in again.stderr) == (0, True)
    who = ["--first", "Nora", "--last", "Lind", "--domain"]
    found = json.loads(run(["find", *who, "corp1-lab.com", "--no-smtp", "--json"], catalogue).stdout)
    assert (found["email"], found["samples"]) == ("nlind@corp1-lab.com", 3)
    unknown = run(["find", *who, "elsewhere-lab.com", "--no-smtp"], catalogue)
    assert (unknown.exit_code, "nothing found" in unknown.stdout) == (1, True)
