"""`leadfuel import` as a person types it."""

import csv
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.main import leadfuel

pytestmark = pytest.mark.usefixtures("clean_database")

PEOPLE = """Vorname;Nachname;E-Mail;Firma;Mitarbeiter
Anna;Müller;anna@acme.example;Acme GmbH;12
Jörg;Weiß;not an address;Acme GmbH;12
;;;;
"""


@pytest.fixture
def environment(settings):
    return {
        "DATABASE_URL": settings.database.url,
        "LEADFUEL_PRIVACY_KEY": settings.privacy.hash_key,
        "LEADFUEL_HOME": str(settings.stack.home),
    }


@pytest.fixture
def leadfuel_import(environment):
    def run(*arguments, text=None):
        return subprocess.run(
            [sys.executable, "-m", "cli.main", "import", *map(str, arguments)],
            env=os.environ | environment,
            input=text.encode() if isinstance(text, str) else text,
            capture_output=True,
            timeout=120,
            check=False,
        )

    return run


def test_a_file_is_imported_and_told_of(leadfuel_import, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE, encoding="cp1252")
    done = leadfuel_import("contacts", file)
    assert done.returncode == 0, done.stderr
    told = done.stdout.decode()
    assert "Vorname → first_name" in told
    assert "2 read, 2 created, 1 values dropped, 1 organizations created" in " ".join(told.split())
    again = leadfuel_import("contacts", file)
    assert "Nothing changed." in again.stdout.decode()


def test_a_dry_run_shows_the_first_rows_and_writes_nothing(leadfuel_import):
    done = leadfuel_import("contacts", "-", "--dry-run", text=PEOPLE)
    told = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert "first_name" in told
    assert "Anna" in told
    assert "Nothing was written" in told
    summary = json.loads(leadfuel_import("contacts", "-", "--dry-run", "--json", text=PEOPLE).stdout)
    assert summary["counts"]["created"] == 2
    assert summary["source"] == "stdin"


def test_rejects_go_to_a_file(leadfuel_import, tmp_path):
    file = tmp_path / "rejects.csv"
    text = 'name,email\n"Anna Müller",nonsense\n,\n-,\n"Line\nbreak",b@acme.example\n?,\nJo,a,b\n'
    done = leadfuel_import("contacts", "-", "--rejects", file, "--json", text=text)
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(file.read_text("utf-8").splitlines()))
    assert rows[0] == ["line", "column", "kind", "reason", "original"]
    assert rows[1][:4] == ["2", "email", "value", "'nonsense' is not an e-mail address"]
    assert [row[0] for row in rows[1:]] == sorted((row[0] for row in rows[1:]), key=int)
    assert {"row"} == {row[2] for row in rows[2:]}
    assert rows[-1][0] == "8"
    assert rows[-1][4] == "Jo,a,b"


def test_what_is_no_table_is_refused(leadfuel_import, tmp_path):
    file = tmp_path / "picture.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    done = leadfuel_import("contacts", file)
    assert done.returncode == 1
    assert b"PNG" in done.stderr
    assert leadfuel_import("contacts", tmp_path / "absent.csv").returncode == 1


def test_help_names_the_three_kinds():
    told = CliRunner().invoke(leadfuel, ["import", "--help"]).output
    assert all(word in told for word in ("organizations", "contacts", "employment"))
