"""A check of our own beside schemathesis's: the schema must not promise what the reader refuses."""

import schemathesis

SCHEMA_SLUGS = ("/problems/wrong-shape", "/problems/bad-json", "/problems/wrong-content-type")


@schemathesis.check
def fitting_requests_have_the_right_shape(ctx, response, case) -> None:
    """A request made by the schema may be impossible, but never of the wrong shape."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    kind = response.json().get("type")
    if kind in SCHEMA_SLUGS:
        raise AssertionError(f"{kind} for a request that fits the schema: {response.text[:500]}")
