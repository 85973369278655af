"""What describes the API itself: OpenAPI, and a page for every kind of problem."""

from html import escape
from typing import Any, Final

import msgspec

from api.operations import Call, Operation, Text, operation
from api.problems import kinds
from core.errors import NotFound
from search.request import Form


class ProblemPath(Form, frozen=True):
    slug: str


@operation("GET", "/openapi.json", tag="Description", summary="This description", access="public")
async def show_openapi(call: Call) -> dict[str, Any]:
    """OpenAPI 3.1 of this very installation."""
    raw: bytes = call.request.app.state.openapi
    return msgspec.Raw(raw)  # type: ignore[return-value]


@operation(
    "GET",
    "/problems",
    tag="Description",
    summary="All kinds of problems",
    access="public",
    media_type="text/html",
)
async def list_problems(call: Call) -> str:  # noqa: ARG001
    """Every kind of problem an answer of this API can carry, with its meaning."""
    items = "".join(
        f'<li><a href="/problems/{slug}">{escape(kind.title)}</a> ({kind.status})</li>'
        for slug, kind in kinds().items()
    )
    return _page("Problems", f"<ul>{items}</ul>")


@operation(
    "GET",
    "/problems/{slug}",
    tag="Description",
    summary="What a kind of problem means",
    access="public",
    media_type="text/html",
)
async def show_problem(call: Call, path: ProblemPath) -> str:  # noqa: ARG001
    """The page that the `type` of a problem leads to."""
    kind = kinds().get(path.slug)
    if kind is None:
        raise NotFound("There is no such kind of problem.")
    meaning = escape(" ".join((kind.__doc__ or kind.title).split()))
    return _page(kind.title, f"<p>HTTP status {kind.status}.</p><p>{meaning}</p>")


def add_slugs(document: dict[str, Any]) -> None:
    """Name the kinds there are in the description."""
    (parameter,) = document["paths"]["/problems/{slug}"]["get"]["parameters"]
    parameter["schema"] = {"type": "string", "enum": list(kinds())}


def _page(title: str, content: str) -> str:
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f"<body><h1>{escape(title)}</h1>{content}</body></html>"
    )
    return Text(content=page, media_type="text/html")  # type: ignore[return-value]


OPERATIONS: Final[list[Operation]] = [show_openapi, list_problems, show_problem]
