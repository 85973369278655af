"""Ideal customer profiles: searches that a user has named and kept, in all their versions."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.models.base import (
    CITEXT,
    UUID,
    created_at,
    identity,
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

icp_alerts = Table(
    "icp_alerts",
    metadata,
    Column("icp_id", UUID, ForeignKey("app.icp_profiles.id", ondelete="CASCADE"), primary_key=True),
    user_reference(writer=True),
    Column("version", Integer, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("members", LargeBinary, nullable=False),
    timestamp("baseline_at"),
)
Index("icp_alerts_user_id_idx", icp_alerts.c.user_id)

icp_events = Table(
    "icp_events",
    metadata,
    identity(),
    Column("icp_id", UUID, ForeignKey("app.icp_profiles.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("record_id", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    created_at(),
    UniqueConstraint("icp_id", "version", "record_id", "position", name="icp_events_event_key"),
)
Index("icp_events_icp_id_idx", icp_events.c.icp_id, icp_events.c.id)
Index("icp_events_created_at_idx", icp_events.c.created_at)

icp_event_reads = Table(
    "icp_event_reads",
    metadata,
    user_reference(key=True, writer=True),
    Column("icp_id", UUID, ForeignKey("app.icp_profiles.id", ondelete="CASCADE"), primary_key=True),
    Column("event_id", BigInteger, nullable=False),
)
Index("icp_event_reads_icp_id_idx", icp_event_reads.c.icp_id)

alert_position = Table(
    "alert_position",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
