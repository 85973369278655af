"""Keys by which a user's programs call this API."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta

from api.auth import NotAllowed
from api.operations import Call, Operation, operation
from core.errors import NotFound
from domain import api_keys
from domain.api_keys import ApiKey, Scope, TooManyKeys
from search.request import Form
from search.response import Answer


class ApiKeyPath(Form, frozen=True):
    key_id: UUID


class NewApiKey(Form, frozen=True):
    """`read` asks, `write` changes what is yours, `spend` costs credits, `admin` is for administrators."""

    name: Annotated[str, Meta(min_length=1, max_length=100, examples=["Nightly sync"])]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=4)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class ApiKeyAnswer(Answer):
    """`prefix` is how the key begins; `last_used_at` is accurate to ten minutes."""

    id: UUID
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class MadeApiKey(ApiKeyAnswer):
    """`key` is the key itself. It is told here and never again."""

    key: str


class ApiKeysAnswer(Answer):
    results: list[ApiKeyAnswer]


@operation(
    "POST",
    "/v1/api-keys",
    tag="API keys",
    summary="Make an API key",
    session="service",
    status=201,
    errors=(TooManyKeys, NotAllowed),
    example={"name": "Nightly sync", "scopes": ["read"]},
    scope="person",
    links={"key_id": "$response.body#/id"},
)
async def create_api_key(call: Call, body: NewApiKey) -> MadeApiKey:
    """For a program of yours, to be sent as a bearer token. Only people make keys: no key makes another."""
    if "admin" in body.scopes and not call.user.is_admin:
        raise NotAllowed("The scope `admin` is for administrators of the installation.")
    made, value = await api_keys.create(
        call.session,
        user_id=call.user_id,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
    )
    return MadeApiKey(key=value, **_told(made))


@operation(
    "GET",
    "/v1/api-keys",
    tag="API keys",
    summary="Your API keys",
    session="service_read",
    scope="person",
)
async def list_api_keys(call: Call) -> ApiKeysAnswer:
    """The newest first, expired ones among them. Their values are not kept, so they are not told."""
    found = await api_keys.keys_of(call.session, user_id=call.user_id)
    return ApiKeysAnswer(results=[ApiKeyAnswer(**_told(key)) for key in found])


@operation(
    "DELETE",
    "/v1/api-keys/{key_id}",
    tag="API keys",
    summary="Revoke an API key",
    session="service",
    errors=(NotFound,),
    scope="person",
)
async def revoke_api_key(call: Call, path: ApiKeyPath) -> None:
    """The next call with it is refused."""
    await api_keys.revoke(call.session, user_id=call.user_id, key_id=path.key_id)


def _told(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }


OPERATIONS: Final[list[Operation]] = [create_api_key, list_api_keys, revoke_api_key]
