"""What can be filtered, counted and sorted by."""

from typing import Final

from api.operations import Call, Operation, operation
from search.describe import FiltersResponse, describe


@operation("GET", "/v1/filters", tag="Search", summary="Every filter, facet and order")
async def list_filters(call: Call) -> FiltersResponse:  # noqa: ARG001 - every handler takes its call
    """Every filter with its type, its limits and, where its values are a closed vocabulary, these with the
    names to show; `suggest` names the field of `GET /v1/suggest` that completes the others.
    """
    return describe()


OPERATIONS: Final[list[Operation]] = [list_filters]
