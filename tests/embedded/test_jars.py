import hashlib
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from embedded.opensearch import jars
from embedded.opensearch.jars import JarsUnavailable, class_path

CONTENTS = {f"org/example/part{n}/1.0/part{n}-1.0.jar": f"jar {n}".encode() * 1000 for n in range(20)}


@pytest.fixture
def maven():
    """A Maven repository on this machine; `maven.answers` may be changed, `maven.asked` tells."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = self.path.removeprefix("/maven2/")
            server.asked.append(path)
            content = server.answers.get(path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.answers, server.asked = dict(CONTENTS), []
    server.url = f"http://127.0.0.1:{server.server_port}/maven2"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "jgo.lock.toml"
    path.write_text(
        "".join(
            f'[[dependencies]]\ngroupId = "org.example"\nartifactId = "{name.split("/")[2]}"\n'
            f'version = "1.0"\npackaging = "jar"\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
            for name, content in CONTENTS.items()
        )
    )
    return path


@pytest.fixture
def fetch(tmp_path, lock):
    def fetch(url):
        return class_path(
            fallback=tmp_path / "fallback", environ={"M2_REPO": str(tmp_path / "m2")}, url=url, lock=lock
        )

    return fetch


def test_missing_jars_are_fetched_once(maven, fetch, tmp_path):
    found = fetch(maven.url)
    assert [path.read_bytes() for path in found] == list(CONTENTS.values())
    assert len(maven.asked) == len(CONTENTS)
    assert all(path.is_relative_to(tmp_path / "m2") for path in found)
    assert fetch("http://127.0.0.1:1/") == found  # from here on no repository is needed


def test_a_damaged_jar_is_fetched_again(maven, fetch):
    found = fetch(maven.url)
    found[3].write_bytes(b"half")
    assert fetch(maven.url)[3].read_bytes() == list(CONTENTS.values())[3]
    assert len(maven.asked) == len(CONTENTS) + 1


def test_a_forged_jar_is_refused_and_not_kept(maven, fetch, tmp_path):
    name = next(iter(CONTENTS))
    maven.answers[name] = b"something else"
    with pytest.raises(JarsUnavailable, match="sha256 is not the locked one"):
        fetch(maven.url)
    assert not (tmp_path / "m2" / name).exists()
    assert not list((tmp_path / "m2").rglob(".fetch-*"))


def test_an_absent_jar_is_named(maven, fetch):
    name = next(iter(CONTENTS))
    del maven.answers[name]
    with pytest.raises(JarsUnavailable, match=f"answered 404 for {name}"):
        fetch(maven.url)


def test_an_unreachable_repository_is_named(fetch):
    with pytest.raises(JarsUnavailable, match=r"http://127\.0\.0\.1:1 cannot be reached"):
        fetch("http://127.0.0.1:1")


def test_a_folder_that_cannot_be_written_is_named(maven, lock, tmp_path):
    (tmp_path / "m2").write_text("a file stands where the folder should be")
    with pytest.raises(JarsUnavailable, match=r"m2.* cannot be written"):
        class_path(fallback=tmp_path, environ={"M2_REPO": str(tmp_path / "m2")}, url=maven.url, lock=lock)


def test_without_a_usable_maven_folder_the_fallback_is_used(maven, lock, tmp_path):
    found = class_path(fallback=tmp_path / "own", environ={"HOME": "/dev/null"}, url=maven.url, lock=lock)
    assert found[0].is_relative_to(tmp_path / "own")


def test_the_lock_holds_what_is_asked_for():
    wanted = tomllib.loads(jars.SPECIFICATION.read_text())["dependencies"]["coordinates"]
    locked = {jar.path for jar in jars.locked_jars()}
    for coordinate in wanted:
        group, name, version = coordinate.split(":")
        assert f"{group.replace('.', '/')}/{name}/{version}/{name}-{version}.jar" in locked
    assert len(locked) == len(jars.locked_jars())
    assert all(len(jar.sha256) == 64 for jar in jars.locked_jars())
