"""The OpenAPI 3.1 description, made from the declared operations and the very types they enforce."""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec

from api import body as intake
from api import idempotency
from api.auth import (
    AccountDisabled,
    NotAllowed,
    ScopeMissing,
    SecondFactorNeeded,
    SessionEnded,
    Unauthenticated,
)
from api.limits import TooManyRequests
from api.operations import Operation
from api.problems import FACES, BadRequest, Face, Failure, FieldError, Unavailable, face_of
from core.errors import Invalid, LeadFuelError, NotFound
from domain.api_keys import BadApiKey
from domain.outside.identities import NoAccount
from domain.outside.keys import IssuerSilent
from domain.tokens import BadToken

Schemas = dict[str, Any]
# Changes the document before it is handed out, as `search` does with the vocabularies of its filters.
Overlay = Callable[[dict[str, Any]], None]

# An error may quote whatever was sent, so its texts are as free as that.
_QUOTING: Final = {FieldError.__name__, *(face.shape.__name__ for face in FACES)}
_REF: Final = "#/components/schemas/{name}"
_NO_NUL: Final = "^[^\\u0000]*$"
_LIMIT_HEADERS: Final = {
    "RateLimit-Limit": "Requests a minute this route takes from one user",
    "RateLimit-Remaining": "What is left of them in the current minute",
    "RateLimit-Reset": "Seconds until the next minute begins",
}
_TAGS: Final = {
    "Search": "Faceted search for people and companies, counts and typeahead.",
    "Contacts": "People: read, match, and keep by hand.",
    "Organizations": "Companies: read, and keep by hand.",
    "Hidden": "Records a user does not want to see again.",
    "Credits": "What things cost, what there is, what became of it, and unlocking addresses.",
    "Billing": "Buying credits and plans.",
    "Functions": "What other services call, and the clients of edge functions.",
    "Imports": "Files of contacts and organizations, for administrators.",
    "API keys": "Keys by which programs call this API in your name.",
    "Administration": "Users, and what was done with the rights of an administrator.",
    "Usage": "What has been used of the limits.",
    "Index": "The search index, for administrators: look at it, prove it, rebuild it, repair it.",
    "Health": "Whether the parts of this installation work.",
    "Description": "This description, and what the kinds of problems mean.",
}


def describe(operations: Sequence[Operation], *, overlay: Overlay | None = None) -> dict[str, Any]:
    """The whole document."""
    components = _components(operations)
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, operations)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "LeadFuel",
            "version": version("leadfuel"),
            "summary": "Self-hosted B2B lead discovery.",
            "description": (
                "Faceted search over your own contacts and organizations. Errors are problem+json "
                "(RFC 9457); lists are paged by a cursor; an unknown field is an error, never ignored."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "tags": [
            {"name": name} | ({"description": _TAGS[name]} if name in _TAGS else {})
            for name in _distinct(op.tag for op in operations)
        ],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of this installation (see `leadfuel token`), or an API key.",
                }
            },
        },
    }
    if overlay is not None:
        overlay(document)
    return document


def _components(operations: Sequence[Operation]) -> Schemas:
    shapes = {face_of(op.path).shape for op in operations}
    kinds: list[Any] = [FieldError, *sorted(shapes, key=lambda shape: shape.__name__)]
    for op in operations:
        kinds += [kind for kind in (op.body_type, op.answer_type) if _is_described(op, kind)]
    _, components = msgspec.json.schema_components(_distinct(kinds), ref_template=_REF)
    for name, schema in components.items():
        _close(schema)
        if name not in _QUOTING:
            _bar_nul(schema)
    return dict(sorted(components.items()))


def _is_described(op: Operation, kind: Any) -> bool:
    if kind is None:
        return False
    return kind is not op.answer_type or op.media_type == "application/json"


def _distinct(kinds: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for kind in kinds:
        if kind not in found:
            found.append(kind)
    return found


def _close(schema: dict[str, Any]) -> None:
    """An object with named properties has these and no others."""
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)


def _bar_nul(schema: Any) -> None:
    """No field can hold the character NUL; free text says so."""
    if isinstance(schema, list):
        for inner in schema:
            _bar_nul(inner)
    if isinstance(schema, dict):
        if schema.get("type") == "string" and not schema.keys() & {"format", "enum"}:
            pattern = schema.setdefault("pattern", _NO_NUL)
            if not (pattern.startswith("^") and pattern.endswith("$")):
                schema["allOf"] = [{"pattern": _NO_NUL}]
        for name, inner in schema.items():
            if name not in {"default", "examples", "enum"}:
                _bar_nul(inner)


def _operation(op: Operation, operations: Sequence[Operation]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": op.name,
        "tags": [op.tag],
        "summary": op.summary,
        "description": op.description,
        "security": [] if op.access == "public" else [{"bearer": []}],
        "parameters": [
            *_parameters(op.path_type, "path"),
            *_parameters(op.query_type, "query"),
            *([idempotency.header()] if op.idempotent else []),
        ],
        "responses": _responses(op, operations),
    }
    if op.body_type is not None:
        content: dict[str, Any] = {"schema": _schema(op.body_type)}
        if op.example is not None:
            content["examples"] = {"example": {"value": op.example}}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    elif op.upload_type is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": _form(op.upload_type)}},
        }
    return described


