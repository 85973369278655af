"""Typeahead for whoever types a title, a name, a place or a term."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from api.operations import Call, Operation, operation
from search.request import Form
from search.response import SuggestResponse
from search.suggest import MAX_SUGGESTIONS

Completed = Literal[
    "titles",
    "names",
    "companies",
    "locations",
    "seniorities",
    "departments",
    "email_status",
    "headcount_bands",
    "funding_stages",
    "industries",
    "technologies",
    "keywords",
    "countries",
    "regions",
    "cities",
]


class SuggestQuery(Form, frozen=True):
    """What is being typed, and into which field."""

    field: Completed
    prefix: Annotated[str, Meta(max_length=100, description="The letters typed so far")] = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_SUGGESTIONS)] = 10


@operation("GET", "/v1/suggest", tag="Search", summary="Complete what is being typed")
async def suggest(call: Call, query: SuggestQuery) -> SuggestResponse:
    """Values that begin with `prefix`, most likely first; nobody you have hidden is among them."""
    return await call.services.searcher.suggest(query.field, query.prefix, call.actor, limit=query.limit)


OPERATIONS: Final[list[Operation]] = [suggest]
