"""Keys by which programs call the API in a user's name; only their hashes are kept."""

from sqlalchemy import Column, Index, LargeBinary, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY

from db.models.base import created_at, metadata, timestamp, user_reference, uuid_key

api_keys = Table(
    "api_keys",
    metadata,
    uuid_key(),
    user_reference(),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    created_at(),
    timestamp("expires_at", default=False),
    timestamp("last_used_at", default=False),
    UniqueConstraint("key_hash"),
)
Index("api_keys_user_id_idx", api_keys.c.user_id, api_keys.c.created_at)
