"""The text of `.env.example`: every setting with its default and its meaning, made from the settings.

`python -m core.env_example > .env.example` renews the file; a test compares the two.
"""

import sys
from dataclasses import Field, dataclass, fields
from textwrap import wrap
from typing import Any, Final

from core.settings import (
    ApiSettings,
    AuthSettings,
    DatabaseSettings,
    ExportSettings,
    MailSettings,
    OpenSearchSettings,
    PrivacySettings,
    RedisSettings,
    SearchSettings,
    Settings,
    SignInSettings,
    StackSettings,
    ValidatorSettings,
)

_WIDTH: Final = 100
_HEAD: Final = """\
# Every setting of LeadFuel, with the value that holds without it. Copy what you change into `.env`, which
# docker compose reads, or into the environment of the commands. An empty value means the default.
# Renewed by `python -m core.env_example > .env.example`.
"""
_GROUPS: Final[dict[type[Any], str]] = {
    DatabaseSettings: "PostgreSQL, the system of record",
    OpenSearchSettings: "OpenSearch, the search engine of every day",
    RedisSettings: "Redis",
    SearchSettings: "Search",
    ApiSettings: "The API",
    AuthSettings: "Tokens",
    SignInSettings: "Accounts and signing in",
    PrivacySettings: "Privacy",
    MailSettings: "Mail that we send",
    ValidatorSettings: "Checking addresses at mail servers",
    ExportSettings: "Exports",
    StackSettings: "The embedded services of `leadfuel stack`",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """A line of the file."""

    name: str
    default: str
    meaning: str


# What docker-compose.yml alone reads. The program knows nothing of these.
COMPOSE: Final = (
    Variable("LEADFUEL_DOMAIN", "localhost", "name under which the proxy answers, with a certificate for it"),
    Variable("LEADFUEL_HTTPS_PORT", "443", "port of the machine on which the proxy answers"),
    Variable("LEADFUEL_HTTP_PORT", "80", "port of the machine from which the proxy redirects to HTTPS"),
    Variable("LEADFUEL_MAIL_PORT", "8025", "port of the mail catcher, reachable from the machine itself"),
    Variable("POSTGRES_PASSWORD", "", "password of PostgreSQL's superuser; required, hexadecimal digits"),
    Variable("LEADFUEL_OWNER_PASSWORD", "", "password of the tables' owner; required, hexadecimal digits"),
    Variable("LEADFUEL_APP_PASSWORD", "", "password of the app's login; required, hexadecimal digits"),
    Variable("REDIS_PASSWORD", "", "password of Redis; required, hexadecimal digits"),
    Variable("OPENSEARCH_HEAP", "1g", "heap of OpenSearch in its container, half of its memory"),
    Variable("OPENSEARCH_MEMORY", "2g", "memory of the OpenSearch container"),
    Variable("POSTGRES_BUFFERS", "512MB", "shared buffers of the PostgreSQL container"),
    Variable("POSTGRES_MEMORY", "2g", "memory of the PostgreSQL container"),
)


def variables(concern: type[Any]) -> list[Variable]:
    """The variables that one concern's settings are read from."""
    return [_variable(field) for field in fields(concern)]


def text() -> str:
    """The whole file."""
    parts = [_HEAD]
    for field in fields(Settings):
        concern: Any = field.type
        parts.append(_group(_title(concern), variables(concern)))
    parts.append(_group("For docker-compose.yml alone: the program does not read these", COMPOSE))
    return "\n".join(parts)


def _title(concern: type[Any]) -> str:
    return _GROUPS.get(concern, concern.__name__.removesuffix("Settings"))


def _variable(field: Field[Any]) -> Variable:
    secret = "; keep it secret" if field.metadata["secret"] else ""
    return Variable(field.metadata["env"], str(field.default), field.metadata["meaning"] + secret)


def _group(title: str, group: list[Variable] | tuple[Variable, ...]) -> str:
    lines = [f"# --- {title} ---"]
    for variable in group:
        meaning = variable.meaning[0].upper() + variable.meaning[1:] + "."
        lines += [f"# {line}" for line in wrap(meaning, _WIDTH)]
        lines.append(f"#{variable.name}={variable.default}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
