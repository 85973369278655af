"""The description is complete and closed; tests/api/test_problem_docs.py holds docs/api.md to it."""

import pytest

from api.app import OPERATIONS
from api.problems import face_of
from api.routes.suggest import Completed
from search.suggest import FIELDS


@pytest.fixture
async def description(api):
    response = await api.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def test_every_operation_has_a_name_of_its_own_and_is_described(description):
    found = [op for path in description["paths"].values() for op in path.values()]
    assert description["openapi"].startswith("3.1")
    assert len({op["operationId"] for op in found}) == len(found) == len(OPERATIONS)
    assert all(op["summary"] and op["description"] and op["tags"] for op in found)
    known = {tag["name"] for tag in description["tags"]}
    assert {tag for op in found for tag in op["tags"]} <= known


def objects(schema):
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    if isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


async def test_every_object_is_closed(description):
    found = list(objects(description))
    assert len(found) > 40
    for schema in found:
        assert schema.get("additionalProperties") is False, schema.get("title")


def references(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for inner in schema.values():
            yield from references(inner)
    if isinstance(schema, list):
        for inner in schema:
            yield from references(inner)


async def test_every_reference_leads_somewhere(description):
    known = {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}
    assert set(references(description)) == known


async def test_every_response_is_described(description):
    for path, operations in description["paths"].items():
        for op in operations.values():
            responses = op["responses"]
            assert {"400", "500", "503"} <= set(responses), path
            if op["security"]:
                assert {"401", "422", "429"} <= set(responses), path
            if "{" in path:
                assert "404" in responses, path
            if "requestBody" in op:
                assert {"413", "415", "422"} <= set(responses), path
                for content in op["requestBody"]["content"].values():
                    assert content["schema"]
            for status, response in responses.items():
                if int(status) >= 400 and path != "/health/ready":
                    face = face_of(path)
                    assert list(response["content"]) == [face.media_type], (path, status)
                    values = [
                        each["value"] for each in response["content"][face.media_type]["examples"].values()
                    ]
                    assert values
                    assert all(values)
                    if path.startswith("/v1/"):  # the other faces have the shapes that their clients know
                        assert all(value["request_id"] for value in values)
                elif "204" not in responses:
                    assert response["content"], (path, status)


async def test_vocabularies_are_written_out(description):
    components = description["components"]["schemas"]
    assert "vp" in components["ContactFilters"]["properties"]["seniorities"]["items"]["enum"]
    contacts = components["ContactFacetRequest"]["properties"]["field"]["enum"]
    organizations = components["OrganizationFacetRequest"]["properties"]["field"]["enum"]
    assert "seniorities" in contacts
    assert "seniorities" not in organizations
    assert "-name" in components["ContactSearchRequest"]["properties"]["sort"]["enum"]


def test_what_can_be_completed_is_what_search_completes():
    assert set(Completed.__args__) == set(FIELDS)


def pointed_at(description, schema, pointer):
    """The schema of a part of an answer; the first of a list stands for all."""
    for step in pointer.strip("/").split("/"):
        if "$ref" in schema:
            schema = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        schema = schema["items"] if step == "0" else schema["properties"][step]
    return schema


async def test_every_link_leads_from_a_part_of_the_answer_to_operations(description):
    by_name = {op.name: op for op in OPERATIONS}
    led = set()
    for op in (op for op in OPERATIONS if op.links):
        response = description["paths"][op.path][op.method.lower()]["responses"][str(op.status)]
        assert response["links"], op.name
        led |= response["links"].keys()
        schema = response["content"]["application/json"]["schema"]
        for place in op.links.values():
            kind, _, pointer = place.partition("#")
            if kind == "$response.body":
                assert pointed_at(description, schema, pointer), (op.name, place)
            else:
                assert "{" + place.removeprefix("$request.path.") + "}" in op.path
    # One who may not change a record is not told how to.
    assert (
        "change_contact"
        not in description["paths"]["/v1/contacts/search"]["post"]["responses"]["200"]["links"]
    )
    # What is left takes what no answer tells: a token out of a mail, an address, a name of a file.
    unled = {op.path for op in OPERATIONS if op.path_type is not None and op.name not in led}
    assert len(unled) < 10, unled
    assert {by_name[name].path_type is not None for name in led} == {True}
