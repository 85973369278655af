"""Plans, and the people who use the product."""

from sqlalchemy import Column, ForeignKey, Integer, Table, Text, UniqueConstraint, text

from db.models.base import CITEXT, created_at, jsonb, metadata, pii, timestamp, uuid_key

plans = Table(
    "plans",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("monthly_credits", Integer, nullable=False),
    jsonb("features"),
    Column("price_cents", Integer, nullable=False),
    created_at(),
)

users = Table(
    "users",
    metadata,
    uuid_key(),
    Column("email", CITEXT, nullable=False, info=pii("the user")),
    Column("plan_id", Text, ForeignKey("app.plans.id"), nullable=False, server_default=text("'free'")),
    Column("credit_balance", Integer, nullable=False, server_default=text("0")),
    Column("role", Text, nullable=False, server_default=text("'member'")),
    created_at(),
    Column("credits_owed", Integer, nullable=False, server_default=text("0")),
    timestamp("credits_frozen_at", default=False),
    Column("credits_frozen_because", Text),
    timestamp("disabled_at", default=False),
    Column("disabled_because", Text),
    timestamp("erased_at", default=False),
    UniqueConstraint("email"),
)
