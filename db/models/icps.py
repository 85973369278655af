"""Ideal customer profiles: searches that a user has named and kept, in all their versions."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.models.base import (
    CITEXT,
    SCHEMA,
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
    # How the request was read when it was last begun to be watched.
    Column("criteria", JSONB),
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

# Drawn whenever what an alert tells, or its baseline, is another: by it a process knows what it has read.
alert_revision = Sequence("alert_revision", data_type=BigInteger, schema=SCHEMA, metadata=metadata)

icp_alerts = Table(
    "icp_alerts",
    metadata,
    Column("icp_id", UUID, ForeignKey("app.icp_profiles.id", ondelete="CASCADE"), primary_key=True),
    user_reference(writer=True),
    Column("version", Integer, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("members", LargeBinary, nullable=False),
    timestamp("baseline_at"),
    words("fields"),
    Column("as_of", Date),
    Column("revision", BigInteger, nullable=False, server_default=text("nextval('app.alert_revision')")),
)
Index("icp_alerts_user_id_idx", icp_alerts.c.user_id)

# Drawn many at once by whoever compares, who is alone.
icp_event_ids = Sequence("icp_event_ids", data_type=BigInteger, schema=SCHEMA, metadata=metadata)

# What one comparison had to tell of one ICP: events side by side, of which the last has the row's id.
icp_events = Table(
    "icp_events",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    # No foreign key: a trigger deletes them with their ICP.
    Column("icp_id", UUID, nullable=False),
    Column("version", Integer, nullable=False),
    Column("records", ARRAY(Integer), nullable=False),
    # A letter each: entered, left by a change, removed, changed.
    Column("kinds", Text, nullable=False),
    # The readers who had the records hidden when it was written; its policy asks, nobody reads it.
    Column("missed_by", ARRAY(UUID)),
    Column("position", BigInteger, nullable=False),
    created_at(),
    # Of what `alert_evidence` has of a record that has changed, these are told.
    words("fields"),
)
Index("icp_events_icp_id_idx", icp_events.c.icp_id, icp_events.c.id)
Index("icp_events_created_at_idx", icp_events.c.created_at, postgresql_using="brin")
Index(
    "icp_events_event_key",
    icp_events.c.position,
    icp_events.c.icp_id,
    icp_events.c.version,
    text("(records[1])"),
    unique=True,
)

# What the events of one comparison rest on, once per record: what had changed since the one before, the
# document that came to fit, and what single ICPs are told instead. All JSON, put into words when it is read.
alert_evidence = Table(
    "alert_evidence",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("entity", String, primary_key=True),
    Column("record_id", Integer, primary_key=True, autoincrement=False),
    Column("changes", Text, nullable=False, info=pii("what has changed about a contact")),
    Column("document", Text, info=pii("what a contact's record said when it came to fit")),
    Column("own", Text, info=pii("what has changed about a contact, as one ICP has seen it")),
    created_at(),
)
Index("alert_evidence_record_id_idx", alert_evidence.c.record_id)
Index("alert_evidence_created_at_idx", alert_evidence.c.created_at, postgresql_using="brin")

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

# What the watched fields said when a record was last compared. No reference to the record: that it is gone is
# told first, and then the state is deleted.
alert_states = Table(
    "alert_states",
    metadata,
    Column("entity", String, primary_key=True),
    Column("record_id", Integer, primary_key=True, autoincrement=False),
    Column("values", Text, nullable=False, info=pii("what a contact's watched fields said")),
    # Of a record that has been deleted: who had it hidden, until its removal is told.
    Column("hidden_by", ARRAY(UUID)),
)

alert_overrides = Table(
    "alert_overrides",
    metadata,
    Column("icp_id", UUID, ForeignKey("app.icp_alerts.icp_id", ondelete="CASCADE"), primary_key=True),
    Column("record_id", Integer, primary_key=True),
    Column("values", Text, nullable=False, info=pii("what a contact's watched fields said")),
)
Index("alert_overrides_record_id_idx", alert_overrides.c.record_id)

icp_subscriptions = Table(
    "icp_subscriptions",
    metadata,
    Column("icp_id", UUID, ForeignKey("app.icp_profiles.id", ondelete="CASCADE"), primary_key=True),
    user_reference(key=True, writer=True),
    Column("email", Boolean, nullable=False, server_default=text("false")),
    Column("webhook", Boolean, nullable=False, server_default=text("false")),
    Column("how", Text, nullable=False, server_default=text("'at_once'")),
    Column("at_time", Time, nullable=False, server_default=text("'08:00:00'")),
    Column("weekday", SmallInteger, nullable=False, server_default=text("1")),
    Column("zone", Text, nullable=False, server_default=text("'UTC'")),
    Column("quiet_from", Time),
    Column("quiet_until", Time),
    Column("at_most", SmallInteger),
    Column("mailed_upto", BigInteger, nullable=False, server_default=text("0")),
    Column("webhook_upto", BigInteger, nullable=False, server_default=text("0")),
    timestamp("mail_due_at", default=False),
    Column("webhook_due", Boolean, nullable=False, server_default=text("false")),
    Column("sending_upto", BigInteger),
    Column("claimed_by", UUID),
    timestamp("claimed_until", default=False),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("mails_on", Date),
    Column("mails_that_day", Integer, nullable=False, server_default=text("0")),
)
Index("icp_subscriptions_user_id_idx", icp_subscriptions.c.user_id)
Index(
    "icp_subscriptions_mail_due_at_idx",
    icp_subscriptions.c.mail_due_at,
    postgresql_where=text("mail_due_at IS NOT NULL"),
)
Index(
    "icp_subscriptions_webhook_due_idx",
    icp_subscriptions.c.icp_id,
    postgresql_where=text("webhook_due"),
)
