"""Uploaded files, their pieces, and the rows and values of them that could not be read."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from db.models.base import (
    UUID,
    created_at,
    identity,
    jsonb,
    metadata,
    pii,
    timestamp,
    user_reference,
    uuid_key,
)

imports = Table(
    "imports",
    metadata,
    uuid_key(),
    user_reference(ondelete="SET NULL", nullable=True),
    Column("entity", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("filename", Text),
    jsonb("options"),
    Column("status", Text, nullable=False, server_default=text("'uploaded'")),
    jsonb("counts"),
    jsonb("progress"),
    Column("error", Text),
    created_at(),
    timestamp("started_at", default=False),
    timestamp("finished_at", default=False),
)
Index("imports_user_id_idx", imports.c.user_id)
Index("imports_created_at_idx", imports.c.created_at, imports.c.id)

import_chunks = Table(
    "import_chunks",
    metadata,
    Column("import_id", UUID, ForeignKey("app.imports.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False, info=pii("the contact")),
)

import_rejects = Table(
    "import_rejects",
    metadata,
    identity(BigInteger),
    Column("import_id", UUID, ForeignKey("app.imports.id", ondelete="CASCADE"), nullable=False),
    Column("line", Integer, nullable=False),
    Column("column", Text),
    Column("value", Text, info=pii("the contact")),
    Column("reason", Text, nullable=False),
    Column("original", Text, info=pii("the contact")),
    Column("is_row", Boolean, nullable=False),
)
Index("import_rejects_import_id_idx", import_rejects.c.import_id, import_rejects.c.line)
