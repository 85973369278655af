"""How people sign in; reached by the role `auth_admin` alone. The person and the address are `app.users`."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import INET

from db.models.base import (
    CITEXT,
    JSONB,
    UUID,
    created_at,
    identity,
    jsonb,
    metadata,
    pii,
    timestamp,
    uuid_key,
)

SCHEMA: Final = "auth"


def _user(*, nullable: bool = False) -> Column[Any]:
    return Column("user_id", UUID, ForeignKey("auth.users.id", ondelete="CASCADE"), nullable=nullable)


def _id() -> Column[Any]:
    """An id that the program chooses, for tokens are made from it."""
    return Column("id", UUID, primary_key=True)


def _expires_at() -> Column[Any]:
    return Column("expires_at", DateTime(timezone=True), nullable=False)


def _origin() -> list[Column[Any]]:
    return [
        Column("address", INET, info=pii("the user's network")),
        Column("user_agent", Text, info=pii("the user's program")),
    ]


users = Table(
    "users",
    metadata,
    Column("id", UUID, ForeignKey("app.users.id", ondelete="CASCADE"), primary_key=True),
    Column("password_hash", Text),
    timestamp("email_confirmed_at", default=False),
    Column("email_is_proven", Boolean, nullable=False, server_default=text("false")),
    Column("new_email", CITEXT, info=pii("the user")),
    Column("change_confirmed_by", Text),
    jsonb("app_metadata"),
    jsonb("user_metadata", info=pii("the user")),
    timestamp("invited_at", default=False),
    timestamp("last_sign_in_at", default=False),
    timestamp("banned_until", default=False),
    created_at(),
    timestamp("updated_at"),
    schema=SCHEMA,
)

identities = Table(
    "identities",
    metadata,
    uuid_key(),
    _user(),
    Column("provider", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    jsonb("identity_data", info=pii("the user")),
    timestamp("last_sign_in_at", default=False),
    created_at(),
    timestamp("updated_at"),
    UniqueConstraint("provider", "provider_id"),
    schema=SCHEMA,
)
Index("identities_user_id_idx", identities.c.user_id)

sessions = Table(
    "sessions",
    metadata,
    uuid_key(),
    _user(),
    Column("aal", Text, nullable=False, server_default=text("'aal1'")),
    Column("amr", JSONB, nullable=False, server_default=text("'[]'")),
    *_origin(),
    created_at(),
    timestamp("refreshed_at"),
    timestamp("revoked_at", default=False),
    schema=SCHEMA,
)
Index("sessions_user_id_idx", sessions.c.user_id)
Index("sessions_refreshed_at_idx", sessions.c.refreshed_at)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    _id(),
    Column("session_id", UUID, ForeignKey("auth.sessions.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", UUID),
    created_at(),
    timestamp("used_at", default=False),
    schema=SCHEMA,
)
Index("refresh_tokens_session_id_idx", refresh_tokens.c.session_id)
Index(
    "refresh_tokens_unused_key",
    refresh_tokens.c.session_id,
    unique=True,
    postgresql_where=text("used_at IS NULL"),
)

signups = Table(
    "signups",
    metadata,
    _id(),
    Column("email", CITEXT, nullable=False, info=pii("who signs up")),
    Column("password_hash", Text),
    jsonb("user_metadata", info=pii("who signs up")),
    Column("terms_version", Text),
    *_origin(),
    created_at(),
    _expires_at(),
    schema=SCHEMA,
)
Index("signups_email_idx", signups.c.email)
Index("signups_expires_at_idx", signups.c.expires_at)

one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    _user(nullable=True),
    Column("signup_id", UUID, ForeignKey("auth.signups.id", ondelete="CASCADE")),
    Column("email", CITEXT, nullable=False, info=pii("the user")),
    Column("code_attempts", Integer, nullable=False, server_default=text("0")),
    Column("code_challenge", Text),
    Column("code_challenge_method", Text),
    created_at(),
    _expires_at(),
    schema=SCHEMA,
)
for _name in ("user_id", "signup_id", "email", "expires_at"):
    Index(f"one_time_tokens_{_name}_idx", one_time_tokens.c[_name])

flow_state = Table(
    "flow_state",
    metadata,
    _id(),
    Column("step", Text, nullable=False),
    Column("provider", Text),
    Column("redirect_to", Text),
    Column("code_challenge", Text),
    Column("code_challenge_method", Text),
    Column("terms_version", Text),
    _user(nullable=True),
    Column("method", Text),
    created_at(),
    _expires_at(),
    schema=SCHEMA,
)
Index("flow_state_user_id_idx", flow_state.c.user_id)
Index("flow_state_expires_at_idx", flow_state.c.expires_at)

mfa_factors = Table(
    "mfa_factors",
    metadata,
    uuid_key(),
    _user(),
    Column("friendly_name", Text),
    Column("factor_type", Text, nullable=False, server_default=text("'totp'")),
    Column("status", Text, nullable=False, server_default=text("'unverified'")),
    Column("secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False, server_default=text("0")),
    created_at(),
    timestamp("updated_at"),
    schema=SCHEMA,
)
Index("mfa_factors_name_key", mfa_factors.c.user_id, mfa_factors.c.friendly_name, unique=True)

mfa_challenges = Table(
    "mfa_challenges",
    metadata,
    uuid_key(),
    Column("factor_id", UUID, ForeignKey("auth.mfa_factors.id", ondelete="CASCADE"), nullable=False),
    created_at(),
    _expires_at(),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    schema=SCHEMA,
)
Index("mfa_challenges_factor_id_idx", mfa_challenges.c.factor_id)

consents = Table(
    "consents",
    metadata,
    identity(),
    Column("user_id", UUID, nullable=False),
    Column("text_version", Text, nullable=False),
    *_origin(),
    timestamp("given_at"),
    schema=SCHEMA,
)
Index("consents_user_id_idx", consents.c.user_id)

events = Table(
    "events",
    metadata,
    identity(),
    Column("user_id", UUID, nullable=False),
    Column("action", Text, nullable=False),
    Column("address", INET, info=pii("the user's network")),
    jsonb("details"),
    timestamp("happened_at"),
    schema=SCHEMA,
)
Index("events_user_id_idx", events.c.user_id, events.c.id)
