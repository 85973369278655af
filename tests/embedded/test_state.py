import threading
from dataclasses import replace

import pytest

from embedded import state as states
from embedded.state import BrokenStack, Part


def test_a_home_without_a_stack_is_none(tmp_path):
    assert states.load(tmp_path) is None
    assert states.load(tmp_path / "missing") is None


def test_secrets_are_made_once_and_readable_by_the_owner_alone(tmp_path):
    first = states.load_or_create(tmp_path)
    assert states.load_or_create(tmp_path) == first
    assert len({*first.secrets.__slots__}) == len(
        {getattr(first.secrets, f) for f in first.secrets.__slots__}
    )
    assert (tmp_path / states.FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"home": 1}', b"\xff\xfe", b"null"])
def test_a_damaged_file_is_a_clear_error(tmp_path, damage):
    states.load_or_create(tmp_path)
    (tmp_path / states.FILE_NAME).write_bytes(damage)
    with pytest.raises(BrokenStack, match=r"stack\.json is damaged") as caught:
        states.load_or_create(tmp_path)
    assert "backup" in caught.value.detail
    assert (tmp_path / states.FILE_NAME).read_bytes() == damage


def test_another_version_is_refused(tmp_path):
    state = replace(states.load_or_create(tmp_path), version=states.VERSION + 1)
    states._save(tmp_path, state)
    with pytest.raises(BrokenStack, match="another version"):
        states.load(tmp_path)


def test_parts_written_at_once_do_not_lose_each_other(tmp_path):
    states.load_or_create(tmp_path)

    def write(name):
        for port in range(1, 30):
            states.set_part(tmp_path, name, Part(port=port))

    threads = [threading.Thread(target=write, args=(name,)) for name in states.PARTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = states.load(tmp_path)
    assert {name: part.port for name, part in state.parts.items()} == dict.fromkeys(states.PARTS, 29)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".stack.json")]


def test_a_moved_home_keeps_its_secrets_and_forgets_its_processes(tmp_path):
    (tmp_path / "a").mkdir()
    before = states.load_or_create(tmp_path / "a")
    states.set_part(tmp_path / "a", "redis", Part(condition="running", pid=1, started=1.0, port=2, data="x"))
    (tmp_path / "a").rename(tmp_path / "b")

    assert states.former_home(tmp_path / "b") == tmp_path / "a"
    after = states.load_or_create(tmp_path / "b")
    assert after.secrets == before.secrets
    assert after.id != before.id
    assert after.part("redis") == Part(port=2)
    assert states.former_home(tmp_path / "b") is None