def _form(kind: type[Any]) -> dict[str, Any]:
    """The fields of a form, and its file."""
    _, components = msgspec.json.schema_components([kind], ref_template=_REF)
    schema: dict[str, Any] = components[kind.__name__]
    fields = {name: _without_null(inner) for name, inner in schema["properties"].items()}
    for field in fields.values():
        _bar_nul(field)
    file = {
        # Bytes have no type of JSON's (OpenAPI 3.1, 4.8.14.3); several files are an array.
        "not": {"type": "array"},
        "contentMediaType": "application/octet-stream",
        "description": "The file itself, behind the fields",
    }
    return {
        **schema,
        "properties": {**fields, "file": file},
        "required": [*schema["required"], "file"],
    }


def _schema(kind: Any) -> Any:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def _parameters(kind: type[Any] | None, where: str) -> list[dict[str, Any]]:
    if kind is None:
        return []
    (_,), components = msgspec.json.schema_components([kind], ref_template=_REF)
    schema = components[kind.__name__]
    return [
        _parameter(name, _without_null(inner), where, required=name in schema.get("required", ()))
        for name, inner in schema["properties"].items()
    ]


def _parameter(name: str, schema: dict[str, Any], where: str, *, required: bool) -> dict[str, Any]:
    _bar_nul(schema)
    described = {
        "name": name,
        "in": where,
        "required": required or where == "path",
        "schema": {key: value for key, value in schema.items() if key != "description"},
    }
    if "description" in schema:
        described["description"] = schema["description"]
    return described


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is left out; it has no way of being null."""
    rest = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    alternatives = [inner for inner in rest.pop("anyOf", []) if inner != {"type": "null"}]
    if len(alternatives) == 1:
        return {**rest, **alternatives[0]}
    return {**rest, "anyOf": alternatives} if alternatives else rest


def _responses(op: Operation, operations: Sequence[Operation]) -> dict[str, Any]:
    success: dict[str, Any] = {
        "description": "Done; there is nothing to say." if op.status == 204 else "Done."
    }
    if op.status != 204:
        schema = _schema(op.answer_type) if op.media_type == "application/json" else {"type": "string"}
        success["content"] = {op.media_type: {"schema": schema}}
    if op.is_limited:
        success["headers"] = {
            name: {"description": text, "schema": {"type": "integer"}}
            for name, text in _LIMIT_HEADERS.items()
        }
    if op.links:
        success["links"] = _links(op, operations)
    responses = {str(op.status): success}
    for status in op.other_statuses:
        responses[str(status)] = success
    grouped: dict[int, list[type[LeadFuelError]]] = {}
    for error in errors_of(op):
        grouped.setdefault(error.status, []).append(error)
    for status, errors in grouped.items():
        responses.setdefault(str(status), _problem(status, errors, face_of(op.path)))
    return dict(sorted(responses.items()))


def _links(op: Operation, operations: Sequence[Operation]) -> dict[str, Any]:
    """What can be done next with what the answer names."""
    return {
        target.name: {"operationId": target.name, "parameters": dict(op.links)}
        for target in operations
        if target.path_type is not None
        and {field.encode_name for field in msgspec.structs.fields(target.path_type)} == op.links.keys()
        and target.access in (op.access, "member", "public")
    }


def errors_of(op: Operation) -> list[type[LeadFuelError]]:
    """Every kind of error that an operation may answer with."""
    # Any query may be one that cannot be read, also where none is expected.
    found: list[type[LeadFuelError]] = [
        BadRequest,
        LeadFuelError,
        Unavailable,
        *op.errors,
        intake.WrongShape,
    ]
    if op.access != "public":
        found += [Unauthenticated, BadToken, BadApiKey, SessionEnded, TooManyRequests, IssuerSilent]
        found += [AccountDisabled, NoAccount, ScopeMissing, SecondFactorNeeded]
    if op.access == "admin":
        found += [NotAllowed]
    if op.path_type is not None:
        found += [NotFound]
    if op.body_type is not None:
        found += [intake.BadJson, intake.WrongContentType, intake.TooLarge, Invalid]
    if op.upload_type is not None:
        found += [intake.WrongContentType, intake.TooLarge]
    return _distinct(found)


def _problem(status: int, errors: list[type[LeadFuelError]], face: Face) -> dict[str, Any]:
    slugs = ", ".join(f"`{error.slug}`" for error in errors)
    described: dict[str, Any] = {
        "description": f"{errors[0].title} ({slugs}).",
        "content": {
            face.media_type: {
                "schema": {"$ref": _REF.format(name=face.shape.__name__)},
                "examples": {error.slug: {"value": _example(error, face)} for error in errors},
            }
        },
    }
    if status == TooManyRequests.status:
        described["headers"] = {
            "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}
        }
    if status == Unauthenticated.status:
        described["headers"] = {
            "WWW-Authenticate": {"description": "How to say who you are", "schema": {"type": "string"}}
        }
    return described


def _example(error: type[LeadFuelError], face: Face) -> dict[str, Any]:
    """An error as its face would really say it."""
    facts = {"errors": [{"path": "limit", "message": "Expected int <= 500"}]} if error.status == 422 else {}
    failure = Failure(
        status=error.status,
        slug=error.slug,
        title=error.title,
        detail=" ".join((error.__doc__ or error.title).split()),
        request_id="5d9e7c1f0b8a4d3e9f6a2b1c0d4e8f7a",
        facts=facts,
    )
    example: dict[str, Any] = msgspec.json.decode(face.render(failure).content)
    return example
