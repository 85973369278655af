"""Which addresses users have had validated, and what the mail servers said."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from db.models.base import created_at, identity, jsonb, metadata, pii, user_reference

email_validation_logs = Table(
    "email_validation_logs",
    metadata,
    identity(BigInteger),
    user_reference(),
    Column("email", Text, nullable=False, info=pii("the contact")),
    jsonb("smtp_result", info=pii("the contact")),
    created_at(),
)
Index("email_validation_logs_user_id_idx", email_validation_logs.c.user_id, email_validation_logs.c.id)
