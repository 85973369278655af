"""What the description says of a search beyond its types: the closed vocabularies, per entity.

The request types keep vocabularies as text, so that an unknown value is answered with the nearest known
one; the description can be as strict as the reader is.
"""

from copy import deepcopy
from typing import Any, Final

from search.criteria import OpenTerms
from search.describe import describe
from search.present import codes_beginning

Schemas = dict[str, Any]

# A filter's component and property -> the vocabulary whose codes it takes.
_CLOSED: Final = {
    ("ContactFilters", "seniorities"): "seniorities",
    ("ContactFilters", "departments"): "departments",
    ("ContactFilters", "email_status"): "email_status",
    ("OrganizationIncludes", "headcount_bands"): "headcount_bands",
    ("OrganizationExcludes", "headcount_bands"): "headcount_bands",
    ("Funding", "stages"): "funding_stages",
    ("ContactFilters", "countries"): "countries",
    ("OrganizationIncludes", "countries"): "countries",
    ("OrganizationExcludes", "countries"): "countries",
}
_PATHS: Final = {
    "/v1/contacts/search": ("ContactSearchRequest", "ContactFacetRequest"),
    "/v1/organizations/search": ("OrganizationSearchRequest", "OrganizationFacetRequest"),
}
_MORE_THAN_ANY_VOCABULARY: Final = 1_000


def add_vocabularies(document: dict[str, Any]) -> None:
    """Write the vocabularies into the components, and give each entity a request of its own."""
    components: Schemas = document["components"]["schemas"]
    for (component, name), vocabulary in _CLOSED.items():
        codes = codes_beginning(vocabulary, "", OpenTerms({}), limit=_MORE_THAN_ANY_VOCABULARY)
        components[component]["properties"][name]["items"] = {"type": "string", "enum": sorted(codes)}
    known = describe()
    request, facet = components.pop("SearchRequest"), components.pop("FacetRequest")
    for (path, (request_name, facet_name)), entity in zip(
        _PATHS.items(), (known.contacts, known.organizations), strict=True
    ):
        names = [each.name for each in entity.facets]
        own_facet = deepcopy(facet) | {"title": facet_name}
        own_facet["properties"]["field"] = {"type": "string", "enum": names}
        own = deepcopy(request) | {"title": request_name}
        own["properties"]["facets"]["items"]["anyOf"] = [
            {"type": "string", "enum": names},
            {"$ref": f"#/components/schemas/{facet_name}"},
        ]
        own["properties"]["sort"] = {"type": "string", "enum": entity.sorts, "default": "relevance"}
        components |= {request_name: own, facet_name: own_facet}
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        content["schema"] = {"$ref": f"#/components/schemas/{request_name}"}
    document["components"]["schemas"] = dict(sorted(components.items()))
