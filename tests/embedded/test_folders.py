import os
import tempfile
from pathlib import Path

import pytest

from embedded import folders
from embedded.folders import NoFolder
from embedded.processes import Identity

STRANGER = Identity(uid=65_534, gid=65_534)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user steps down to nobody")


@pytest.fixture
def open_folder():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_home_that_cannot_be_made_says_what_to_do():
    with pytest.raises(NoFolder, match="LEADFUEL_HOME"):
        folders.make_home(Path("/dev/null/home"))


def test_a_folder_below_a_closed_one_is_out_of_reach(open_folder):
    (open_folder / "closed" / "home").mkdir(parents=True)
    assert folders.is_reachable(open_folder / "closed" / "home", STRANGER)
    (open_folder / "closed").chmod(0o700)
    assert not folders.is_reachable(open_folder / "closed" / "home", STRANGER)


def test_data_out_of_reach_lies_in_a_system_folder_of_its_own(open_folder):
    home, other = open_folder / "closed" / "home", open_folder / "closed" / "other"
    home.mkdir(parents=True)
    assert folders.server_folder(home, "postgres", STRANGER) == home / "postgres"
    (open_folder / "closed").chmod(0o700)
    outside = folders.server_folder(home, "postgres", STRANGER)
    assert outside.is_relative_to(folders.SYSTEM_DATA)
    assert outside != folders.server_folder(other, "postgres", STRANGER)
    assert folders.server_folder(home, "postgres", None) == home / "postgres"


@needs_root
def test_data_that_became_unreachable_is_named_and_not_begun_anew(open_folder):
    folder = open_folder / "closed" / "postgres"
    folders.make_server_folder(folder, STRANGER)
    assert folder.stat().st_uid == STRANGER.uid
    (open_folder / "closed").chmod(0o700)
    with pytest.raises(NoFolder, match="chmod"):
        folders.make_server_folder(folder, STRANGER)


def test_outside_data_follows_a_move_but_not_a_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "SYSTEM_DATA", tmp_path / "system")
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    (folders.system_folder(old) / "postgres").mkdir(parents=True)
    folders.follow_move(old, new, STRANGER)
    assert not folders.system_folder(new).exists()
    old.rmdir()
    folders.follow_move(old, new, STRANGER)
    assert (folders.system_folder(new) / "postgres").is_dir()
    assert not folders.system_folder(old).exists()


def test_programs_are_shared_by_a_user_and_fall_back_to_the_home(tmp_path):
    cache = folders.cache_folder(tmp_path / "home", {"HOME": str(tmp_path)}, None)
    assert cache == tmp_path / ".cache" / "leadfuel"
    named = folders.cache_folder(tmp_path / "home", {"XDG_CACHE_HOME": str(tmp_path / "c")}, None)
    assert named == tmp_path / "c" / "leadfuel"
    nowhere = folders.cache_folder(tmp_path / "home", {"HOME": "/dev/null"}, None)
    assert nowhere == tmp_path / "home" / "cache"
