"""What was done with the rights of an administrator, an operator or the service."""

from sqlalchemy import Column, Index, Table, Text

from db.models.base import UUID, created_at, identity, jsonb, metadata

audit_log = Table(
    "audit_log",
    metadata,
    identity(),
    # No reference: an entry outlives the account.
    Column("actor_id", UUID),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    jsonb("detail"),
    created_at(),
)
for column in ("actor_id", "action", "subject"):
    Index(f"audit_log_{column}_idx", audit_log.c[column], audit_log.c.id)
