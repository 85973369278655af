"""Which columns the search index is made of: the one list that triggers, documents and checks agree on.

A change of any other column sends nothing to the index. A column that a document starts to use comes
here and, by a migration, into the trigger; `leadfuel db check` names a difference between the two, and a
column of these tables that is in neither list fails the tests.
"""

from typing import Final

CONTACTS: Final = frozenset(
    {
        "organization_id",
        "first_name",
        "middle_name",
        "last_name",
        "full_name",
        "name_terms",
        "name_sort",
        "name_search",
        "linkedin_url",
        "title",
        "title_normalized",
        "title_terms",
        "seniority",
        "departments",
        "country",
        "region",
        "city",
        "city_name",
        "latitude",
        "longitude",
        "email_status",
        "email_verified_at",
        "has_email",
        "has_phone",
        "position_started_on",
        "last_refreshed_at",
    }
)
# What a contact's document says of the company; a change of these fans out to the people.
ORGANIZATIONS_IN_CONTACTS: Final = frozenset(
    {
        "name",
        "name_key",
        "name_sort",
        "domain",
        "aliases",
        "alias_keys",
        "industries",
        "naics",
        "employees_min",
        "employees_max",
        "headcount_bands",
        "revenue_min",
        "revenue_max",
        "revenue_currency",
        "technologies",
        "keywords",
        "funding_stage",
        "funding_amount",
        "funding_currency",
        "funding_date",
        "founded_year",
        "country",
        "region",
        "city",
        "city_name",
        "latitude",
        "longitude",
        "last_refreshed_at",
    }
)
ORGANIZATIONS: Final = ORGANIZATIONS_IN_CONTACTS | {"website", "linkedin_url", "description"}
EMPLOYMENT_HISTORY: Final = frozenset(
    {
        "contact_id",
        "organization_id",
        "company",
        "company_key",
        "title",
        "title_normalized",
        "title_terms",
        "start_date",
        "end_date",
        "is_past",
    }
)

# The rest, each for a reason: keys that never change, what is not searched, what must not be in the index.
NOT_IN_CONTACTS: Final = frozenset(
    {
        "id",
        "email",
        "phone",
        "email_hash",
        "phone_hash",
        "linkedin_hash",
        "location_raw",
        "enrichment",
        "provenance",
        "created_at",
        "updated_at",
    }
)
NOT_IN_ORGANIZATIONS: Final = frozenset(
    {
        "id",
        "phone",
        "industry",
        "location_raw",
        "enrichment",
        "provenance",
        "created_at",
        "updated_at",
    }
)
NOT_IN_EMPLOYMENT_HISTORY: Final = frozenset({"id", "source_id", "source_key", "created_at"})

# The trigger functions that compare old rows with new ones, and what each comparison in them must cover.
COMPARED: Final = {
    "queue_updated_contacts": (CONTACTS,),
    "queue_updated_organizations": (ORGANIZATIONS, ORGANIZATIONS_IN_CONTACTS),
    "queue_reemployed_contacts": (EMPLOYMENT_HISTORY, EMPLOYMENT_HISTORY),
}
