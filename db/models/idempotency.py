"""Answers kept for a day under the caller's key; a trigger forgets those about people who leave."""

from sqlalchemy import ARRAY, Column, DateTime, Index, Integer, LargeBinary, SmallInteger, Table, Text, text

from db.models.base import UUID, created_at, metadata, pii, user_reference

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    user_reference(key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response", LargeBinary, info=pii("the people whose addresses were unlocked")),
    Column("contact_ids", ARRAY(Integer), nullable=False, server_default="{}"),
    created_at(),
    Column("reference", UUID, nullable=False, server_default=text("gen_random_uuid()")),
    Column("status", SmallInteger),
    Column("claimed_until", DateTime(timezone=True)),
    # The number of the process that has claimed it: `db.presence`.
    Column("holder", Integer),
)
Index("idempotency_keys_created_at_idx", idempotency_keys.c.created_at)
Index("idempotency_keys_contact_ids_idx", idempotency_keys.c.contact_ids, postgresql_using="gin")
