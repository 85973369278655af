"""Exports that people have asked for, and their files."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from db.models.base import UUID, created_at, metadata, timestamp, user_reference, uuid_key

exports = Table(
    "exports",
    metadata,
    uuid_key(),
    user_reference(writer=True),
    Column("job_id", UUID, ForeignKey("app.jobs.id", ondelete="CASCADE"), nullable=False),
    Column("entity", Text, nullable=False),
    Column("source", JSONB, nullable=False),
    Column("columns", ARRAY(Text), nullable=False),
    Column("format", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("row_count", Integer),
    Column("byte_count", BigInteger),
    created_at(),
    timestamp("finished_at", default=False),
    timestamp("expires_at", default=False),
)
Index("exports_user_id_idx", exports.c.user_id, exports.c.created_at, exports.c.id)
Index("exports_job_id_idx", exports.c.job_id)
Index("exports_expires_at_idx", exports.c.expires_at, postgresql_where=text("expires_at IS NOT NULL"))
