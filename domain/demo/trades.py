"""What companies do and work with: industries with their words, and technologies with who uses them."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from domain.demo.draws import Weighted


@dataclass(frozen=True, slots=True)
class Industry:
    """An industry, the words its companies put into their names by language, and its usual keywords."""

    name: str
    group: str
    weight: float
    naics: str
    revenue_per_head: int
    words: dict[str, tuple[str, ...]]
    keywords: tuple[str, ...]


# Technology: how common it is, and by how much a group of industries prefers it ("large": by size).
_TECHNOLOGIES: dict[str, tuple[float, dict[str, float]]] = {
    "Microsoft 365": (30, {}),
    "Google Workspace": (20, {"tech": 1.6}),
    "WordPress": (18, {"large": 0.4}),
    "Google Analytics": (24, {}),
    "Salesforce": (16, {"tech": 1.5, "large": 1.8}),
    "HubSpot": (11, {"tech": 2, "services": 1.5, "large": 0.5}),
    "Microsoft Dynamics 365": (7, {"making": 1.6}),
    "Pipedrive": (4, {"large": 0.1}),
    "Zoho CRM": (3, {"large": 0.2}),
    "SAP S/4HANA": (9, {"making": 2.5, "large": 4, "tech": 0.4}),
    "SAP Business One": (3, {"making": 2, "large": 0.2}),
    "Oracle NetSuite": (5, {"commerce": 1.5}),
    "Oracle Database": (6, {"finance": 2, "large": 3}),
    "Workday": (5, {"large": 4}),
    "Personio": (3, {"tech": 1.5, "large": 0.2}),
    "Amazon Web Services": (17, {"tech": 2.2}),
    "Microsoft Azure": (14, {"finance": 1.4, "large": 1.5}),
    "Google Cloud": (8, {"tech": 2}),
    "Kubernetes": (6, {"tech": 4}),
    "Docker": (7, {"tech": 3.5}),
    "GitHub": (8, {"tech": 4}),
    "GitLab": (4, {"tech": 3}),
    "Jira": (10, {"tech": 2.5}),
    "Slack": (11, {"tech": 2.2}),
    "Zoom": (14, {}),
    "Microsoft Teams": (17, {"large": 1.4}),
    "Python": (6, {"tech": 3, "finance": 1.5}),
    "React": (6, {"tech": 3.5}),
    "PostgreSQL": (5, {"tech": 3}),
    "Snowflake": (3, {"tech": 2, "finance": 2, "large": 2}),
    "Databricks": (2, {"tech": 2, "large": 2}),
    "Tableau": (5, {"finance": 2, "large": 2}),
    "Power BI": (8, {"making": 1.4}),
    "Shopify": (6, {"commerce": 4, "large": 0.4}),
    "WooCommerce": (3, {"commerce": 3, "large": 0.1}),
    "Adobe Commerce": (2, {"commerce": 3, "large": 2}),
    "Stripe": (6, {"tech": 2, "commerce": 2}),
    "Mailchimp": (7, {"services": 1.6, "large": 0.3}),
    "Marketo": (3, {"tech": 2, "large": 2}),
    "Zendesk": (6, {"tech": 1.8, "commerce": 1.6}),
    "ServiceNow": (4, {"large": 5}),
    "Okta": (3, {"tech": 2, "large": 2}),
    "Cloudflare": (9, {"tech": 1.7}),
    "AutoCAD": (4, {"making": 4}),
    "SolidWorks": (3, {"making": 5}),
    "Siemens Teamcenter": (1.5, {"making": 5, "large": 3}),
}


@cache
def industries() -> Weighted[Industry]:
    """The industries of the table beside this module, by how common they are."""
    text = (files("domain.demo") / "industries.csv").read_text(encoding="utf-8")
    rows = [_industry(row) for row in csv.DictReader(text.splitlines())]
    return Weighted(rows, (row.weight for row in rows))


def _industry(row: dict[str, str]) -> Industry:
    words = {"en": row["english"], "de": row["german"], "fr": row["french"], "es": row["spanish"]}
    return Industry(
        name=row["name"],
        group=row["group"],
        weight=float(row["weight"]),
        naics=row["naics"],
        revenue_per_head=int(row["revenue_per_head"]),
        words={language: tuple(text.split(";")) for language, text in words.items()},
        keywords=tuple(row["keywords"].split(";")),
    )


@cache
def technologies_for(group: str, size: str) -> Weighted[str]:
    """Technologies as companies of this group and size use them."""
    return Weighted(
        _TECHNOLOGIES,
        (
            weight * affinity.get(group, 1) * (affinity.get("large", 1) if size == "large" else 1)
            for weight, affinity in _TECHNOLOGIES.values()
        ),
    )
