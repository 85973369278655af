"""Who bears the tokens of other issuers."""

from sqlalchemy import Column, Index, Table, Text

from db.models.base import created_at, metadata, user_reference

linked_identities = Table(
    "linked_identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    user_reference(),
    created_at(),
)
Index("linked_identities_user_id_idx", linked_identities.c.user_id)
