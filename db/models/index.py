"""The feed of the search index: which records have changed, and what the indexer keeps about its indices.

Triggers append to `search_dirty` and `company_fanout` in the transaction of the change. An id of 0 in
`search_dirty` is a mark: the whole table was truncated.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from db.models.base import JSONB, SCHEMA, UUID, jsonb, metadata, pii, timestamp

search_dirty = Table(
    "search_dirty",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    # In the database the one byte of "char", which SQLAlchemy has no name for.
    Column("entity", String, nullable=False),
    Column("id", Integer, nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),
    # Leases and ages run by PostgreSQL's own clock, which no test moves.
    Column("queued_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("claimed_by", UUID),
    timestamp("claimed_until", default=False),
)
Index("search_dirty_order_idx", search_dirty.c.priority, search_dirty.c.seq)

company_fanout = Table(
    "company_fanout",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("organization_id", Integer, nullable=False),
    Column("last_contact_id", Integer, nullable=False, server_default=text("0")),
    Column("claimed_by", UUID),
    timestamp("claimed_until", default=False),
)

index_token = Sequence("index_token", schema=SCHEMA, metadata=metadata)

indices = Table(
    "indices",
    metadata,
    Column("index_name", Text, primary_key=True),
    Column("entity", Text, nullable=False),
    Column("schema_hash", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'building'")),
    Column("last_id", Integer, nullable=False, server_default=text("0")),
    Column("rows_done", BigInteger, nullable=False, server_default=text("0")),
    Column("rows_total", BigInteger, nullable=False, server_default=text("0")),
    timestamp("started_at"),
    timestamp("finished_at", default=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("entity", Text, primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("document", JSONB, info=pii("the contact")),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    timestamp("first_at"),
    timestamp("last_at"),
)

# What an operator sets (a pause) and the indexer finds out (the last verify, the heartbeat).
index_control = Table(
    "index_control",
    metadata,
    Column("name", Text, primary_key=True),
    jsonb("value"),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)

# Appended in the transaction that takes a change off the queue; what saved searches will read.
applied = Table(
    "applied",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("entity", String, nullable=False),
    Column("id", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)
