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
# Open vocabularies: what their codes look like, and one that is known everywhere. The terms of the
# catalogue (industries, technologies, keywords) are whatever has been imported, so they have no example.
_OPEN: Final[dict[str, Schemas]] = {
    "locations": {"examples": ["Berlin, Germany"]},
    "regions": {"pattern": "^[A-Z]{2}-[A-Z0-9]{1,3}$", "examples": ["US-TX"]},
    "cities": {"pattern": "^[0-9]{1,9}$", "examples": ["2950159"]},
    "industries": {},
    "titles": {"examples": ["VP Sales"]},
    "past_titles": {"examples": ["Account Executive"]},
    "names": {"examples": ["Ada"]},
    "past_employers": {"examples": ["Acme"]},
    "domains": {"examples": ["example.com"]},
}
_FILTERS: Final = ("ContactFilters", "OrganizationIncludes", "OrganizationExcludes")
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
    for component in _FILTERS:
        for name, schema in components[component]["properties"].items():
            if name in _OPEN:
                schema["items"] = {
                    **{key: value for key, value in schema["items"].items() if key != "examples"},
                    **_OPEN[name],
                }
    for component in ("AnyAllNot", "AnyAll"):
        for schema in components[component]["properties"].values():
            schema["items"].pop("examples", None)
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
    _split(document, {"SearchRequest": _requests(0), "FacetRequest": _requests(1)})


def _requests(position: int) -> list[Schemas]:
    """References to what each entity has in place of one common type."""
    return [{"$ref": f"#/components/schemas/{names[position]}"} for names in _PATHS.values()]


def _split(schema: Any, replaced: dict[str, list[Schemas]]) -> None:
    """Whoever takes either entity's request, as a saved ICP does, refers to both."""
    if isinstance(schema, list):
        for inner in schema:
            _split(inner, replaced)
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name in replaced:
            del schema["$ref"]
            schema["anyOf"] = deepcopy(replaced[name])
        for inner in list(schema.values()):
            _split(inner, replaced)
