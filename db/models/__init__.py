"""Every table, one file per noun; importing this package knows them all."""

from db.models import auth
from db.models.accounts import plans, users
from db.models.api_keys import api_keys
from db.models.audit import audit_log
from db.models.base import metadata
from db.models.billing import (
    billing_checkouts,
    billing_cursors,
    billing_customers,
    billing_events,
    billing_payments,
    billing_prices,
    billing_subscriptions,
    credit_packs,
    plan_changes,
)
from db.models.contacts import contacts
from db.models.credits import (
    credit_grants,
    credit_holds,
    credit_ledger,
    credit_purchases,
    transactions,
    unlocks,
)
from db.models.emails import email_jobs, email_requests
from db.models.employment import employment_history
from db.models.exports import exports
from db.models.finder import email_finder_logs, finder_models
from db.models.hidden import hidden_companies, hidden_contacts, visibility_versions
from db.models.icps import (
    alert_evidence,
    alert_overrides,
    alert_position,
    alert_revision,
    alert_states,
    icp_alerts,
    icp_event_ids,
    icp_event_reads,
    icp_events,
    icp_members,
    icp_profiles,
    icp_subscriptions,
    icp_versions,
)
from db.models.idempotency import idempotency_keys
from db.models.identities import linked_identities
from db.models.imports import import_chunks, import_rejects, imports
from db.models.index import (
    applied,
    company_fanout,
    dead_letters,
    index_control,
    index_token,
    indices,
    search_dirty,
)
from db.models.jobs import jobs
from db.models.lists import (
    list_activity,
    list_contacts,
    list_invitations,
    list_members,
    list_organizations,
    lists,
)
from db.models.organizations import organizations
from db.models.outbox import outbox
from db.models.privacy import suppressions
from db.models.reports import contact_reports
from db.models.signing import signing_keys
from db.models.sources import contact_sources, organization_sources, sources
from db.models.validator import email_validation_logs
from db.models.vocabulary import vocabulary_terms
from db.models.webhooks import webhook_deliveries, webhook_secrets, webhooks

__all__ = [
    "alert_evidence",
    "alert_overrides",
    "alert_position",
    "alert_revision",
    "alert_states",
    "api_keys",
    "applied",
    "audit_log",
    "auth",
    "billing_checkouts",
    "billing_cursors",
    "billing_customers",
    "billing_events",
    "billing_payments",
    "billing_prices",
    "billing_subscriptions",
    "company_fanout",
    "contact_reports",
    "contact_sources",
    "contacts",
    "credit_grants",
    "credit_holds",
    "credit_ledger",
    "credit_packs",
    "credit_purchases",
    "dead_letters",
    "email_finder_logs",
    "email_jobs",
    "email_requests",
    "email_validation_logs",
    "employment_history",
    "exports",
    "finder_models",
    "hidden_companies",
    "hidden_contacts",
    "icp_alerts",
    "icp_event_ids",
    "icp_event_reads",
    "icp_events",
    "icp_members",
    "icp_profiles",
    "icp_subscriptions",
    "icp_versions",
    "idempotency_keys",
    "import_chunks",
    "import_rejects",
    "imports",
    "index_control",
    "index_token",
    "indices",
    "jobs",
    "linked_identities",
    "list_activity",
    "list_contacts",
    "list_invitations",
    "list_members",
    "list_organizations",
    "lists",
    "metadata",
    "organization_sources",
    "organizations",
    "outbox",
    "plan_changes",
    "plans",
    "search_dirty",
    "signing_keys",
    "sources",
    "suppressions",
    "transactions",
    "unlocks",
    "users",
    "visibility_versions",
    "vocabulary_terms",
    "webhook_deliveries",
    "webhook_secrets",
    "webhooks",
]
