"""Lists of people and companies, and who has a part in them.

`is_shared` is a fact about the members (somebody but the owner has access), never a right for everybody.
"""

from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, Text, text

from db.models.base import (
    UUID,
    contact_reference,
    created_at,
    metadata,
    organization_reference,
    timestamp,
    user_reference,
    uuid_key,
)

lists = Table(
    "lists",
    metadata,
    uuid_key(),
    user_reference("owner_id", writer=True),
    Column("name", Text, nullable=False),
    Column("is_shared", Boolean, nullable=False, server_default=text("false")),
    created_at(),
)
Index("lists_owner_id_idx", lists.c.owner_id)


def _list_reference() -> Column[Any]:
    return Column("list_id", UUID, ForeignKey("app.lists.id", ondelete="CASCADE"), primary_key=True)


list_members = Table(
    "list_members",
    metadata,
    _list_reference(),
    user_reference(key=True),
    Column("role", Text, nullable=False, server_default=text("'viewer'")),
    created_at(),
)
Index("list_members_user_id_idx", list_members.c.user_id)

list_contacts = Table(
    "list_contacts",
    metadata,
    _list_reference(),
    contact_reference(key=True),
    user_reference("added_by", ondelete="SET NULL", nullable=True, writer=True),
    timestamp("added_at"),
)
Index("list_contacts_contact_id_idx", list_contacts.c.contact_id)
Index("list_contacts_added_by_idx", list_contacts.c.added_by)

list_organizations = Table(
    "list_organizations",
    metadata,
    _list_reference(),
    organization_reference(key=True),
    user_reference("added_by", ondelete="SET NULL", nullable=True, writer=True),
    timestamp("added_at"),
)
Index("list_organizations_organization_id_idx", list_organizations.c.organization_id)
Index("list_organizations_added_by_idx", list_organizations.c.added_by)
