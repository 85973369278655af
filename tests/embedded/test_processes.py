import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from embedded import processes


def never(_):
    return False


@pytest.fixture
def sleeper(tmp_path):
    """Start a process that does nothing, in the way the stack does."""
    started = []

    def start(code="import time; time.sleep(60)"):
        process = processes.start(
            [sys.executable, "-c", f"{code}  # {tmp_path}"],
            folder=tmp_path,
            log=tmp_path / "log",
            environ={"PATH": os.environ["PATH"]},
        )
        started.append(process)
        return process

    yield start
    processes.stop(started, patience_s=0)


def test_a_started_process_has_its_own_session_and_no_terminal(sleeper):
    process = sleeper()
    assert os.getsid(process.pid) == process.pid
    assert process.terminal() is None


def test_a_pid_with_another_start_time_is_another_process(sleeper):
    process = sleeper()
    assert processes.find(process.pid, process.create_time(), never) == process
    assert processes.find(process.pid, process.create_time() - 5, never) is None
    assert processes.find(None, None, never) is None


def test_the_mark_decides_when_the_clock_was_set(sleeper):
    process = sleeper()
    assert processes.find(process.pid, process.create_time() - 3600, lambda _: True) == process


def test_a_forgotten_process_is_found_by_its_mark(sleeper, tmp_path):
    process = sleeper()
    found = processes.marked(lambda one: any(str(tmp_path) in word for word in one.cmdline()))
    assert found == [process]


def test_a_killed_child_is_gone_although_nobody_waited_for_it(sleeper):
    process = sleeper()
    process.kill()
    deadline = time.monotonic() + 5
    while processes.find(process.pid, process.create_time(), never) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.find(process.pid, process.create_time(), never) is None


def test_a_process_that_will_not_go_is_killed(sleeper, tmp_path):
    process = sleeper(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);"
        " time.sleep(60)"
    )
    while "deaf" not in (tmp_path / "log").read_text():
        time.sleep(0.01)
    processes.stop([process], number=signal.SIGTERM, patience_s=0.2)
    assert not psutil.pid_exists(process.pid) or process.status() == psutil.STATUS_ZOMBIE


def test_a_taken_port_is_not_free_and_not_chosen():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not processes.is_free(listener.getsockname()[1])
    first = processes.free_port("a key")
    assert first in processes.PORTS
    assert processes.free_port("a key", avoid=[first]) != first
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", first))
        listener.listen()
        assert processes.free_port("a key") != first


def test_a_port_just_given_up_is_free():
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = listener.accept()
        connection.close()
        client.close()
    assert processes.is_free(port)


def test_a_long_log_is_put_aside(tmp_path, sleeper, monkeypatch):
    monkeypatch.setattr(processes, "_LOG_LIMIT_BYTES", 10)
    (tmp_path / "log").write_text("a line of former days\n")
    sleeper()
    assert (tmp_path / "log.log.1").read_text() == "a line of former days\n"


def test_last_words_prefer_the_telling_lines(tmp_path):
    log = tmp_path / "log"
    assert processes.last_words(log) == "(no log)"
    log.write_text("")
    assert processes.last_words(log) == "(an empty log)"
    log.write_text("all is well\nFATAL: no room\nbye\n")
    assert processes.last_words(log) == "FATAL: no room"
    log.write_text("one\ntwo\n")
    assert processes.last_words(log) == "one | two"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down")
def test_root_steps_down_wholly():
    identity = processes.service_identity()
    output = subprocess.run(["id"], capture_output=True, text=True, check=True, **processes.as_user(identity))
    assert f"uid={identity.uid}" in output.stdout
    assert "root" not in output.stdout
