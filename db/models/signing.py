"""The keys that tokens are signed with; their private halves are sealed."""

from sqlalchemy import Column, Index, LargeBinary, Table, Text, text

from db.models.base import JSONB, created_at, metadata, timestamp

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("public_jwk", JSONB),
    Column("sealed", LargeBinary, nullable=False),
    created_at(),
    timestamp("needed_until"),
    timestamp("retired_at", default=False),
    timestamp("ends_at", default=False),
)
Index(
    "signing_keys_current_key",
    signing_keys.c.purpose,
    unique=True,
    postgresql_where=text("retired_at IS NULL"),
)
