"""Slow work that people have asked for."""

from sqlalchemy import Boolean, Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from db.models.base import created_at, jsonb, metadata, timestamp, user_reference, uuid_key

jobs = Table(
    "jobs",
    metadata,
    uuid_key(),
    user_reference(writer=True),
    Column("kind", Text, nullable=False),
    jsonb("arguments"),
    Column("status", Text, nullable=False, server_default=text("'waiting'")),
    jsonb("progress"),
    Column("result", JSONB),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    created_at(),
    timestamp("started_at", default=False),
    timestamp("finished_at", default=False),
)
Index("jobs_user_id_idx", jobs.c.user_id, jobs.c.created_at, jobs.c.id)
