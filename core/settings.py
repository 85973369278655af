"""Every setting, once: read from the environment by `Settings.from_env`, then handed down.

Nothing is read at import, so a test makes another `Settings` and patches nothing. `.env.example`
lists the same names, and a test holds the two together.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar, get_type_hints
from urllib.parse import urlsplit

from core.errors import LeadFuelError

S = TypeVar("S")


class BadSetting(LeadFuelError):
    """A setting in the environment cannot be read."""

    slug = "bad-setting"
    title = "A setting cannot be read"


def setting(env: str, default: Any, meaning: str, *, secret: bool = False) -> Any:
    """Declare a field: the variable it comes from, what holds without it, and what it means."""
    return field(default=default, metadata={"env": env, "meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    url: str = setting("DATABASE_URL", "", "PostgreSQL as the app's own login (owns and bypasses nothing)")
    migration_url: str = setting(
        "MIGRATION_DATABASE_URL", "", "PostgreSQL as the tables' owner; only `leadfuel db` uses it"
    )
    pool_size: int = setting("LEADFUEL_DB_POOL", 10, "connections a process keeps open at the most")
    statement_timeout_s: float = setting(
        "LEADFUEL_DB_STATEMENT_TIMEOUT", 30.0, "seconds after which PostgreSQL ends a request's statement"
    )


@dataclass(frozen=True, slots=True)
class OpenSearchSettings:
    url: str = setting("OPENSEARCH_URL", "", "OpenSearch; empty means that PostgreSQL answers every search")
    index_prefix: str = setting("LEADFUEL_INDEX_PREFIX", "leadfuel-", "what every index name begins with")
    shards: int = setting("LEADFUEL_INDEX_SHARDS", 1, "primary shards of a new index")
    replicas: int = setting("LEADFUEL_INDEX_REPLICAS", 0, "replicas of a live index")
    refresh_interval_ms: int = setting(
        "LEADFUEL_INDEX_REFRESH_MS", 500, "milliseconds until a written document can be found"
    )


@dataclass(frozen=True, slots=True)
class RedisSettings:
    url: str = setting("REDIS_URL", "", "Redis for jobs and request limits")


@dataclass(frozen=True, slots=True)
class SearchSettings:
    time_budget_ms: int = setting(
        "LEADFUEL_SEARCH_BUDGET_MS", 800, "milliseconds OpenSearch has before PostgreSQL is asked"
    )
    fallback_budget_ms: int = setting(
        "LEADFUEL_FALLBACK_BUDGET_MS", 4000, "milliseconds PostgreSQL has for the page and total together"
    )
    fallback_facet_budget_ms: int = setting(
        "LEADFUEL_FALLBACK_FACET_BUDGET_MS", 2500, "milliseconds PostgreSQL has for all facets together"
    )
    breaker_failures: int = setting(
        "LEADFUEL_BREAKER_FAILURES", 1, "failures in a row after which OpenSearch is left alone"
    )
    breaker_pause_ms: int = setting(
        "LEADFUEL_BREAKER_PAUSE_MS", 5000, "milliseconds until OpenSearch is tried again"
    )


@dataclass(frozen=True, slots=True)
class ApiSettings:
    host: str = setting("LEADFUEL_HOST", "127.0.0.1", "address the API listens on")
    port: int = setting("PORT", 8080, "port the API listens on")
    processes: int = setting("LEADFUEL_API_PROCESSES", 2, "API processes")
    public_url: str = setting("LEADFUEL_PUBLIC_URL", "", "base of the links we send; empty: host and port")
    body_limit_bytes: int = setting("LEADFUEL_BODY_LIMIT", 1_048_576, "bytes a JSON body may have")
    upload_limit_bytes: int = setting(
        "LEADFUEL_UPLOAD_LIMIT", 268_435_456, "bytes an uploaded import file may have"
    )
    requests_per_minute: int = setting(
        "LEADFUEL_REQUESTS_PER_MINUTE", 600, "requests a user may send to one route in a minute"
    )
    cors_origins: str = setting(
        "LEADFUEL_CORS_ORIGINS", "", "origins, comma-separated, whose pages may call the API; empty: none"
    )
    trusted_proxies: int = setting("LEADFUEL_TRUSTED_PROXIES", 0, "proxies in front whose word is taken")
    metrics_token: str = setting(
        "LEADFUEL_METRICS_TOKEN",
        "",
        "bearer token that reads /metrics; empty: only who asks from this machine, past no proxy",
        secret=True,
    )
    log_level: str = setting("LEADFUEL_LOG_LEVEL", "INFO", "least severity that is logged")


@dataclass(frozen=True, slots=True)
class RestSettings:
    """What one request under `/rest/v1` may cost."""

    max_rows: int = setting(
        "LEADFUEL_REST_MAX_ROWS",
        1000,
        "rows that an answer under /rest/v1 has, also those embedded in another",
    )
    statement_timeout_s: float = setting(
        "LEADFUEL_REST_STATEMENT_TIMEOUT", 8.0, "seconds after which a statement of /rest/v1 is ended"
    )


@dataclass(frozen=True, slots=True)
class AuthSettings:
    jwt_secret: str = setting(
        "LEADFUEL_JWT_SECRET",
        "",
        "secret that seals the signing keys of tokens, and signs cursors and links",
        secret=True,
    )
    issuer: str = setting("LEADFUEL_JWT_ISSUER", "leadfuel", "issuer our tokens must name")
    audience: str = setting("LEADFUEL_JWT_AUDIENCE", "authenticated", "audience our tokens must name")
    token_lifetime_s: int = setting("LEADFUEL_TOKEN_LIFETIME", 86_400, "seconds a printed token is good for")
    issuers: str = setting(
        "LEADFUEL_ISSUERS",
        "",
        "issuers such as Clerk whose tokens are taken beside ours, as a JSON list: [{issuer, algorithm,"
        " audience, authorized_parties, …}]; empty: none",
    )


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """How people get accounts and sign in, under `/auth/v1`."""

    signup: str = setting(
        "LEADFUEL_SIGNUP", "open", "who may sign up: `open` to all, by `invitation` alone, or `closed`"
    )
    confirm: str = setting(
        "LEADFUEL_SIGNUP_CONFIRM",
        "mail",
        "what proves a new address: a `mail` with a link, or `none`, which is for trying things out",
    )
    terms_version: str = setting(
        "LEADFUEL_TERMS_VERSION",
        "",
        "version of the terms that who signs up must agree to, as `terms_version`; empty: none",
    )
    site_url: str = setting(
        "LEADFUEL_SITE_URL",
        "",
        "the front end, to which links in mails lead back; empty: LEADFUEL_PUBLIC_URL",
    )
    redirect_urls: str = setting(
        "LEADFUEL_REDIRECT_URLS",
        "",
        "further addresses that links may lead back to, comma-separated; `/**` at the end: all below",
    )
    access_lifetime_s: int = setting("LEADFUEL_ACCESS_LIFETIME", 3_600, "seconds an access token is good for")
    refresh_reuse_s: int = setting(
        "LEADFUEL_REFRESH_REUSE", 10, "seconds in which a refresh token that was used may be used again"
    )
    session_days: int = setting(
        "LEADFUEL_SESSION_DAYS", 30, "days after which a session that nobody has used is over"
    )
    password_length: int = setting("LEADFUEL_PASSWORD_LENGTH", 8, "characters a password must have")
    hash_memory_kib: int = setting(
        "LEADFUEL_PASSWORD_MEMORY", 19_456, "kibibytes of memory that hashing a password takes (argon2id)"
    )
    hash_rounds: int = setting("LEADFUEL_PASSWORD_ROUNDS", 2, "rounds of argon2id over a password")
    hash_threads: int = setting(
        "LEADFUEL_PASSWORD_THREADS", 1, "passwords that an API process hashes at the same time"
    )
    one_time_s: int = setting("LEADFUEL_LINK_LIFETIME", 900, "seconds a link or code in a mail is good for")
    mail_every_s: int = setting(
        "LEADFUEL_SIGN_IN_MAIL_EVERY", 60, "seconds between two sign-in mails to one address"
    )
    mails_per_hour: int = setting(
        "LEADFUEL_SIGN_IN_MAILS", 30, "sign-in mails that one client address may cause in an hour"
    )
    attempts: int = setting(
        "LEADFUEL_SIGN_IN_ATTEMPTS",
        30,
        "attempts to sign in within five minutes, for one account and for one client address",
    )
    providers: str = setting(
        "LEADFUEL_SIGN_IN_PROVIDERS",
        "",
        "providers to sign in with, as JSON: {name: {client_id, client_secret}}, names google, github, azure,"
        " or any other with its `issuer`",
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    hash_key: str = setting(
        "LEADFUEL_PRIVACY_KEY", "", "key of the hashes by which suppressed people are recognised", secret=True
    )


@dataclass(frozen=True, slots=True)
class MailSettings:
    smtp_url: str = setting(
        "SMTP_URL",
        "",
        "mail server, smtp:// (STARTTLS where it is offered) or smtps://; empty: mail waits",
        secret=True,
    )
    sender: str = setting("LEADFUEL_MAIL_FROM", "LeadFuel <leadfuel@localhost>", "sender of our mail")
    postal_address: str = setting(
        "LEADFUEL_POSTAL_ADDRESS", "", "postal address under our mail, which the law of many places demands"
    )


@dataclass(frozen=True, slots=True)
class ValidatorSettings:
    """How addresses are checked at the mail servers of others."""

    resolver: str = setting(
        "LEADFUEL_MAIL_RESOLVER",
        "",
        "DNS servers to ask, as address or address:port, comma-separated; empty: the system's",
    )
    smtp_port: int = setting(
        "LEADFUEL_SMTP_PORT", 25, "port of mail servers; 0 connects to none, and no address is proved"
    )
    helo: str = setting(
        "LEADFUEL_SMTP_HELO", "", "host name we greet with, which is also our PTR; empty: the machine's"
    )
    sender: str = setting(
        "LEADFUEL_SMTP_SENDER", "", "sender for servers that refuse the empty one; empty: they stay unknown"
    )
    tls: str = setting(
        "LEADFUEL_SMTP_TLS", "demanded", "STARTTLS when it is `demanded`, or whenever it is `offered`"
    )
    proxy: str = setting(
        "LEADFUEL_SMTP_PROXY", "", "socks5://… to reach mail servers through; empty: directly", secret=True
    )
    sources: str = setting(
        "LEADFUEL_SMTP_SOURCES", "", "own addresses to connect from, comma-separated; empty: as routed"
    )
    allowed_networks: str = setting(
        "LEADFUEL_SMTP_ALLOWED_NETWORKS",
        "",
        "networks beyond the public ones that may be connected to, comma-separated; for laboratories",
    )
    lists_folder: str = setting(
        "LEADFUEL_MAIL_LISTS", "", "folder with disposable.txt, role.txt and free.txt that add to our lists"
    )
    connect_timeout_s: float = setting("LEADFUEL_SMTP_CONNECT_TIMEOUT", 10.0, "seconds a connection may take")
    greeting_timeout_s: float = setting("LEADFUEL_SMTP_GREETING_TIMEOUT", 35.0, "seconds a greeting may take")
    command_timeout_s: float = setting("LEADFUEL_SMTP_COMMAND_TIMEOUT", 20.0, "seconds a reply may take")
    total_timeout_s: float = setting("LEADFUEL_SMTP_TOTAL_TIMEOUT", 60.0, "seconds a validation may take")
    caller_timeout_s: float = setting(
        "LEADFUEL_MAIL_CALLER_TIMEOUT", 15.0, "seconds a caller waits before the answer comes later"
    )
    dns_timeout_s: float = setting("LEADFUEL_DNS_TIMEOUT", 5.0, "seconds a question to the DNS may take")
    connections_per_group: int = setting(
        "LEADFUEL_SMTP_CONNECTIONS", 2, "connections at once to the mail servers of one provider"
    )
    log_days: int = setting(
        "LEADFUEL_MAIL_LOG_DAYS", 365, "days that checks and searches, with their answers, are kept"
    )
    at_once: int = setting(
        "LEADFUEL_MAIL_AT_ONCE", 50, "addresses that a worker checks or looks for at the same time"
    )
    per_domain: int = setting(
        "LEADFUEL_MAIL_PER_DOMAIN",
        1_000,
        "people of one domain that a user may ask for in a day, free mail aside; 0: any number",
    )
    per_minute: int = setting(
        "LEADFUEL_SMTP_PER_MINUTE", 20, "connections in a minute to the mail servers of one provider"
    )


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    allowed_hosts: str = setting(
        "WEBHOOK_ALLOWED_HOSTS",
        "",
        "host:port pairs, exact, comma-separated, that webhooks may reach beyond public https on port 443",
    )


@dataclass(frozen=True, slots=True)
class ExportSettings:
    url: str = setting(
        "LEADFUEL_EXPORTS_URL",
        "",
        "where exports lie: a folder that API and worker share, or a URL of fsspec such as s3://bucket/path;"
        " empty: `exports` in LEADFUEL_HOME",
    )
    keep_days: int = setting("LEADFUEL_EXPORTS_DAYS", 7, "days after which an export's file is deleted")


@dataclass(frozen=True, slots=True)
class BillingSettings:
    """Stripe sells the credits; without a key nothing is sold and everything else works."""

    stripe_key: str = setting(
        "STRIPE_API_KEY", "", "secret or restricted key of Stripe; empty: nothing is sold", secret=True
    )
    webhook_secrets: str = setting(
        "STRIPE_WEBHOOK_SECRETS",
        "",
        "signing secrets of the webhook, comma-separated while one takes the other's place",
        secret=True,
    )
    stripe_url: str = setting("STRIPE_API_URL", "", "where Stripe's API is; empty: at Stripe")
    mark: str = setting(
        "LEADFUEL_BILLING_MARK", "leadfuel", "word by which this installation knows its own at Stripe"
    )
    currency: str = setting("LEADFUEL_CURRENCY", "usd", "currency of all prices, as three letters")
    return_url: str = setting(
        "LEADFUEL_BILLING_URL", "", "page that people come back to from Stripe; empty: LEADFUEL_PUBLIC_URL"
    )
    tax: int = setting("STRIPE_TAX", 0, "1 lets Stripe compute and add taxes")
    alert_email: str = setting(
        "LEADFUEL_ALERT_EMAIL", "", "who is mailed when books or payments need a look; empty: administrators"
    )
    admin_credits_per_day: int = setting(
        "LEADFUEL_ADMIN_CREDITS_PER_DAY", 10_000, "credits an administrator may give away in 24 hours"
    )

    @property
    def livemode(self) -> bool:
        """Whether the key is one that moves real money."""
        return "_live_" in self.stripe_key

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.webhook_secrets.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class StackSettings:
    home: Path = setting("LEADFUEL_HOME", Path(".leadfuel"), "folder of the embedded services' data")
    opensearch_heap_mb: int = setting(
        "LEADFUEL_OPENSEARCH_HEAP_MB", 512, "megabytes of heap of the embedded OpenSearch"
    )
    postgres_buffers_mb: int = setting(
        "LEADFUEL_POSTGRES_BUFFERS_MB", 256, "megabytes of shared buffers of the embedded PostgreSQL"
    )
    maven_url: str = setting(
        "LEADFUEL_MAVEN_URL",
        "",
        "Maven repository for the embedded OpenSearch's jars; empty: as jgo is configured, else Central",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    database: DatabaseSettings = DatabaseSettings()
    opensearch: OpenSearchSettings = OpenSearchSettings()
    redis: RedisSettings = RedisSettings()
    search: SearchSettings = SearchSettings()
    api: ApiSettings = ApiSettings()
    rest: RestSettings = RestSettings()
    auth: AuthSettings = AuthSettings()
    sign_in: SignInSettings = SignInSettings()
    privacy: PrivacySettings = PrivacySettings()
    mail: MailSettings = MailSettings()
    validator: ValidatorSettings = ValidatorSettings()
    exports: ExportSettings = ExportSettings()
    billing: BillingSettings = BillingSettings()
    webhooks: WebhookSettings = WebhookSettings()
    stack: StackSettings = StackSettings()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read every concern from `environ` (the process's own by default); raises `BadSetting`."""
        environ = os.environ if environ is None else environ
        settings = cls(**{f.name: _read(f.type, environ) for f in fields(cls)})  # type: ignore[arg-type]
        _check(settings)
        return settings


