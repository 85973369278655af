"""Lists of people and companies, and who has a part in them.

`is_shared` is a fact about the members (somebody but the owner has access), never a right for everybody.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from db.models.base import (
    CITEXT,
    UUID,
    contact_reference,
    created_at,
    identity,
    metadata,
    organization_reference,
    pii,
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
    Column("description", Text),
    timestamp("archived_at", default=False),
)
Index("lists_owner_id_idx", lists.c.owner_id)


def _list_reference(*, key: bool = True) -> Column[Any]:
    return Column(
        "list_id", UUID, ForeignKey("app.lists.id", ondelete="CASCADE"), primary_key=key, nullable=False
    )


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

list_invitations = Table(
    "list_invitations",
    metadata,
    uuid_key(),
    _list_reference(key=False),
    Column("email", CITEXT, nullable=False, info=pii("the person invited")),
    Column("role", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("status", Text, nullable=False, server_default=text("'open'")),
    user_reference("invited_by", nullable=True, writer=True),
    created_at(),
    Column(
        "expires_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("app.now() + interval '14 days'"),
    ),
    timestamp("answered_at", default=False),
)
Index("list_invitations_list_id_idx", list_invitations.c.list_id)
Index("list_invitations_invited_by_idx", list_invitations.c.invited_by)
Index("list_invitations_email_idx", list_invitations.c.email, postgresql_where=text("status = 'open'"))
Index(
    "list_invitations_open_key",
    list_invitations.c.list_id,
    list_invitations.c.email,
    unique=True,
    postgresql_where=text("status = 'open'"),
)

list_activity = Table(
    "list_activity",
    metadata,
    identity(),
    _list_reference(key=False),
    user_reference(ondelete="SET NULL", nullable=True),
    Column("action", Text, nullable=False),
    user_reference("subject_id", ondelete="SET NULL", nullable=True),
    Column("record_count", Integer),
    Column("record_ids", ARRAY(Integer), nullable=False, server_default=text("'{}'")),
    Column("role", Text),
    created_at(),
)
Index("list_activity_list_id_idx", list_activity.c.list_id, list_activity.c.id)
Index("list_activity_user_id_idx", list_activity.c.user_id)
Index("list_activity_subject_id_idx", list_activity.c.subject_id)
