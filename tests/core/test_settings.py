"""Settings: read once, strictly, from a mapping; and told to the operator in `.env.example`."""

import re
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import env_example
from core.settings import BadSetting, Settings

EXAMPLE: Final = Path(__file__).resolve().parents[2] / ".env.example"
FIELDS: Final = {
    field.metadata["env"]: (concern.name, field)
    for concern in fields(Settings)
    for field in fields(concern.type)  # type: ignore[arg-type]
}


def value_of(settings: Settings, env: str) -> Any:
    concern, field = FIELDS[env]
    return getattr(getattr(settings, concern), field.name)


def test_without_an_environment_the_defaults_hold():
    assert Settings.from_env({}) == Settings()


def test_an_empty_value_means_the_default():
    assert Settings.from_env(dict.fromkeys(FIELDS, "")) == Settings()


@pytest.mark.parametrize("env", sorted(FIELDS))
def test_every_default_is_read_back_as_itself(env):
    default = FIELDS[env][1].default
    assert value_of(Settings.from_env({env: str(default)}), env) == default


@pytest.mark.parametrize("env", sorted(env for env, (_, f) in FIELDS.items() if f.type in (int, float)))
@pytest.mark.parametrize("raw", ["many", "1,5", "0x10", "1 2"])
def test_what_is_no_number_is_refused_by_name(env, raw):
    with pytest.raises(BadSetting, match=env):
        Settings.from_env({env: raw})


@given(raw=st.integers(min_value=1, max_value=65_535))
def test_numbers_are_read_as_numbers(raw):
    assert Settings.from_env({"PORT": str(raw)}).api.port == raw


@pytest.mark.parametrize(
    ("env", "raw"),
    [
        ("DATABASE_URL", "mysql://localhost/leadfuel"),
        ("MIGRATION_DATABASE_URL", "localhost:5432"),
        ("OPENSEARCH_URL", "localhost:9200"),
        ("REDIS_URL", "http://localhost:6379"),
    ],
)
def test_a_url_of_another_kind_is_refused_by_name(env, raw):
    with pytest.raises(BadSetting, match=env):
        Settings.from_env({env: raw})


def test_a_short_secret_is_refused_and_not_repeated():
    with pytest.raises(BadSetting, match="LEADFUEL_JWT_SECRET") as refusal:
        Settings.from_env({"LEADFUEL_JWT_SECRET": "hunter2"})
    assert "hunter2" not in refusal.value.detail


def test_nothing_else_in_the_environment_matters():
    assert Settings.from_env({"HOME": "/root", "LEADFUEL_UNKNOWN": "1"}) == Settings()


def test_settings_cannot_be_changed_but_copied():
    settings = Settings()
    with pytest.raises(FrozenInstanceError):
        settings.api.port = 1  # type: ignore[misc]
    assert replace(settings.api, port=1).port == 1


def test_no_variable_is_read_twice():
    declared = [f.metadata["env"] for concern in fields(Settings) for f in fields(concern.type)]  # type: ignore[arg-type]
    assert len(declared) == len(set(declared))


def parsed_example() -> dict[str, tuple[str, str]]:
    """The file as a reader takes it: name -> default and meaning, without knowing how it was made."""
    found: dict[str, tuple[str, str]] = {}
    meaning: list[str] = []
    for line in EXAMPLE.read_text().splitlines():
        if match := re.fullmatch(r"#([A-Z][A-Z0-9_]*)=(.*)", line):
            found[match[1]] = (match[2], " ".join(meaning))
            meaning = []
        elif line.startswith("# ---") or not line:
            meaning = []
        else:
            meaning.append(line.removeprefix("# "))
    return found


def test_the_example_is_fresh():
    assert EXAMPLE.read_text() == env_example.text(), "run: python -m core.env_example > .env.example"


def test_the_example_names_every_variable_and_no_other():
    assert set(parsed_example()) == set(FIELDS) | {variable.name for variable in env_example.COMPOSE}


def test_the_example_has_every_default_and_meaning():
    for env, (default, meaning) in parsed_example().items():
        if env not in FIELDS:
            continue
        field = FIELDS[env][1]
        assert default == str(field.default)
        assert meaning.lower().startswith(field.metadata["meaning"].lower())
        assert meaning.endswith("keep it secret.") == field.metadata["secret"]


def test_secrets_have_no_default():
    secrets = [f for _, f in FIELDS.values() if f.metadata["secret"]]
    assert secrets
    assert all(f.default == "" for f in secrets)
