"""Ideal customer profiles: searches that a user has named and kept."""

from sqlalchemy import Column, Index, Table, Text

from db.models.base import created_at, jsonb, metadata, user_reference, uuid_key

icp_profiles = Table(
    "icp_profiles",
    metadata,
    uuid_key(),
    user_reference(writer=True),
    Column("name", Text, nullable=False),
    jsonb("filters"),
    created_at(),
)
Index("icp_profiles_user_id_idx", icp_profiles.c.user_id)
