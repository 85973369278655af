"""Ideal customer profiles: searches that a user has named and kept, in all their versions."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from db.models.base import (
    CITEXT,
    UUID,
    created_at,
    jsonb,
    metadata,
    pii,
    timestamp,
    user_reference,
    uuid_key,
    words,
)

icp_profiles = Table(
    "icp_profiles",
    metadata,
    uuid_key(),
    user_reference(writer=True),
    Column("name", Text, nullable=False),
    jsonb("filters"),
    created_at(),
    Column("entity", Text, nullable=False, server_default=text("'contacts'")),
    Column("notes", Text),
    words("tags"),
    Column("version", Integer, nullable=False, server_default=text("1")),
    timestamp("updated_at"),
)
Index("icp_profiles_user_id_idx", icp_profiles.c.user_id)

icp_versions = Table(
    "icp_versions",
    metadata,
    Column("icp_id", UUID, ForeignKey("app.icp_profiles.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("filters", JSONB, nullable=False),
    user_reference("changed_by", ondelete="SET NULL", nullable=True),
    created_at(),
)
Index("icp_versions_changed_by_idx", icp_versions.c.changed_by)

icp_members = Table(
    "icp_members",
    metadata,
    Column("icp_id", UUID, ForeignKey("app.icp_profiles.id", ondelete="CASCADE"), primary_key=True),
    Column("email", CITEXT, primary_key=True, info=pii("the person it is shared with")),
    Column("role", Text, nullable=False, server_default=text("'viewer'")),
    user_reference("added_by", ondelete="SET NULL", nullable=True, writer=True),
    created_at(),
)
Index("icp_members_email_idx", icp_members.c.email)
Index("icp_members_added_by_idx", icp_members.c.added_by)
