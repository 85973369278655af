"""Tokens are signed by the real keys of this process's database; the forgeries are what attackers try."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core import clock
from core.ids import UserId
from core.settings import AuthSettings, BadSetting
from domain import tokens

ANN = UserId(UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"))


@pytest.fixture
async def key(ring):
    return await ring.current("access")


@pytest.fixture
async def client_key(ring):
    return await ring.current("client")


def good(**changes: object) -> dict[str, object]:
    now = int(clock.now().timestamp())
    claims = {
        "iss": "leadfuel",
        "aud": "authenticated",
        "sub": str(ANN),
        "iat": now,
        "exp": now + 60,
        "role": "authenticated",
    } | changes
    return {name: value for name, value in claims.items() if value is not ...}


def forge(key, header: dict[str, object] | None = None, **changes: object) -> str:
    """A token signed by our own key, as it would be if claims or header could be chosen."""
    payload = json.dumps(good(**changes)).encode()
    return jwt.api_jws.encode(payload, key.private, key.algorithm, {"kid": key.kid} | (header or {}))


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def refused(ring, text, match=None):
    with pytest.raises(tokens.BadToken, match=match):
        await tokens.read(ring, text)


async def test_a_minted_token_names_its_user(ring):
    session = uuid4()
    token = await tokens.mint(
        ring, user_id=ANN, lifetime=timedelta(minutes=10), claims={"session_id": str(session), "aal": "aal1"}
    )
    claims = await tokens.verify(ring, token.text)
    assert (claims.user_id, claims.session_id, claims.said["aal"]) == (ANN, session, "aal1")
    assert claims.expires_at == token.expires_at
    assert claims.expires_at - claims.issued_at == timedelta(minutes=10)


async def test_what_a_token_says_beside_replaces_nothing_of_ours(ring):
    said = {"sub": str(uuid4()), "role": "service_role", "aud": "x", "iss": "x", "exp": 1, "nbf": 4e9}
    claims = await tokens.verify(ring, (await tokens.mint(ring, user_id=ANN, claims=said)).text)
    assert claims.user_id == ANN
    assert claims.said["role"] == "authenticated"


async def test_a_token_ends(ring):
    token = await tokens.mint(ring, user_id=ANN, lifetime=timedelta(seconds=600))
    with clock.shifted(timedelta(seconds=599)):
        await tokens.verify(ring, token.text)
    with clock.shifted(timedelta(seconds=640)), pytest.raises(tokens.BadToken, match="expired"):
        await tokens.verify(ring, token.text)


async def test_the_client_keys_stand_for_roles_and_for_nobody(ring):
    for role in ("anon", "service_role"):
        text = await ring.client_key(role)
        assert text.count(".") == 2
        assert await tokens.read(ring, text) == role
        assert await ring.client_key(role) == text
        with pytest.raises(tokens.BadToken, match="no user"):
            await tokens.verify(ring, text)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "anon"},
        {"aud": ...},
        {"aud": ["someone", "else"]},
        {"iss": "elsewhere"},
        {"iss": ...},
        {"iss": ["leadfuel"]},
        {"exp": ...},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"exp": 10**20},
        {"exp": -1},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 1},
        {"iat": ...},
        {"iat": 4_000_000_000, "exp": 4_000_000_060},
        {"nbf": 4_000_000_000},
        {"nbf": "soon"},
        {"sub": ...},
        {"sub": None},
        {"sub": {"id": str(ANN)}},
        {"sub": "admin"},
        {"sub": ""},
        {"sub": "6f9619ff'; drop table users; --"},
        {"session_id": "none"},
        {"session_id": 1},
        # A person's key signs for persons alone.
        {"role": "service_role"},
        {"role": "anon"},
        {"role": "postgres"},
        {"role": ["authenticated"]},
        {"role": ...},
        {"role": "service_role", "sub": ...},
    ],
)
async def test_claims_that_are_not_ours_are_refused(ring, key, changes):
    await tokens.read(ring, forge(key))
    await refused(ring, forge(key, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},  # a client's key signs no person's token
        {"role": "authenticated", "sub": ...},
        {"role": "service_role"},
        {"role": "admin", "sub": ...},
        {"role": "anon", "sub": ..., "exp": 1},
        {"role": "anon", "sub": ..., "exp": ...},
        {"role": "anon", "sub": ..., "iss": "supabase"},
    ],
)
async def test_a_client_key_signs_nothing_but_client_keys(ring, client_key, changes):
    assert await tokens.read(ring, forge(client_key, role="anon", sub=...)) == "anon"
    await refused(ring, forge(client_key, **changes))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES256", None, 1]
)
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_an_unsigned_token_is_refused(ring, key, algorithm, signature):
    head = part({"alg": algorithm, "typ": "JWT", "kid": key.kid})
    await refused(ring, f"{head}.{part(good())}.{signature}")


async def test_a_stripped_foreign_or_swapped_signature_is_refused(ring, key):
    head, body, signature = forge(key).split(".")
    other = forge(key, sub=str(uuid4())).split(".")
    stranger = ec.generate_private_key(ec.SECP256R1())
    foreign = jwt.encode(good(), stranger, "ES256", headers={"kid": key.kid})
    await refused(ring, foreign)
    for text in (
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{other[1]}.{signature}",
        f"{head}.{body}.{other[2]}",
        f"{head}.{body}.{foreign.split('.')[2]}",
        f"{head}.{body}.{signature}x",
        f"{head}.{body}.{base64.urlsafe_b64encode(bytes(64)).rstrip(b'=').decode()}",  # CVE-2022-21449
        f"{head}.{part(good(sub=str(uuid4())))}.{signature}",
        f"{head}.{part(good(exp=2_000_000_000))}.{signature}",
    ):
        await refused(ring, text)


async def test_the_public_half_is_no_secret_to_sign_with(ring, key):
    """The confusion of algorithms: an HMAC under what everybody can fetch."""
    as_pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    as_der = key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for secret in (as_pem, as_pem.strip(), as_der, json.dumps(key.jwk).encode(), key.kid.encode(), b""):
        for kid in (key.kid, (await ring.current("client")).kid):
            signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{part(good())}"
            mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            await refused(ring, f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


async def test_a_key_has_one_algorithm(ring, key, client_key):
    said = good(role="anon", sub=...)
    await refused(ring, jwt.encode(said, client_key.private, "HS384", headers={"kid": client_key.kid}))
    strong = rsa.generate_private_key(65_537, 2_048)
    await refused(ring, jwt.encode(good(), strong, "RS256", headers={"kid": key.kid}))
    other_curve = ec.generate_private_key(ec.SECP384R1())
    await refused(ring, jwt.encode(good(), other_curve, "ES384", headers={"kid": key.kid}))
    # Right key, but the header claims another algorithm than the key's.
    head = part({"alg": "HS256", "typ": "JWT", "kid": key.kid})
    _, body, signature = forge(key).split(".")
    await refused(ring, f"{head}.{body}.{signature}")


@pytest.mark.parametrize(
    "kid",
    [
        None,
        "",
        "../../../../dev/null",
        "' OR 1=1 --",
        "x' UNION SELECT 'secret",
        "/proc/self/environ",
        "http://127.0.0.1:9/keys",
        "\x00" * 16,
        "A" * 16,
        "A" * 5_000,
        16,
        ["a"],
        {"$ne": None},
    ],
)
async def test_a_kid_looks_up_and_does_nothing_else(ring, kid):
    head = part({"alg": "HS256", "typ": "JWT", "kid": kid})
    mac = base64.urlsafe_b64encode(hmac.new(b"", b"", hashlib.sha256).digest()).rstrip(b"=").decode()
    await refused(ring, f"{head}.{part(good())}.{mac}")


async def test_a_token_without_a_kid_is_nobodys(ring, key, settings):
    await refused(ring, jwt.encode(good(), key.private, "ES256"))
    # The form of earlier releases: signed with the installation's secret itself.
    await refused(ring, jwt.encode(good(), settings.auth.jwt_secret, "HS256"))


async def test_keys_that_a_header_brings_along_are_not_believed(ring, key):
    own = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(own.public_key()))
    for hint in (
        {"jwk": jwk},
        {"jku": "http://127.0.0.1:9/keys"},
        {"x5u": "http://127.0.0.1:9/"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
    ):
        await refused(ring, jwt.encode(good(), own, "ES256", headers={"kid": key.kid} | hint))


async def test_what_is_critical_in_a_header_must_be_understood(ring, key):
    await refused(ring, forge(key, {"crit": ["leadfuel"], "leadfuel": 1}))


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "\x00", "é.é.é", "x" * 9_000, "e30.e30.e30", "[" * 900, "a.b.c.d.e"]
)
async def test_garbage_is_refused(ring, text):
    await refused(ring, text)


@pytest.mark.parametrize("head", ["[]", "1", '"x"', "null", "{", '{"alg":"ES256","kid":"x"'])
async def test_a_header_that_is_no_object_is_refused(ring, head):
    encoded = base64.urlsafe_b64encode(head.encode()).rstrip(b"=").decode()
    await refused(ring, f"{encoded}.{part(good())}.AAAA")


async def test_a_payload_that_is_no_object_is_refused(ring, key):
    for payload in ("[]", "1", "null", '"x"', "", "[" * 3_000):
        await refused(ring, jwt.api_jws.encode(payload.encode(), key.private, "ES256", {"kid": key.kid}))


@pytest.mark.parametrize("secret", ["", "short"])
def test_nothing_works_without_a_real_secret(secret):
    with pytest.raises(BadSetting):
        tokens.check_secret(AuthSettings(jwt_secret=secret))
