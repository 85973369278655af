import os
import shutil
from pathlib import Path

import pytest

from core.settings import StackSettings
from embedded import folders
from embedded import stack as stacks


class Stack:
    """A stack in a temporary home, driven as a command would drive it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        self.lines = []

    def up(self, *parts, environ=None, **settings):
        self.lines.clear()
        return stacks.up(
            self.home,
            parts=parts or stacks.PARTS,
            environ={**self.environ, **(environ or {})},
            settings=StackSettings(home=self.home, **{"postgres_buffers_mb": 64, **settings}),
            report=self.lines.append,
        )

    def down(self):
        stacks.down(self.home)

    def conditions(self, environ=None):
        found = stacks.status(self.home, environ={**self.environ, **(environ or {})})
        return {part.name: part.condition for part in found}

    def reason(self, name):
        return next(
            part.reason for part in stacks.status(self.home, environ=self.environ) if part.name == name
        )

    def processes(self):
        """Every process of this stack, whatever stack.json says."""
        state = stacks.states.load(self.home)
        around = stacks._surroundings(state)
        return [
            process
            for service in stacks.SERVICES.values()
            for process in service(around, lambda _: None).processes()
        ]

    def remove(self):
        if (self.home / "stack.json").exists():
            stacks.delete(self.home)
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(folders.system_folder(self.home), ignore_errors=True)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """One whole stack for the tests here, fsync on; a test leaves it running or not, as it likes."""
    stack = Stack(tmp_path_factory.mktemp("whole") / "home")
    yield stack
    stack.remove()


@pytest.fixture
def new_stack(tmp_path):
    """Make fresh stacks; tests bring up the parts they need."""
    made = []

    def make(name):
        made.append(Stack(tmp_path / name))
        return made[-1]

    yield make
    for stack in made:
        stack.remove()


@pytest.fixture
def another(new_stack):
    return new_stack("another")
