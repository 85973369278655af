from api.app import OPERATIONS


async def test_usage_tells_of_every_route_and_the_credits(ann):
    await ann("GET", "/v1/hidden/contacts")
    await ann("GET", "/v1/hidden/contacts")
    usage = (await ann("GET", "/v1/usage")).json()
    routes = {route["operation"]: route for route in usage["routes"]}
    assert set(routes) == {op.name for op in OPERATIONS if op.access != "public"}
    assert (usage["window_s"], usage["counted_by"]) == (60, "redis")
    assert routes["search_contacts"]["used"] == 0
    # A minute may have ended between the requests.
    assert routes["list_hidden_contacts"]["used"] in {0, 1, 2}
    assert routes["show_usage"]["used"] == 1
    assert all(route["limit"] == route["used"] + route["remaining"] for route in routes.values())
    assert usage["credits"] == {"balance": 0, "plan": "free", "plan_name": "Free", "monthly_credits": 50}
