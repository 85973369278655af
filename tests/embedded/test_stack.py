import json
import os
import shutil
import signal
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis as redis_client

from embedded import folders
from embedded import stack as stacks
from embedded import state as states
from embedded.stack import StackFailed


def urls(state):
    return stacks.environment(state)


def opensearch(state, method, path, body=None):
    request = urllib.request.Request(
        urls(state)["OPENSEARCH_URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


async def sql(url, *statements):
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetch(statements[-1])
    finally:
        await connection.close()


def redis_command(state, *words):
    with redis_client.Redis.from_url(urls(state)["REDIS_URL"], decode_responses=True) as client:
        return client.execute_command(*words)


async def test_all_parts_answer_and_a_second_up_leaves_them_alone(whole):
    first = whole.up()
    assert whole.conditions() == dict.fromkeys(states.PARTS, "running")
    assert await sql(urls(first)["DATABASE_URL"], "SELECT 1 AS one") == [(1,)]
    assert redis_command(first, "PING")
    assert opensearch(first, "GET", "/")["version"]["number"] == "3.8.0"

    begun = time.monotonic()
    second = whole.up()
    assert time.monotonic() - begun < 1
    assert second == first
    assert len(whole.lines) == 3
    assert all("runs already" in line for line in whole.lines)


async def test_the_database_keeps_its_promises(whole):
    state = whole.up("postgres")
    rows = await sql(
        stacks.admin_url(state),
        "SELECT name, setting FROM pg_settings WHERE name IN"
        " ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums',"
        " 'server_version', 'listen_addresses')",
    )
    settings = dict(rows)
    assert settings.pop("server_version").startswith("18.")
    assert settings.pop("listen_addresses") == "127.0.0.1"
    assert set(settings.values()) == {"on"}
    wanted = {"pg_trgm", "unaccent", "btree_gin", "citext", "intarray", "fuzzystrmatch", "pgcrypto"}
    rows = await sql(stacks.admin_url(state), "SELECT name FROM pg_available_extensions")
    assert wanted | {"pg_stat_statements"} <= {name for (name,) in rows}


async def test_the_owner_is_no_superuser_and_the_app_has_no_rights(whole):
    variables = urls(whole.up("postgres"))
    rows = await sql(
        variables["MIGRATION_DATABASE_URL"],
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolinherit FROM pg_roles"
        " WHERE rolname LIKE 'leadfuel%' ORDER BY rolname",
    )
    assert [tuple(row) for row in rows] == [
        ("leadfuel_app", False, False, False, False, False),
        ("leadfuel_owner", False, True, False, False, True),
    ]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql(variables["DATABASE_URL"], "CREATE TABLE public.x (y int)")
    made = await sql(
        variables["MIGRATION_DATABASE_URL"],
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        "DROP ROLE IF EXISTS a_role",
        "CREATE ROLE a_role",
        "GRANT a_role TO leadfuel_app",
        "SELECT similarity('leadfuel', 'leadfull') > 0.4 AS alike",
    )
    assert made == [(True,)]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await sql(variables["DATABASE_URL"].replace("leadfuel_app:", "leadfuel_app:x"), "SELECT 1")


@pytest.mark.parametrize("name", states.PARTS)
async def test_a_killed_part_is_told_and_made_whole_with_its_data(whole, name):
    state = whole.up()
    before = {part: state.part(part).pid for part in states.PARTS}
    token = os.urandom(8).hex()
    await sql(
        urls(state)["MIGRATION_DATABASE_URL"],
        "CREATE TABLE IF NOT EXISTS public.kept (token text)",
        f"INSERT INTO public.kept VALUES ('{token}') RETURNING token",
    )
    redis_command(state, "SET", "kept", token)
    opensearch(state, "PUT", f"/kept-{token}", {"settings": {"number_of_replicas": 0}})
    opensearch(state, "PUT", f"/kept-{token}/_doc/1", {"token": token})

    victim = psutil.Process(before[name])
    victim.kill()
    psutil.wait_procs([victim], timeout=5)
    assert whole.conditions()[name] == "crashed"
    assert "stack up" in whole.reason(name)

    state = whole.up()
    assert whole.conditions() == dict.fromkeys(states.PARTS, "running")
    after = {part: state.part(part).pid for part in states.PARTS}
    assert {part for part in states.PARTS if before[part] != after[part]} == {name}
    assert await sql(
        urls(state)["MIGRATION_DATABASE_URL"], f"SELECT token FROM public.kept WHERE token = '{token}'"
    ) == [(token,)]
    if name != "redis":  # its file is synced once a second
        assert redis_command(state, "GET", "kept") == token
    assert opensearch(state, "GET", f"/kept-{token}/_doc/1")["_source"] == {"token": token}
    opensearch(state, "DELETE", f"/kept-{token}")


def test_down_leaves_no_process_and_up_is_quick_again(whole):
    whole.up()
    assert len(whole.processes()) >= 3
    whole.down()
    assert whole.processes() == []
    assert whole.conditions() == dict.fromkeys(states.PARTS, "stopped")
    begun = time.monotonic()
    whole.up()
    assert time.monotonic() - begun < 40  # 5 s where nothing else runs


def test_down_ends_orphans_and_processes_nobody_remembers(another):
    state = another.up("postgres", "redis")
    os.kill(state.part("postgres").pid, signal.SIGSTOP)  # so that its children cannot follow it at once
    children = psutil.Process(state.part("postgres").pid).children()
    os.kill(children[0].pid, signal.SIGSTOP)
    os.kill(state.part("postgres").pid, signal.SIGKILL)
    for name in ("postgres", "redis"):
        states.set_part(another.home, name, states.Part(port=state.part(name).port))
    assert another.processes()
    another.down()
    assert another.processes() == []


async def test_up_replaces_a_server_that_nobody_remembers(another):
    first = another.up("postgres")
    states.set_part(another.home, "postgres", states.Part(port=first.part("postgres").port))
    second = another.up("postgres")
    assert await sql(urls(second)["DATABASE_URL"], "SELECT 1 AS one") == [(1,)]
    assert not psutil.pid_exists(first.part("postgres").pid)


async def test_up_after_an_up_that_was_killed_while_it_made_the_database(another):
    another.up("redis")
    data = folders.server_folder(another.home, "postgres", stacks.processes.service_identity()) / "data"
    half = data.with_name("data.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    state = another.up("postgres")
    assert await sql(urls(state)["DATABASE_URL"], "SELECT 1 AS one") == [(1,)]
    assert not half.exists()


def test_a_stale_postmaster_pid_of_a_living_stranger_does_not_stop_the_server(another):
    state = another.up("postgres")
    another.down()
    pid_file = Path(state.part("postgres").data) / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1\n1\n\n127.0.0.1\n\nready\n")
    another.up("postgres")
    assert another.conditions()["postgres"] == "running"


def test_a_taken_port_is_left_to_the_stranger(another):
    old = another.up("redis").part("redis").port
    another.down()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", old))
        stranger.listen()
        state = another.up("redis")
    assert state.part("redis").port != old
    assert f"port {old} is taken by another program" in another.lines[0]
    assert redis_command(state, "PING")


def test_two_stacks_live_side_by_side(new_stack):
    one, other = new_stack("one"), new_stack("other")
    states_of_both = one.up("redis", "postgres"), other.up("redis", "postgres")
    ports = {state.part(name).port for state in states_of_both for name in ("redis", "postgres")}
    assert len(ports) == 4
    other.down()
    assert other.processes() == []
    assert one.conditions()["postgres"] == one.conditions()["redis"] == "running"


def test_a_copied_home_does_not_take_the_originals_services_for_its_own(new_stack):
    original, copy = new_stack("original"), new_stack("copy")
    first = original.up("redis")
    shutil.copytree(original.home, copy.home)
    assert copy.conditions()["redis"] == "stopped"
    second = copy.up("redis")
    assert second.part("redis").port != first.part("redis").port
    copy.down()
    assert original.conditions()["redis"] == "running"


async def test_a_moved_home_takes_its_data_along(another, tmp_path):
    state = another.up("postgres")
    await sql(urls(state)["MIGRATION_DATABASE_URL"], "CREATE TABLE public.kept ()", "SELECT 1")
    another.down()
    another.home.rename(tmp_path / "moved")
    another.home = tmp_path / "moved"
    state = another.up("postgres")
    assert await sql(
        urls(state)["MIGRATION_DATABASE_URL"], "SELECT 1 AS one FROM pg_class WHERE relname = 'kept'"
    )


def test_other_settings_start_that_part_again(another):
    before = another.up("postgres", "redis")
    after = another.up("postgres", "redis", postgres_buffers_mb=80)
    assert after.part("redis") == before.part("redis")
    assert after.part("postgres").pid != before.part("postgres").pid


def test_without_jars_the_rest_comes_up(another, tmp_path):
    state = another.up(environ={"M2_REPO": str(tmp_path / "empty")}, maven_url="http://127.0.0.1:1/maven2")
    assert another.conditions() == {"postgres": "running", "redis": "running", "opensearch": "unavailable"}
    assert "http://127.0.0.1:1/maven2 cannot be reached" in another.reason("opensearch")
    assert "OPENSEARCH_URL" not in urls(state)
    assert any("OpenSearch: unavailable" in line for line in another.lines)


def test_a_required_part_that_cannot_be_had_is_an_error(another, monkeypatch):
    def start(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stacks.SERVICES["redis"], "start", start)
    with pytest.raises(StackFailed, match=r"Redis did not come up: .*No space left"):
        another.up("redis", "postgres")
    assert another.conditions()["redis"] == "unavailable"
    assert another.conditions()["postgres"] == "running"


def test_a_server_that_dies_says_why(another):
    another.up("redis")
    another.down()
    (another.home / "redis" / "data" / "appendonly.aof").write_text("no such format\n" * 100)
    with pytest.raises(StackFailed, match=r"its log ends with.*Bad file format"):
        another.up("redis")


def test_a_part_with_a_url_is_left_to_it(another):
    environ = {"DATABASE_URL": "postgresql://someone:secret@db.example/x", "REDIS_URL": "redis://elsewhere"}
    another.up("postgres", "redis", environ=environ)
    found = {part.name: part for part in stacks.status(another.home, environ=environ)}
    assert found["postgres"].condition == found["redis"].condition == "external"
    assert found["postgres"].url == "postgresql://someone@db.example/x"
    assert another.processes() == []
    assert another.lines == [
        "PostgreSQL: left to DATABASE_URL of the environment",
        "Redis: left to REDIS_URL of the environment",
    ]


def test_its_own_url_in_the_environment_does_not_stand_in_for_a_part(another):
    own = {"REDIS_URL": urls(another.up("redis"))["REDIS_URL"]}
    another.down()
    another.up("redis", environ=own)
    assert another.conditions(own)["redis"] == "running"


def test_status_of_nothing_is_stopped(another):
    assert another.conditions() == dict.fromkeys(states.PARTS, "stopped")
    assert not another.home.exists()


def test_delete_removes_what_is_the_stacks_and_nothing_else(another):
    another.up("postgres", "redis")
    (another.home / "test").mkdir()
    held = stacks.delete(another.home)
    assert another.home in held
    assert [path.name for path in another.home.iterdir()] == ["test"]
    assert not any(folder.exists() for folder in held[1:])
    assert another.conditions() == dict.fromkeys(states.PARTS, "stopped")


def test_two_commands_at_once_start_a_part_once(another):
    with ThreadPoolExecutor(2) as pool:
        first, second = [pool.submit(another.up, "redis") for _ in range(2)]
    assert first.result().part("redis") == second.result().part("redis")
    assert len(another.processes()) == 1
