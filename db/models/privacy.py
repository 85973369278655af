"""People who must not be in the catalogue, known by keyed hashes alone."""

from sqlalchemy import Column, LargeBinary, Table, Text

from db.models.base import created_at, metadata

suppressions = Table(
    "suppressions",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("keyed_hash", LargeBinary, primary_key=True),
    Column("reason", Text),
    created_at(),
)
