"""The documents stay true: names exist, commands have their options, examples are requests, links lead on."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import pytest

from api.routes.contacts import MatchRequest
from api.routes.hidden import BulkRequest
from cli.main import leadfuel
from search.request import SearchRequest

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PACKAGES: Final = "core|db|search|indexer|domain|api|workers|cli|embedded|benchmarks|tests"
NAME: Final = re.compile(rf"`((?:{PACKAGES})(?:\.\w+)+)`")
FILE: Final = re.compile(rf"`((?:{PACKAGES}|docker|docs)/[\w./-]+)`")
LINK: Final = re.compile(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)")
COMMAND: Final = re.compile(r"leadfuel((?: [a-z][a-z-]*){1,3})")
REQUESTS: Final = (SearchRequest, BulkRequest, MatchRequest)

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def resolve(name: str) -> Any:
    """What a dotted name names: a module, or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@each_document
def test_every_name_of_the_code_exists(path):
    # Endings of files ("core.py", "db.toml") are no names.
    names = {n for n in NAME.findall(path.read_text()) if not n.endswith((".py", ".toml", ".md"))}
    missing = []
    for name in sorted(names):
        try:
            resolve(name)
        except (ModuleNotFoundError, AttributeError):
            missing.append(name)
    assert missing == []


@each_document
def test_every_file_exists(path):
    assert [name for name in FILE.findall(path.read_text()) if not (ROOT / name.rstrip("/")).exists()] == []


@each_document
def test_every_link_leads_somewhere(path):
    links = [link for link in LINK.findall(path.read_text()) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words begin with, and the words that are left."""
    command: click.Command = leadfuel
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            break
        command, words = found, words[1:]
    return command, words


@each_document
def test_every_command_exists(path):
    unknown = []
    for match in COMMAND.finditer(re.sub(r"\S*/leadfuel\b", "leadfuel", path.read_text())):
        command, rest = command_of(match[1].split())
        if command is leadfuel or (isinstance(command, click.Group) and rest and "|" not in match[0]):
            unknown.append(match[0])
    assert unknown == []


def options_in(line: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line))


def test_the_table_of_commands_names_only_options_that_are_there():
    for line in (ROOT / "docs" / "operations.md").read_text().splitlines():
        if not line.startswith("| `leadfuel "):
            continue
        words = line.split("`")[1].split()[1:]
        command, rest = command_of(words)
        assert rest == []
        known = {option for parameter in command.params for option in parameter.opts}
        assert options_in(line) <= known, line


def test_the_table_of_commands_is_complete():
    def leaves(command: click.Command, words: list[str]) -> Iterator[str]:
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                found = command.get_command(click.Context(command), name)
                assert found is not None
                yield from leaves(found, [*words, name])
        else:
            yield " ".join(words)

    table = (ROOT / "docs" / "operations.md").read_text()
    written = {f"leadfuel {words}" for words in leaves(leadfuel, [])} - {"leadfuel db revision"}
    assert [words for words in sorted(written) if f"`{words}`" not in table] == []


def json_blocks(path: Path) -> Iterator[Any]:
    for block in re.findall(r"^```json\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        yield json.loads(block)


def test_json_in_the_documents_is_json():
    for path in DOCUMENTS:
        list(json_blocks(path))


def test_examples_of_requests_are_requests():
    marks = {"q", "filters", "queries", "ids"}
    examples = [
        block
        for block in json_blocks(ROOT / "docs" / "api.md")
        if isinstance(block, dict) and marks & set(block)
    ]
    assert len(examples) >= 4
    for example in examples:
        accepted = []
        for kind in REQUESTS:
            try:
                accepted.append(msgspec.convert(example, kind))
            except msgspec.ValidationError as error:
                refusal = error
        assert accepted, refusal


def test_no_document_speaks_of_a_machine():
    for path in DOCUMENTS:
        assert not re.search(r"/work/|/root/|/tmp/house|localhost:\d{5}", path.read_text()), path
