import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from embedded import folders
from embedded import stack as stacks

COMMAND = [sys.executable, "-m", "cli.main"]
ROOT = Path(__file__).resolve().parents[2]


def environ(home, **more):
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return {**kept, "LEADFUEL_HOME": str(home), "PYTHONPATH": str(ROOT), **more}


def leadfuel(*words, home, **more):
    return subprocess.run(
        [*COMMAND, *words],
        env=environ(home, **more),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    yield home
    if (home / "stack.json").exists():
        try:
            stacks.delete(home)
        except stacks.states.BrokenStack:
            shutil.rmtree(home)
    shutil.rmtree(folders.system_folder(home), ignore_errors=True)


def test_help_of_every_verb():
    for verb in ("up", "down", "status", "env"):
        outcome = leadfuel("stack", verb, "--help", home="/nonexistent")
        assert outcome.returncode == 0
        assert "Usage: leadfuel stack" in outcome.stdout


def test_up_without_jars_is_a_success_that_says_so(home, tmp_path):
    outcome = leadfuel(
        "stack", "up", home=home, LEADFUEL_MAVEN_URL="http://127.0.0.1:1/m", M2_REPO=str(tmp_path / "m2")
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "OpenSearch: unavailable: the jars are not on this machine" in outcome.stdout
    assert "PostgreSQL: ready on port" in outcome.stdout

    shown = leadfuel("stack", "status", home=home).stdout
    assert "unavailable" in shown
    assert "http://127.0.0.1:1/m cannot be reached" in " ".join(shown.split())
    assert "Searches are answered by PostgreSQL" in shown

    told = json.loads(leadfuel("stack", "status", "--json", home=home).stdout)
    assert told["healthy"] is True
    assert [part["condition"] for part in told["parts"]] == ["running", "running", "unavailable"]
    secrets = stacks.states.load(home).secrets
    for field in secrets.__slots__:
        assert getattr(secrets, field) not in shown + json.dumps(told)

    values = subprocess.run(
        ["sh", "-c", 'eval "$EXPORTS"; echo "$DATABASE_URL|$REDIS_URL|$OPENSEARCH_URL|$LEADFUEL_JWT_SECRET"'],
        env={"EXPORTS": leadfuel("stack", "env", home=home).stdout, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    database, redis, opensearch, secret = values.split("|")
    assert database.startswith("postgresql://leadfuel_app:")
    assert redis.startswith("redis://:")
    assert opensearch == ""
    assert secret == secrets.jwt_secret
    assert secrets.admin_password not in values

    assert leadfuel("stack", "down", home=home).returncode == 0
    assert "stopped" in leadfuel("stack", "status", home=home).stdout


def test_up_as_json_keeps_its_progress_apart(home):
    outcome = leadfuel("stack", "up", "--part", "redis", "--json", home=home)
    told = json.loads(outcome.stdout)
    assert outcome.returncode == 0
    assert told["healthy"] is False  # there is no PostgreSQL yet
    assert "Redis: ready" in outcome.stderr


def test_a_damaged_state_is_one_line_and_exit_code_one(home):
    home.mkdir()
    (home / "stack.json").write_text("{]")
    for verb in ("up", "down", "status", "env"):
        outcome = leadfuel("stack", verb, home=home)
        assert outcome.returncode == 1
        assert "stack.json is damaged" in outcome.stderr
        assert "Traceback" not in outcome.stderr


def test_env_of_nothing_says_what_to_do(home):
    outcome = leadfuel("stack", "env", home=home)
    assert outcome.returncode == 1
    assert "leadfuel stack up" in outcome.stderr


def test_a_home_that_cannot_be_made_is_one_line(tmp_path):
    outcome = leadfuel("stack", "up", home="/dev/null/home")
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("leadfuel: /dev/null/home cannot be made")


def test_deleting_asks_first(home):
    leadfuel("stack", "up", "--part", "redis", home=home)
    refused = leadfuel("stack", "down", "--delete-data", home=home)
    assert refused.returncode == 1
    assert (home / "stack.json").exists()
    assert leadfuel("stack", "down", "--delete-data", "--yes", home=home).returncode == 0
    assert not home.exists()


def test_an_interrupted_up_leaves_what_runs_and_nothing_half(home):
    process = subprocess.Popen(
        [*COMMAND, "stack", "up"],
        env=environ(home),
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            state = stacks.states.load(home)
            if state and state.part("redis").condition == "running" and state.part("opensearch").pid:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode != 0
    assert "Traceback" not in complaint
    state = stacks.states.load(home)
    assert not psutil.pid_exists(state.part("opensearch").pid or 2**22)
    told = json.loads(leadfuel("stack", "status", "--json", home=home).stdout)["parts"]
    assert told[1]["condition"] == "running"
    assert told[2]["condition"] == "stopped"


def open_interpreter(user):
    """Find a Python that this user may run with our packages: root's own may lie in a closed folder."""
    packages = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    system = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    for python in filter(None, [sys.executable, system]):
        try:
            subprocess.run(
                [python, "-c", "import cli.main, psutil, msgspec"],
                env={"PYTHONPATH": packages},
                cwd="/",
                user=user,
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, packages
    pytest.skip("every Python with our packages is closed to ordinary users here")


@pytest.mark.skipif(os.geteuid() != 0, reason="this whole run is an ordinary user's")
def test_an_ordinary_user_needs_nothing_of_root():
    nobody = pwd.getpwnam("nobody").pw_uid
    python, packages = open_interpreter(nobody)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, nobody, nobody)
        home = folder / "home"

        def as_nobody(*words):
            return subprocess.run(
                [python, "-m", "cli.main", "stack", *words],
                env=environ(home, HOME=name, PYTHONPATH=packages),
                cwd=folder,
                user=nobody,
                group=nobody,
                extra_groups=[],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )

        try:
            outcome = as_nobody("up", "--part", "postgres", "--part", "redis")
            assert outcome.returncode == 0, outcome.stdout + outcome.stderr
            state = stacks.states.load(home)
            assert state.part("postgres").data == str(home / "postgres" / "data")
            owners = [psutil.Process(state.part(part).pid).uids().real for part in ("postgres", "redis")]
            assert owners == [nobody, nobody]
            assert (folder / ".cache" / "leadfuel").is_dir()
        finally:
            assert as_nobody("down").returncode == 0
        assert stacks.status(home, environ={})[0].condition == "stopped"
