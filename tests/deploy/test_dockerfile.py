"""The Dockerfile: what hadolint says of it, and what we promise of the image."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TEXT: Final = (ROOT / "Dockerfile").read_text()
LINES: Final = [line.strip() for line in TEXT.replace("\\\n", " ").splitlines() if not line.startswith("#")]
LAST_STAGE: Final = LINES[max(at for at, line in enumerate(LINES) if line.startswith("FROM ")) :]


def instructions(word: str, lines: list[str] = LINES) -> list[str]:
    return [line.removeprefix(word).strip() for line in lines if line.startswith(f"{word} ")]


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).parent / "hadolint"
    told = subprocess.run(
        [hadolint, "--format", "json", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert json.loads(told.stdout) == []
    assert told.returncode == 0


def test_images_are_pinned_and_python_is_one():
    images = [image.split(" AS ")[0] for image in instructions("FROM")]
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images)
    assert len({image for image in images if image.startswith("python:")}) == 1


def test_uv_is_the_one_the_makefile_uses():
    (version,) = re.findall(r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"uv:{version}" in TEXT


def test_the_image_does_not_run_as_root():
    (user,) = instructions("USER", LAST_STAGE)
    assert all(int(part) >= 1_000 for part in user.split(":"))


def test_the_image_has_a_health_check_and_a_command():
    assert "/health/live" in instructions("HEALTHCHECK", LAST_STAGE)[0]
    assert instructions("ENTRYPOINT", LAST_STAGE) == ['["leadfuel"]']
    assert instructions("CMD", LAST_STAGE) == ['["serve"]']


def test_the_lock_file_decides_and_nothing_is_there_for_tests_or_embedded_services():
    syncs = [line for line in LINES if "uv sync" in line]
    assert len(syncs) == 2
    assert all("--frozen" in line and "--no-dev" in line and "--extra" not in line for line in syncs)


def test_every_package_is_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {line.split()[0].rstrip("/") for line in instructions("COPY") if not line.startswith("--from")}
    assert set(packages) <= copied


def test_the_context_holds_what_is_copied_and_no_more():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")}
    copied = {
        word.rstrip("/")
        for line in instructions("COPY")
        if not line.startswith("--from")
        for word in line.split()[:-1]
    }
    assert let_in == copied


def test_no_secret_is_built_in():
    assert not re.search(r"(?i)password|secret|token|\bARG\b.*KEY", TEXT)
