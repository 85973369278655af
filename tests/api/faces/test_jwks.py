import jwt
import pytest

from domain import tokens


async def test_whoever_has_our_public_keys_can_verify_our_tokens(api, ring, ann):
    response = await api.get("/auth/v1/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "public, max-age=300"
    token = (await tokens.mint(ring, user_id=ann.id)).text
    found = jwt.PyJWKSet.from_dict(response.json())
    key = found[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, ["ES256"], audience="authenticated")["sub"] == str(ann.id)


async def test_nothing_private_is_told(api):
    for key in (await api.get("/auth/v1/.well-known/jwks.json")).json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use", "key_ops"}


@pytest.mark.parametrize("role", ["anon", "service_role"])
async def test_a_client_key_is_nobody_at_our_own_face(api, ring, role):
    answer = await api.get("/v1/usage", headers={"Authorization": f"Bearer {await ring.client_key(role)}"})
    assert answer.status_code == 401
