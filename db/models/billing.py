"""Packs and prices, orders and payments, subscriptions, and the inbox of Stripe's events."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.models.base import JSONB, created_at, metadata, timestamp, user_reference, uuid_key


def _plan(name: str = "plan_id", *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, ForeignKey("app.plans.id"), nullable=nullable)


def _pack() -> Column[str]:
    return Column("pack_id", Text, ForeignKey("app.credit_packs.id"))


credit_packs = Table(
    "credit_packs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("credits", Integer, nullable=False),
    Column("price_cents", Integer, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    created_at(),
)

billing_prices = Table(
    "billing_prices",
    metadata,
    Column("price_id", Text, primary_key=True),
    _plan(nullable=True),
    _pack(),
    Column("amount_cents", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    created_at(),
)
for _noun in ("plan", "pack"):
    Index(
        f"billing_prices_{_noun}_key",
        billing_prices.c[f"{_noun}_id"],
        unique=True,
        postgresql_where=text(f"is_active AND {_noun}_id IS NOT NULL"),
    )

billing_customers = Table(
    "billing_customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    user_reference(),
    created_at(),
    timestamp("deleted_at", default=False),
)
Index(
    "billing_customers_user_key",
    billing_customers.c.user_id,
    unique=True,
    postgresql_where=text("deleted_at IS NULL"),
)
Index("billing_customers_user_id_idx", billing_customers.c.user_id)

billing_subscriptions = Table(
    "billing_subscriptions",
    metadata,
    Column("id", Text, primary_key=True),
    user_reference(),
    Column("customer_id", Text, nullable=False),
    _plan(),
    Column("price_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("cancel_at_period_end", Boolean, nullable=False),
    timestamp("period_start", default=False),
    timestamp("period_end", default=False),
    timestamp("trial_end", default=False),
    Column("read_at", DateTime(timezone=True), nullable=False),
    created_at(),
    timestamp("ended_at", default=False),
)
Index("billing_subscriptions_user_id_idx", billing_subscriptions.c.user_id)
Index("billing_subscriptions_plan_id_idx", billing_subscriptions.c.plan_id)

plan_changes = Table(
    "plan_changes",
    metadata,
    uuid_key(),
    user_reference(),
    Column("subscription_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    _plan("from_plan"),
    _plan("to_plan"),
    Column("credits", Integer, nullable=False, server_default=text("0")),
    Column("invoice_id", Text),
    Column("state", Text, nullable=False, server_default=text("'asked'")),
    Column("effective_at", DateTime(timezone=True), nullable=False),
    created_at(),
    timestamp("settled_at", default=False),
)
Index(
    "plan_changes_asked_key",
    plan_changes.c.subscription_id,
    unique=True,
    postgresql_where=text("state = 'asked'"),
)
Index("plan_changes_user_id_idx", plan_changes.c.user_id)
Index("plan_changes_from_plan_idx", plan_changes.c.from_plan)
Index("plan_changes_to_plan_idx", plan_changes.c.to_plan)

billing_checkouts = Table(
    "billing_checkouts",
    metadata,
    uuid_key(),
    user_reference(),
    _pack(),
    _plan(nullable=True),
    Column("price_id", Text, nullable=False),
    Column("credits", Integer, nullable=False),
    Column("amount_cents", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("session_id", Text),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    created_at(),
    timestamp("settled_at", default=False),
    UniqueConstraint("session_id"),
)
Index("billing_checkouts_user_id_idx", billing_checkouts.c.user_id, billing_checkouts.c.created_at)
Index("billing_checkouts_pack_id_idx", billing_checkouts.c.pack_id)
Index("billing_checkouts_plan_id_idx", billing_checkouts.c.plan_id)

billing_payments = Table(
    "billing_payments",
    metadata,
    Column("id", Text, primary_key=True),
    user_reference(ondelete=None),
    Column("credits", Integer),
    Column("amount_cents", Integer),
    Column("currency", Text),
    Column("charge_id", Text),
    Column("reference", Text),
    Column("refunded_cents", Integer, nullable=False, server_default=text("0")),
    Column("disputed_cents", Integer, nullable=False, server_default=text("0")),
    timestamp("returns_read_at", default=False),
    created_at(),
)
Index("billing_payments_user_id_idx", billing_payments.c.user_id)
Index(
    "billing_payments_charge_id_idx",
    billing_payments.c.charge_id,
    postgresql_where=text("charge_id IS NOT NULL"),
)

billing_events = Table(
    "billing_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("object_id", Text),
    Column("api_version", Text),
    Column("livemode", Boolean, nullable=False),
    Column("happened_at", DateTime(timezone=True), nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("origin", Text, nullable=False, server_default=text("'webhook'")),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    timestamp("received_at"),
    timestamp("settled_at", default=False),
)
Index("billing_events_received_at_idx", billing_events.c.received_at, billing_events.c.id)
Index(
    "billing_events_open_idx",
    billing_events.c.state,
    billing_events.c.received_at,
    postgresql_where=text("state IN ('waiting', 'parked')"),
)

billing_cursors = Table(
    "billing_cursors",
    metadata,
    Column("name", Text, primary_key=True),
    timestamp("at"),
    Column("count", BigInteger, nullable=False, server_default=text("0")),
)
