"""docker-compose.yml against the Compose Specification's schema, and against what we promise of it."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from core import env_example
from core.settings import Settings, StackSettings
from embedded.opensearch.plan import jvm_flags

ROOT: Final = Path(__file__).resolve().parents[2]
TEXT: Final = (ROOT / "docker-compose.yml").read_text()
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(TEXT)
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name for name, service in SERVICES.items() if "build" in service}
VARIABLE: Final = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^${}]*))?")
REQUIRED: Final = re.compile(r"\$\{\w+:\?[^}]+\}")
# What the stack itself decides; .env cannot change it.
FIXED: Final = {"MIGRATION_DATABASE_URL", "LEADFUEL_HOST", "PORT"}

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def environment(name: str) -> dict[str, str]:
    return {key: str(value or "") for key, value in SERVICES[name].get("environment", {}).items()}


def used_variables() -> Iterator[tuple[str, str | None, str | None]]:
    for match in VARIABLE.finditer(TEXT):
        yield match["name"], match["how"], match["rest"]
    # A name without a value is passed on from the environment of docker compose.
    for service in SERVICES.values():
        yield from (
            (key, None, None) for key, value in service.get("environment", {}).items() if value is None
        )
    yield from ((secret["environment"], "?", None) for secret in COMPOSE["secrets"].values())


def test_follows_the_schema_of_the_specification():
    schema = json.loads((ROOT / "tests" / "deploy" / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(COMPOSE)


def test_has_every_part_of_a_production():
    assert set(SERVICES) == {
        "postgres",
        "opensearch",
        "redis",
        "migrate",
        "api",
        "worker",
        "mail",
        "proxy",
    }


@each_service
def test_every_service_has_a_health_check_or_runs_once(name):
    service = SERVICES[name]
    if service["restart"] == "no":
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])


@each_service
def test_every_service_is_confined(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert not {"privileged", "network_mode", "pid", "devices"} & set(service)
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])


@each_service
def test_no_service_but_the_proxy_runs_as_root(name):
    # Our own image says so itself; tests/deploy/test_dockerfile.py looks at it.
    user = SERVICES[name].get("user", "10001" if name in OURS else "root").split(":")[0]
    assert (user in {"root", "0"}) == (name == "proxy")


def test_file_systems_are_read_only_where_the_image_allows_it():
    writable = {name for name, service in SERVICES.items() if not service.get("read_only")}
    # OpenSearch writes beside its configuration; secrets cannot be put into a read-only PostgreSQL.
    assert writable == {"postgres", "opensearch"}


def test_only_the_proxy_publishes_ports():
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}
    published = SERVICES["proxy"]["ports"]
    inner = {port.rsplit(":", 1)[1] for port in published if not port.startswith("127.0.0.1:")}
    assert inner == {"80", "443"}
    assert next(port for port in published if port.endswith(":8025")).startswith("127.0.0.1:")


def test_data_is_on_a_network_of_its_own():
    assert {name for name, network in COMPOSE["networks"].items() if network.get("internal")} == {
        "data",
        "mail",
    }
    for name in ("postgres", "opensearch", "redis", "migrate"):
        assert SERVICES[name]["networks"] == ["data"]
    assert "data" not in SERVICES["proxy"]["networks"]


@each_service
def test_images_are_pinned(name):
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert re.match(r"v?\d+\.\d+", tag), image


def test_our_image_has_our_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {SERVICES[name]["image"] for name in OURS} == {f"leadfuel:{version}"}


@each_service
def test_no_secret_stands_in_the_file(name):
    for key, value in environment(name).items():
        if re.search(r"PASSWORD|SECRET|PRIVACY_KEY|TOKEN$", key) and not key.endswith("_FILE"):
            # One that is not everybody's is passed on from the environment, where it is set.
            assert value == "" or REQUIRED.fullmatch(value), key
        if match := re.search(r"://[^:/]*:(?P<password>.*)@", value):
            assert REQUIRED.fullmatch(match["password"]), key
    assert "env_file" not in SERVICES[name], "a service gets the variables it needs, not the whole file"


@pytest.mark.parametrize("name", ["api", "worker"])
def test_there_is_no_running_without_the_secrets_that_everybody_needs(name):
    for key in ("LEADFUEL_JWT_SECRET", "LEADFUEL_PRIVACY_KEY"):
        assert REQUIRED.fullmatch(environment(name)[key])


def test_secrets_come_from_the_environment():
    assert all(set(secret) == {"environment"} for secret in COMPOSE["secrets"].values())


def test_only_the_migration_knows_the_owner():
    knowing = {name for name in SERVICES if any("OWNER" in value for value in environment(name).values())}
    assert knowing == {"migrate"}
    assert "leadfuel_owner_password" not in str({n: s for n, s in SERVICES.items() if n != "postgres"})


def test_every_variable_is_explained_in_the_example():
    explained = {variable.name: variable for variable in env_example.COMPOSE}
    settings = {v.name for field in fields(Settings) for v in env_example.variables(field.type)}
    used = {name for name, _, _ in used_variables()}
    assert used <= settings | set(explained)
    assert set(explained) <= used
    for name, how, rest in used_variables():
        if name in explained and how == "-":
            assert rest == explained[name].default, name


def test_every_setting_reaches_the_api_and_the_worker():
    settings = {
        v.name
        for field in fields(Settings)
        if field.type is not StackSettings
        for v in env_example.variables(field.type)
    }
    for name in ("api", "worker"):
        assert set(environment(name)) == settings - FIXED


def test_the_worker_and_the_api_wait_for_the_migration():
    for name in ("api", "worker"):
        assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "test" in SERVICES[other]["healthcheck"]


def test_what_must_last_is_on_a_volume():
    mounted = {
        volume.split(":")[0]: name
        for name, service in SERVICES.items()
        for volume in service.get("volumes", [])
    }
    named = {volume for volume in mounted if not volume.startswith("./")}
    assert named == set(COMPOSE["volumes"])
    assert {mounted[volume] for volume in named} == {"worker", "postgres", "opensearch", "redis", "proxy"}
    for volume in set(mounted) - named:
        assert (ROOT / volume).exists()


def test_opensearch_is_the_one_we_test_with():
    version = SERVICES["opensearch"]["image"].partition(":")[2]
    assert f'"org.opensearch:opensearch:{version}"' in (ROOT / "embedded/opensearch/jgo.toml").read_text()
    given = set(environment("opensearch")["OPENSEARCH_JAVA_OPTS"].split())
    assert {
        flag for flag in jvm_flags(heap_mb=1, quick=False) if "G1" in flag or "Occupancy" in flag
    } <= given
    assert environment("opensearch")["action.auto_create_index"] == "false"
