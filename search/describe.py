"""What can be asked: every filter, facet and order with its type, its values and its limits."""

from search import list_facet
from search.criteria import OpenTerms
from search.fields import FACETS, FILTERS, RELEVANCE, SORTS
from search.present import codes_beginning, display
from search.request import MAX_LIMIT, MAX_TEXT, Entity
from search.response import Answer
from search.suggest import FIELDS as SUGGESTED

_LISTED = frozenset({"seniorities", "departments", "email_status", "headcount_bands", "funding_stages"})


class VocabularyValue(Answer, kw_only=True):
    value: str
    display_name: str


class FilterDescription(Answer, kw_only=True):
    """A filter: `values` lists a closed vocabulary, `suggest` the field of `GET /v1/suggest` for others."""

    name: str
    scope: Entity
    type: str
    title: str
    max_values: int | None = None
    values: list[VocabularyValue] | None = None
    suggest: str | None = None


class FacetDescription(Answer, kw_only=True):
    name: str
    title: str
    vocabulary: str


class EntityDescription(Answer, kw_only=True):
    facets: list[FacetDescription]
    sorts: list[str]


class FiltersResponse(Answer, kw_only=True):
    filters: list[FilterDescription]
    contacts: EntityDescription
    organizations: EntityDescription
    max_limit: int = MAX_LIMIT
    max_text_length: int = MAX_TEXT


def describe() -> FiltersResponse:
    return FiltersResponse(
        filters=[
            FilterDescription(
                name=f.name,
                scope=f.scope,
                type=f.type,
                title=f.title,
                max_values=f.limit if f.type in {"values", "any_all_not", "ids"} else None,
                values=_values(f.vocabulary) if f.vocabulary in _LISTED else None,
                suggest=f.vocabulary if f.vocabulary in SUGGESTED and f.vocabulary not in _LISTED else None,
            )
            for f in FILTERS
        ],
        contacts=_entity("contacts"),
        organizations=_entity("organizations"),
    )


def _values(vocabulary: str) -> list[VocabularyValue]:
    nothing = OpenTerms({})
    codes = codes_beginning(vocabulary, "", nothing, limit=200)
    return [VocabularyValue(value=c, display_name=display(vocabulary, c, nothing)) for c in codes]


def _entity(entity: Entity) -> EntityDescription:
    return EntityDescription(
        facets=[
            FacetDescription(name=f.name, title=f.title, vocabulary=f.vocabulary)
            for f in FACETS[entity].values()
        ]
        + [FacetDescription(name=list_facet.NAME, title=list_facet.TITLE, vocabulary=list_facet.NAME)],
        sorts=[RELEVANCE, *SORTS[entity]],
    )
