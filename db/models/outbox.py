"""Jobs that a transaction wants done once it has committed."""

from sqlalchemy import Column, Index, Integer, Table, Text, text

from db.models.base import created_at, jsonb, metadata, timestamp, uuid_key

outbox = Table(
    "outbox",
    metadata,
    uuid_key(),
    Column("job", Text, nullable=False),
    jsonb("payload"),
    created_at(),
    timestamp("dispatched_at", default=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
)
Index("outbox_waiting_idx", outbox.c.created_at, postgresql_where=text("dispatched_at IS NULL"))
