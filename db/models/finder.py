"""What users have asked the address finder, what it answered, and what it has learned."""

from sqlalchemy import BigInteger, Column, Index, Table, Text, text

from db.models.base import contact_reference, created_at, identity, jsonb, metadata, pii, user_reference

email_finder_logs = Table(
    "email_finder_logs",
    metadata,
    identity(BigInteger),
    user_reference(),
    contact_reference(ondelete="SET NULL", nullable=True),
    jsonb("input_data", info=pii("the contact")),
    Column("output_email", Text, info=pii("the contact")),
    Column("status", Text, nullable=False),
    created_at(),
)
Index("email_finder_logs_user_id_idx", email_finder_logs.c.user_id, email_finder_logs.c.id)
Index(
    "email_finder_logs_contact_id_idx",
    email_finder_logs.c.contact_id,
    postgresql_where=text("contact_id IS NOT NULL"),
)

finder_models = Table(
    "finder_models",
    metadata,
    identity(BigInteger),
    jsonb("model"),
    jsonb("figures"),
    created_at(),
)
