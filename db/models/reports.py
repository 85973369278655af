"""What users report of addresses they have unlocked."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.models.base import contact_reference, created_at, metadata, pii, user_reference, uuid_key

contact_reports = Table(
    "contact_reports",
    metadata,
    uuid_key(),
    user_reference(),
    contact_reference(),
    Column("email_hash", LargeBinary, nullable=False, info=pii("the contact whose address it is")),
    Column("outcome", Text, nullable=False),
    Column("source_id", SmallInteger, ForeignKey("app.sources.id", ondelete="SET NULL")),
    Column("credits", Integer, nullable=False, server_default=text("0")),
    created_at(),
    UniqueConstraint("user_id", "contact_id", "email_hash", name="contact_reports_key"),
)
Index("contact_reports_contact_id_idx", contact_reports.c.contact_id)
Index(
    "contact_reports_bounced_idx",
    contact_reports.c.email_hash,
    postgresql_where=text("outcome = 'bounced'"),
)
Index("contact_reports_source_id_idx", contact_reports.c.source_id)
Index("contact_reports_user_id_idx", contact_reports.c.user_id, contact_reports.c.created_at)
