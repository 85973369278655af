"""The metadata that all tables share, and the columns that many of them have.

The tables say what the migrations made, for queries and for the comparison that `leadfuel db check` runs;
constraints and policies are the migrations' business. A personal column is marked where it is declared:
`info={"pii": …}` says what it tells about whom.
"""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, JSONB, UUID

__all__ = [
    "CITEXT",
    "JSONB",
    "UUID",
    "contact_reference",
    "created_at",
    "identity",
    "jsonb",
    "metadata",
    "organization_reference",
    "pii",
    "place_columns",
    "timestamp",
    "user_reference",
    "uuid_key",
    "words",
]

SCHEMA: Final = "app"
metadata: Final = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
    },
)


def pii(about: str) -> dict[str, Any]:
    """The mark of a personal column: an eraser and an exporter must know it."""
    return {"pii": about}


def identity(kind: type[Integer | BigInteger | SmallInteger] = BigInteger) -> Column[int]:
    return Column("id", kind, Identity(always=True), primary_key=True)


def uuid_key() -> Column[Any]:
    return Column("id", UUID, primary_key=True, server_default=text("gen_random_uuid()"))


def timestamp(name: str, *, default: bool = True) -> Column[Any]:
    """A moment by the product's own clock."""
    moment = DateTime(timezone=True)
    if default:
        return Column(name, moment, nullable=False, server_default=text("app.now()"))
    return Column(name, moment)


def created_at() -> Column[Any]:
    return timestamp("created_at")


def words(name: str, **options: Any) -> Column[Any]:
    """A set of words; none is the empty set and never NULL."""
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"), **options)


def jsonb(name: str, default: str = "{}", **options: Any) -> Column[Any]:
    return Column(name, JSONB, nullable=False, server_default=text(f"'{default}'"), **options)


def user_reference(
    name: str = "user_id",
    *,
    ondelete: str | None = "CASCADE",
    key: bool = False,
    nullable: bool = False,
    writer: bool = False,
) -> Column[Any]:
    """A user; with `writer`, the one who writes the row when it names nobody."""
    return Column(
        name,
        UUID,
        ForeignKey("app.users.id", ondelete=ondelete),
        primary_key=key,
        nullable=nullable,
        server_default=text("auth.uid()") if writer else None,
    )


def contact_reference(*, ondelete: str = "CASCADE", key: bool = False, nullable: bool = False) -> Column[Any]:
    return Column(
        "contact_id",
        Integer,
        ForeignKey("app.contacts.id", ondelete=ondelete),
        primary_key=key,
        nullable=nullable,
    )


def organization_reference(
    *, ondelete: str = "CASCADE", key: bool = False, nullable: bool = False
) -> Column[Any]:
    return Column(
        "organization_id",
        Integer,
        ForeignKey("app.organizations.id", ondelete=ondelete),
        primary_key=key,
        nullable=nullable,
    )


def place_columns(about: str | None = None) -> list[Column[Any]]:
    """Where somebody or something is: codes, the spelling of the source, and a point."""
    info = pii(about) if about else None
    return [
        Column("country", Text, info=info),
        Column("region", Text, info=info),
        Column("city", Text, info=info),
        Column("city_name", Text, info=info),
        Column("location_raw", Text, info=info),
        Column("latitude", Double, info=info),
        Column("longitude", Double, info=info),
    ]
