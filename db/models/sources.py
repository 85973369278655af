"""Where every word about a record came from: per source and its own key, what it last said.

A source's word counts when it changes: `values` is what it said last, `since` when that became so, and
`superseded` what it had said before. `raw` keeps its spelling where ours differs.
"""

from typing import Any

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.models.base import (
    contact_reference,
    created_at,
    identity,
    jsonb,
    metadata,
    organization_reference,
    pii,
)

sources = Table(
    "sources",
    metadata,
    identity(SmallInteger),
    Column("name", Text, nullable=False),
    created_at(),
    UniqueConstraint("name"),
)


def _statements(about: str | None) -> list[Column[Any]]:
    info = pii(about) if about else None
    return [
        Column("source_id", SmallInteger, ForeignKey("app.sources.id"), primary_key=True),
        Column("source_key", Text, primary_key=True, info=info),
        jsonb("values", info=info),
        jsonb("raw", info=info),
        jsonb("since"),
        jsonb("superseded", "[]", info=info),
        Column("values_hash", LargeBinary),
        Column("first_seen", Date, nullable=False, server_default=text("app.today()")),
        Column("last_seen", Date, nullable=False, server_default=text("app.today()")),
    ]


contact_sources = Table("contact_sources", metadata, contact_reference(), *_statements("the contact"))
organization_sources = Table("organization_sources", metadata, organization_reference(), *_statements(None))

Index("contact_sources_contact_id_idx", contact_sources.c.contact_id)
Index("organization_sources_organization_id_idx", organization_sources.c.organization_id)
