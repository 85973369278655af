"""Where users want events sent, and what became of each sending."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.models.base import UUID, created_at, identity, metadata, timestamp, user_reference, uuid_key

webhooks = Table(
    "webhooks",
    metadata,
    uuid_key(),
    user_reference(writer=True),
    Column("url", Text, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("disabled_reason", Text),
    created_at(),
)
Index("webhooks_user_id_idx", webhooks.c.user_id)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    identity(),
    Column("webhook_id", UUID, ForeignKey("app.webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("secret", Text, nullable=False),
    created_at(),
    timestamp("expires_at", default=False),
)
Index("webhook_secrets_webhook_id_idx", webhook_secrets.c.webhook_id)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    uuid_key(),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("webhook_id", UUID, ForeignKey("app.webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    timestamp("next_attempt_at"),
    Column("claimed_by", UUID),
    timestamp("claimed_until", default=False),
    Column("last_status", Integer),
    Column("last_error", Text),
    created_at(),
    timestamp("finished_at", default=False),
    UniqueConstraint("webhook_id", "event_id", name="webhook_deliveries_event_key"),
)
Index("webhook_deliveries_webhook_id_idx", webhook_deliveries.c.webhook_id, webhook_deliveries.c.seq)
Index(
    "webhook_deliveries_pending_idx",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.next_attempt_at,
    postgresql_where=text("state = 'pending'"),
)
Index(
    "webhook_deliveries_order_idx",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.subject,
    webhook_deliveries.c.seq,
    postgresql_where=text("state = 'pending'"),
)
Index(
    "webhook_deliveries_subject_idx",
    webhook_deliveries.c.subject,
    postgresql_where=text("subject IS NOT NULL"),
)
Index("webhook_deliveries_created_at_idx", webhook_deliveries.c.created_at)
