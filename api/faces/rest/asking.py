"""What a request is besides its query: media types, profile, preferences."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from litestar import Request

from api.faces.rest import errors
from api.faces.rest.preferences import Preferences, read_preferences

Form = Literal["array", "object", "csv"]
OBJECT: Final = "application/vnd.pgrst.object+json"
ARRAY: Final = "application/vnd.pgrst.array+json"
_MEDIA_TYPES: Final[dict[str, Form]] = {
    "application/json": "array",
    ARRAY: "array",
    OBJECT: "object",
    "application/vnd.pgrst.object": "object",
    "application/vnd.pgrst.array": "array",
    "text/csv": "csv",
    "application/*": "array",
    "text/*": "csv",
    "*/*": "array",
}


@dataclass(frozen=True, slots=True)
class Asking:
    """How the answer is to look and what is preferred."""

    form: Form
    content_type: str
    strips_nulls: bool
    preferences: Preferences


def read_asking(request: Request[Any, Any, Any], *, writes: bool) -> Asking:
    """Read the headers; raises `Refused`."""
    profile = request.headers.get("content-profile" if writes else "accept-profile", "public")
    if profile != "public":
        raise errors.unknown_schema(profile[:100])
    form, content_type, strips_nulls = _accepted(request.headers.get("accept", "*/*"))
    return Asking(form, content_type, strips_nulls, read_preferences(request.headers.getall("prefer", [])))


def _accepted(header: str) -> tuple[Form, str, bool]:
    """The first media type by weight that can be had."""
    ranges = []
    for said in header.split(",")[:20]:
        media_type, *parameters = (part.strip() for part in said.split(";"))
        given = dict(part.lower().replace(" ", "").partition("=")[::2] for part in parameters if part)
        ranges.append((_weight(given.get("q", "1")), media_type.lower(), given))
    for weight, media_type, given in sorted(ranges, key=lambda one: -one[0]):
        form = _MEDIA_TYPES.get(media_type or "*/*")
        if form is None or weight <= 0:
            continue
        strips = given.get("nulls") == "stripped" and media_type in (OBJECT, ARRAY)
        suffix = ";nulls=stripped" if strips else ""
        if form == "csv":
            return form, "text/csv; charset=utf-8", False
        if form == "object":
            return form, f"{OBJECT}{suffix}; charset=utf-8", strips
        if strips:
            return form, f"{ARRAY}{suffix}; charset=utf-8", True
        return form, "application/json; charset=utf-8", False
    raise errors.no_media_type([media_type for _, media_type, _ in ranges][:5])


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 1.0
