"""Companies. Beside each value that is searched stands what a source said, where the two can differ."""

from sqlalchemy import BigInteger, Column, Date, Index, Integer, Table, Text

from db.models.base import created_at, identity, jsonb, metadata, place_columns, timestamp, words

organizations = Table(
    "organizations",
    metadata,
    identity(Integer),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("name_sort", Text(collation="C"), nullable=False),
    Column("website", Text),
    Column("domain", Text),
    words("aliases"),
    words("alias_keys"),
    Column("linkedin_url", Text),
    Column("phone", Text),
    Column("industry", Text),
    words("industries"),
    Column("naics", Text),
    Column("employees_min", Integer),
    Column("employees_max", Integer),
    words("headcount_bands"),
    Column("revenue_min", BigInteger),
    Column("revenue_max", BigInteger),
    Column("revenue_currency", Text),
    words("technologies"),
    words("keywords"),
    Column("funding_stage", Text),
    Column("funding_amount", BigInteger),
    Column("funding_currency", Text),
    Column("funding_date", Date),
    Column("founded_year", Integer),
    *place_columns(),
    Column("description", Text),
    jsonb("enrichment"),
    jsonb("provenance"),
    timestamp("last_refreshed_at"),
    created_at(),
    timestamp("updated_at"),
)

for _name in ("domain", "name_key", "country", "region", "city", "founded_year"):
    Index(f"organizations_{_name}_idx", organizations.c[_name])
for _name in ("industries", "technologies", "keywords", "headcount_bands"):
    Index(f"organizations_{_name}_idx", organizations.c[_name], postgresql_using="gin")
# An import looks up every name of a batch: a list of pending entries would be read once for each.
Index(
    "organizations_alias_keys_idx",
    organizations.c.alias_keys,
    postgresql_using="gin",
    postgresql_with={"fastupdate": "off"},
)
Index(
    "organizations_name_key_trgm_idx",
    organizations.c.name_key,
    postgresql_using="gin",
    postgresql_ops={"name_key": "gin_trgm_ops"},
)
Index("organizations_name_sort_idx", organizations.c.name_sort, organizations.c.id)
Index("organizations_employees_idx", organizations.c.employees_min, organizations.c.employees_max)