def _read(concern: type[S], environ: Mapping[str, str]) -> S:
    hints = get_type_hints(concern)
    values = {}
    for f in fields(concern):  # type: ignore[arg-type]
        raw = environ.get(f.metadata["env"], "")
        if raw != "":
            values[f.name] = _parse(f.metadata["env"], raw, hints[f.name])
    return concern(**values)


def _parse(env: str, raw: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(raw)
    except ValueError:
        raise BadSetting(f"{env} must be {getattr(kind, '__name__', kind)}, not {raw[:40]!r}.") from None


def _check(settings: Settings) -> None:
    schemes = {
        "DATABASE_URL": (settings.database.url, ("postgresql", "postgres", "postgresql+asyncpg")),
        "MIGRATION_DATABASE_URL": (
            settings.database.migration_url,
            ("postgresql", "postgres", "postgresql+asyncpg"),
        ),
        "OPENSEARCH_URL": (settings.opensearch.url, ("http", "https")),
        "REDIS_URL": (settings.redis.url, ("redis", "rediss", "unix")),
        "SMTP_URL": (settings.mail.smtp_url, ("smtp", "smtps")),
        "STRIPE_API_URL": (settings.billing.stripe_url, ("http", "https")),
        "LEADFUEL_BILLING_URL": (settings.billing.return_url, ("http", "https")),
    }
    for env, (url, allowed) in schemes.items():
        if url and urlsplit(url).scheme not in allowed:
            raise BadSetting(f"{env} must be a URL that begins with one of: {', '.join(allowed)}.")
    words = {
        "LEADFUEL_SIGNUP": (settings.sign_in.signup, ("open", "invitation", "closed")),
        "LEADFUEL_SIGNUP_CONFIRM": (settings.sign_in.confirm, ("mail", "none")),
    }
    for env, (word, allowed) in words.items():
        if word not in allowed:
            raise BadSetting(f"{env} must be one of: {', '.join(allowed)}.")
    secret = settings.auth.jwt_secret
    if secret and len(secret) < 32:
        raise BadSetting("LEADFUEL_JWT_SECRET must have at least 32 characters.")
    if settings.billing.stripe_key and not settings.billing.secrets:
        raise BadSetting(
            "With a STRIPE_API_KEY there must be STRIPE_WEBHOOK_SECRETS, or payments go unheard."
        )
