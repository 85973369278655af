"""Turns at computing, taken by threads and processes of one machine."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest

from domain.auth import turns

HOLDS_ONE = "from domain.auth import turns\nwith turns.taken(): print('mine', flush=True); input()"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder for turns that is this test's own, here and in the processes it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def cores(monkeypatch):
    """`cores(n)` makes it a machine of n cores."""
    return lambda number: monkeypatch.setattr(turns, "_cores", lambda: number)


@pytest.fixture
def another():
    """`another()` is a process that has taken a turn and keeps it."""
    with ExitStack() as processes:

        def begin():
            process = processes.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", HOLDS_ONE],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )  # fmt: skip
            processes.callback(process.kill)
            assert process.stdout.readline() == "mine\n"
            return process

        yield begin


@pytest.fixture
def waiting():
    """`waiting()` is an event that is set once a thread of this process has had its turn."""
    with ThreadPoolExecutor() as pool:

        def begin():
            had = Event()

            def have():
                with turns.taken():
                    had.set()

            pool.submit(have)
            return had

        yield begin


def test_half_of_the_cores_compute_and_at_least_one(cores):
    for number, expected in ((1, 1), (2, 1), (3, 1), (4, 2), (16, 8)):
        cores(number)
        assert len(set(turns.places())) == expected


def test_threads_of_one_process_take_turns_like_processes(cores, waiting):
    cores(2)
    with turns.taken():
        had = waiting()
        assert not had.wait(0.1)
    assert had.wait(5)


def test_a_process_that_is_killed_in_its_turn_leaves_it_to_the_next(cores, another, waiting):
    cores(2)
    holder = another()
    had = waiting()
    assert not had.wait(0.1)
    holder.kill()
    assert had.wait(5)


def test_whoever_finds_a_place_that_is_free_does_not_wait(cores, waiting):
    cores(2)
    with turns.taken():
        cores(4)
        assert waiting().wait(5)


@pytest.mark.parametrize("trouble", ["no folder", "a link", "a folder"])
def test_where_no_turns_can_be_kept_the_work_goes_on(cores, waiting, folder, monkeypatch, trouble):
    cores(2)
    (place,) = turns.places()
    if trouble == "no folder":
        monkeypatch.setattr(tempfile, "tempdir", str(folder / "gone"))
    elif trouble == "a link":
        place.symlink_to(folder / "somewhere")
    else:
        place.mkdir()
    with turns.taken():
        assert waiting().wait(5)
    assert not (folder / "somewhere").exists()


def test_nobody_else_can_open_the_place_of_a_turn():
    with turns.taken():
        (place, *_) = (path for path in turns.places() if path.exists())
        assert place.stat().st_mode & 0o777 == 0o600
