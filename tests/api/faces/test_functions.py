"""Functions as clients call them: both paths, bodies under other names, and errors in their shape."""

import json

import pytest

from api.app import OPERATIONS
from tests.api.test_lists import make

PATHS = ["/functions/v1/", "/functions/"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_string_as_the_body_is_read_as_json(ann, bob, path):
    made = await make(ann)
    body = json.dumps({"list_id": made["id"], "email": bob.user.email})
    response = await ann(
        "POST", f"{path}share-list", content=body, headers={"Content-Type": "text/plain;charset=UTF-8"}
    )
    assert (response.status_code, response.json()["status"]) == (200, "open")
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content, media_type, status",
    [
        (b"", "application/json", 400),
        (b"not json", "text/plain", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "application/xml", 415),
        (b'{"list_id": "\\u0000"}', "application/json", 422),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_in_the_clients_shape(
    ann, path, content, media_type, status
):
    response = await ann("POST", f"{path}share-list", content=content, headers={"Content-Type": media_type})
    assert response.status_code == status
    assert isinstance(response.json()["error"], str)


@pytest.mark.parametrize("path", PATHS)
async def test_an_unknown_function_is_not_found_in_the_clients_shape(ann, path):
    response = await ann("POST", f"{path}mine-bitcoin", json={})
    assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert isinstance(response.json()["error"], str)


@pytest.mark.parametrize("path", PATHS)
async def test_a_function_is_called_by_post_alone(ann, path):
    response = await ann("GET", f"{path}share-list")
    assert (response.status_code, response.json()["code"]) == (405, "method-not-allowed")


@pytest.mark.parametrize("path", PATHS)
async def test_what_clients_add_to_a_call_is_passed_over(ann, bob, path):
    made = await make(ann)
    response = await ann(
        "POST",
        f"{path}share-list?forceFunctionRegion=eu-west-1&apikey=any",
        json={"list_id": made["id"], "email": bob.user.email},
        headers={"x-region": "eu-west-1", "x-client-info": "supabase-js/2.109.0"},
    )
    assert response.status_code == 200


@pytest.mark.parametrize("name", [op.path.rpartition("/")[2] for op in OPERATIONS if op.is_function])
async def test_a_function_needs_a_user_or_a_signature_and_a_clients_key_is_neither(api, ring, name):
    keys = [await ring.client_key(role) for role in ("anon", "service_role")]
    for path in PATHS:
        for headers in ({}, *({"Authorization": f"Bearer {key}", "apikey": key} for key in keys)):
            response = await api.post(f"{path}{name}", json={}, headers=headers)
            # A webhook is known by its signature, where the installation sells anything at all.
            assert response.status_code in ({400, 404} if name == "stripe-webhook" else {401}), response.text
            assert isinstance(response.json()["error"], str)


def test_the_functions_of_the_front_end_are_there():
    wanted = {"email-finder", "validate-email", "share-list", "stripe-webhook"}
    assert wanted <= {op.path.rpartition("/")[2] for op in OPERATIONS if op.is_function}


def test_every_function_has_its_path_below_functions():
    assert all(op.is_function == op.path.startswith("/functions/v1/") for op in OPERATIONS)
