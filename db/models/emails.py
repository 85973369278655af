"""What users want to know of addresses, one row a question, and the jobs that ask many at once."""

from sqlalchemy import (
    UUID,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from db.models.base import created_at, jsonb, metadata, pii, timestamp, user_reference, uuid_key

email_jobs = Table(
    "email_jobs",
    metadata,
    uuid_key(),
    user_reference(),
    Column("kind", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    timestamp("cancelled_at", default=False),
    created_at(),
)
Index("email_jobs_user_id_idx", email_jobs.c.user_id, email_jobs.c.created_at, email_jobs.c.id)

email_requests = Table(
    "email_requests",
    metadata,
    uuid_key(),
    user_reference(),
    Column("job_id", UUID, ForeignKey("app.email_jobs.id", ondelete="CASCADE")),
    Column("place", Integer, nullable=False, server_default=text("0")),
    Column("kind", Text, nullable=False),
    jsonb("input", info=pii("the contact")),
    Column("subject", Text, info=pii("the contact")),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("claims", SmallInteger, nullable=False, server_default=text("0")),
    timestamp("due_at", default=False),
    Column("lease", UUID),
    Column("leased_until", DateTime(timezone=True)),
    Column("hold_id", UUID),
    Column("credits", Integer, nullable=False, server_default=text("0")),
    Column("log_id", BigInteger),
    Column("error", Text),
    created_at(),
    timestamp("finished_at", default=False),
    Column("outcome", Text),
    timestamp("reported_at", default=False),
    Column("reported_hash", LargeBinary, info=pii("the contact whose address it is")),
)
Index(
    "email_requests_bounced_idx",
    email_requests.c.reported_hash,
    postgresql_where=text("reported_hash IS NOT NULL AND outcome = 'bounced'"),
)
Index(
    "email_requests_finished_idx",
    email_requests.c.user_id,
    email_requests.c.finished_at,
    email_requests.c.id,
    postgresql_where=text("job_id IS NULL AND finished_at IS NOT NULL"),
)
Index(
    "email_requests_reported_at_idx",
    email_requests.c.reported_at,
    postgresql_where=text("outcome IS NOT NULL"),
)
Index(
    "email_requests_due_idx",
    email_requests.c.place,
    email_requests.c.due_at,
    postgresql_where=text("due_at IS NOT NULL"),
)
Index(
    "email_requests_subject_idx",
    email_requests.c.user_id,
    email_requests.c.subject,
    email_requests.c.finished_at,
)
Index(
    "email_requests_job_id_idx",
    email_requests.c.job_id,
    email_requests.c.place,
    postgresql_where=text("job_id IS NOT NULL"),
)
Index("email_requests_created_at_idx", email_requests.c.created_at)
