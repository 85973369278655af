"""What of schema `public` can be asked for here: a name that is not on these lists does not exist."""

from typing import Final

RELATIONS: Final = (
    "plans",
    "organizations",
    "contacts",
    "employment_history",
    "vocabulary_terms",
    "users",
    "lists",
    "list_members",
    "list_contacts",
    "list_organizations",
    "unlocks",
    "transactions",
    "credit_purchases",
    "email_finder_logs",
    "email_validation_logs",
    "icp_profiles",
    "hidden_contacts",
    "hidden_companies",
)
FUNCTIONS: Final = ("my_list_invitations", "list_people", "leave_list", "hand_over_list")

# What searches are over: how far they are paged is the plan's to say (`limits.search_depth`).
PAGED_BY_PLAN: Final = frozenset({"contacts", "organizations", "employment_history"})

# The same for everybody who may read them at all, and changed by migrations and imports alone.
CACHEABLE: Final = frozenset({"plans", "vocabulary_terms"})
