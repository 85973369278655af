"""docker/postgres-init over a database cluster as the image makes it, then the migrations on top of it."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import psutil
import pytest

from core.settings import DatabaseSettings
from db import check, migrate
from embedded import folders, postgres_server, processes

ROOT: Final = Path(__file__).resolve().parents[2]
SCRIPT: Final = ROOT / "docker" / "postgres-init" / "10-logins.sql"
PASSWORDS: Final = {"leadfuel_owner_password": "0a1b2c", "leadfuel_app_password": "3d4e5f"}


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    """A cluster with nothing but the superuser, the script run over it as the image would run it."""
    home = tmp_path_factory.mktemp("postgres")
    identity = processes.service_identity()
    programs = postgres_server.unpack(folders.cache_folder(home, os.environ, identity), os.environ)
    folder = folders.server_folder(home, "cluster", identity)
    folders.make_server_folder(folder.parent, identity)
    environ = postgres_server.program_environ(programs, os.environ)

    def run(*words: str | Path) -> None:
        subprocess.run(
            [*map(str, words)],
            env=environ,
            cwd="/",
            check=True,
            capture_output=True,
            **processes.as_user(identity),
        )

    run(
        programs / "bin/initdb",
        f"--pgdata={folder}",
        "--username=postgres",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    )
    chosen = processes.free_port(str(home))
    settings = [
        "-c",
        "fsync=off",
        "-c",
        "unix_socket_directories=",
        "-c",
        "shared_preload_libraries=pg_stat_statements",
    ]
    server = processes.start(
        [programs / "bin/postgres", "-D", folder, "-p", str(chosen), "-h", "127.0.0.1", *settings],
        folder=Path("/"),
        log=home / "log",
        environ=environ,
        identity=identity,
    )
    try:
        _wait(programs, chosen, environ)
        script = home / "script.sql"
        text = SCRIPT.read_text()
        for name, password in PASSWORDS.items():
            (home / name).write_text(f"{password}\n")
            text = text.replace(f"/run/secrets/{name}", str(home / name))
        script.write_text(text)
        subprocess.run(
            [
                programs / "bin/psql",
                "-v",
                "ON_ERROR_STOP=1",
                "-X",
                "-h",
                "127.0.0.1",
                "-p",
                str(chosen),
                "-U",
                "postgres",
                "-d",
                "postgres",
                "-f",
                script,
            ],
            env=environ,
            check=True,
            capture_output=True,
        )
        yield chosen
    finally:
        postgres_server.stop([psutil.Process(server.pid)])
        shutil.rmtree(folder, ignore_errors=True)


def _wait(programs: Path, port: int, environ: dict[str, str]) -> None:
    command = [programs / "bin/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(150):
        if subprocess.run(command, env=environ, check=False).returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail("PostgreSQL did not start")


def url(port: int, login: str) -> str:
    password = PASSWORDS[f"{login}_password"]
    return f"postgresql://{login}:{password}@127.0.0.1:{port}/leadfuel"


async def test_the_migrations_run_over_it_and_the_check_finds_nothing(port):
    settings = DatabaseSettings(url=url(port, "leadfuel_app"), migration_url=url(port, "leadfuel_owner"))
    outcome = await migrate.migrate(settings)
    assert outcome.after == migrate.head()
    assert [str(finding) for finding in await check.check(settings)] == []


async def test_the_app_owns_nothing_and_inherits_nothing(port):
    connection = await asyncpg.connect(url(port, "leadfuel_app"))
    try:
        row = await connection.fetchrow(
            """SELECT rolsuper, rolinherit, rolbypassrls, rolcreaterole
                 FROM pg_roles WHERE rolname = current_user"""
        )
        assert dict(row) == {
            "rolsuper": False,
            "rolinherit": False,
            "rolbypassrls": False,
            "rolcreaterole": False,
        }
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.mine (id int)")
    finally:
        await connection.close()
