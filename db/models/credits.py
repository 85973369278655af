"""What users have unlocked and the books of their credits.

`credit_ledger` is the truth and only ever grows; `transactions` and `credit_purchases` are projections of
it, written in the same transaction for those who read them under these names.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint, text

from db.models.base import contact_reference, created_at, identity, metadata, user_reference

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
    UniqueConstraint("user_id", "kind", "reference", name="credit_ledger_entry_key"),
)
