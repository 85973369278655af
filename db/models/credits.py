"""What users have unlocked and the books of their credits.

`credit_ledger` is the truth and only ever grows. A trigger carries each entry on to the balance, the debt
and the grants, and to `transactions` and `credit_purchases`, which are projections for those who read them
under these names.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.models.base import (
    UUID,
    contact_reference,
    created_at,
    identity,
    jsonb,
    metadata,
    timestamp,
    user_reference,
    uuid_key,
)

unlocks = Table(
    "unlocks",
    metadata,
    user_reference(key=True),
    contact_reference(key=True),
    Column("field", Text, primary_key=True),
    created_at(),
)
Index("unlocks_contact_id_idx", unlocks.c.contact_id)

transactions = Table(
    "transactions",
    metadata,
    identity(BigInteger),
    user_reference(ondelete=None),
    Column("type", Text, nullable=False),
    Column("credits_used", Integer, nullable=False),
    contact_reference(ondelete="SET NULL", nullable=True),
    created_at(),
)
Index("transactions_user_id_idx", transactions.c.user_id, transactions.c.id)
Index(
    "transactions_contact_id_idx",
    transactions.c.contact_id,
    postgresql_where=text("contact_id IS NOT NULL"),
)

credit_purchases = Table(
    "credit_purchases",
    metadata,
    identity(BigInteger),
    user_reference(ondelete=None),
    Column("stripe_charge_id", Text),
    Column("credits_added", Integer, nullable=False),
    Column("amount_cents", Integer, nullable=False),
    created_at(),
    UniqueConstraint("stripe_charge_id"),
)
Index("credit_purchases_user_id_idx", credit_purchases.c.user_id, credit_purchases.c.id)

credit_ledger = Table(
    "credit_ledger",
    metadata,
    identity(BigInteger),
    user_reference(ondelete=None),
    Column("delta", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("balance_after", Integer, nullable=False),
    created_at(),
    Column("owed_delta", Integer, nullable=False, server_default=text("0")),
    Column("action", Text),
    # No foreign keys: an entry outlives whom it speaks of.
    Column("contact_id", Integer),
    Column("actor_id", UUID),
    jsonb("grants"),
    jsonb("details"),
    UniqueConstraint("user_id", "kind", "reference", name="credit_ledger_entry_key"),
)
Index("credit_ledger_user_id_idx", credit_ledger.c.user_id, credit_ledger.c.id)
Index("credit_ledger_created_at_idx", credit_ledger.c.user_id, credit_ledger.c.created_at)
for _name in ("contact_id", "action"):
    Index(
        f"credit_ledger_{_name}_idx",
        credit_ledger.c.user_id,
        credit_ledger.c[_name],
        credit_ledger.c.id,
        postgresql_where=text(f"{_name} IS NOT NULL"),
    )

Index(
    "credit_ledger_actor_id_idx",
    credit_ledger.c.actor_id,
    credit_ledger.c.created_at,
    postgresql_where=text("actor_id IS NOT NULL"),
)

credit_grants = Table(
    "credit_grants",
    metadata,
    identity(BigInteger),
    user_reference(ondelete=None),
    Column("source", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("remaining", Integer, nullable=False, server_default=text("0")),
    Column("priority", SmallInteger, nullable=False),
    timestamp("expires_at", default=False),
    created_at(),
    UniqueConstraint("user_id", "reference", name="credit_grants_reference_key"),
)
Index(
    "credit_grants_user_id_idx",
    credit_grants.c.user_id,
    credit_grants.c.priority,
    credit_grants.c.expires_at,
    credit_grants.c.id,
    postgresql_where=text("remaining > 0"),
)
Index(
    "credit_grants_paid_idx",
    credit_grants.c.created_at,
    credit_grants.c.id,
    # Those somebody has paid for, to compare them with what Stripe says.
    postgresql_where=text(
        "source = 'purchase' AND reference NOT LIKE 'restored:%'"
        " OR reference LIKE 'invoice:%' OR reference LIKE 'upgrade:%'"
    ),
)
Index("credit_grants_expires_at_idx", credit_grants.c.expires_at, postgresql_where=text("remaining > 0"))

credit_holds = Table(
    "credit_holds",
    metadata,
    uuid_key(),
    user_reference(ondelete=None),
    Column("reference", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("credits", Integer, nullable=False),
    Column("contact_id", Integer),
    Column("state", Text, nullable=False, server_default=text("'reserved'")),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    created_at(),
    timestamp("settled_at", default=False),
    UniqueConstraint("user_id", "reference", name="credit_holds_reference_key"),
)
Index("credit_holds_expires_at_idx", credit_holds.c.expires_at, postgresql_where=text("state = 'reserved'"))
