"""Tokens of others against a real web server that hands out keys, and counts how often it is asked."""

import json
from dataclasses import replace
from datetime import timedelta

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core import clock
from core.settings import BadSetting
from domain.outside import issuers, keys
from domain.outside.keys import IssuerSilent
from domain.outside.verify import Outsiders
from domain.tokens import BadToken


@pytest.fixture
async def client():
    async with httpx.AsyncClient(timeout=2) as client:
        yield client


@pytest.fixture
def outsiders(issuer, settings, client):
    return lambda **more: Outsiders(replace(settings.auth, issuers=issuer.settings(**more)), client)


async def verified(outsiders, text):
    issuer = outsiders.issuer_of(text)
    assert issuer is not None
    return await outsiders.verified(text, issuer)


async def test_a_token_of_an_issuer_we_know_names_its_subject(issuer, outsiders):
    known = outsiders()
    who = await verified(known, issuer.token(email="ann@example.com", email_verified=True))
    assert (who.subject, who.email) == ("user_1", "ann@example.com")
    for _ in range(20):
        await verified(known, issuer.token())
    assert issuer.asked == 1


async def test_an_address_counts_only_when_the_issuer_vouches_for_it(issuer, outsiders):
    for said in (
        {"email": "ann@example.com"},
        {"email": "ann@example.com", "email_verified": False},
        {"email": "ann@example.com", "email_verified": "true"},
        {"email": "ann@example.com", "user_metadata": {"email_verified": True}},
        {"email": ["ann@example.com"], "email_verified": True},
    ):
        assert (await verified(outsiders(), issuer.token(**said))).email is None
    trusted = outsiders(emails_are_verified=True)
    assert (await verified(trusted, issuer.token(email="ann@example.com"))).email == "ann@example.com"


async def test_a_new_key_is_fetched_when_a_token_names_it(issuer, outsiders, monkeypatch):
    known = outsiders()
    await verified(known, issuer.token())
    issuer.add("second")
    monkeypatch.setattr(keys, "FLOOR_S", 0.0)
    await verified(known, issuer.token("second"))
    assert issuer.asked == 2


async def test_invented_keys_are_not_asked_for_without_end(issuer, outsiders):
    known = outsiders()
    issuer.keys["invented"] = rsa.generate_private_key(65_537, 2_048)
    text = issuer.token("invented")
    del issuer.keys["invented"]
    for _ in range(20):
        with pytest.raises(BadToken):
            await verified(known, text)
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"},
        {"aud": ...},
        {"aud": ["other"]},
        {"aud": {"authenticated": 1}},
        {"exp": 1},
        {"exp": ...},
        {"exp": "never"},
        {"iat": ...},
        {"iat": 4_000_000_000, "exp": 4_000_000_060},
        {"nbf": 4_000_000_000},
        {"sub": ...},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "a\x00b"},
        {"role": "anon"},
        {"role": "service_role"},
        {"is_anonymous": True},
    ],
)
async def test_what_can_be_seen_to_be_bad_is_refused_without_a_question(issuer, outsiders, changes):
    with pytest.raises(BadToken):
        await verified(outsiders(), issuer.token(**changes))
    assert issuer.asked == 0


async def test_one_algorithm_and_none_beside_it(issuer, outsiders):
    issuer.add_elliptic("elliptic")
    public = issuer.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = issuer.token().split(".")
    unsigned = jwt.encode(jwt.decode(issuer.token(), options={"verify_signature": False}), None, "none")
    for text in (
        issuer.token(algorithm="RS512"),
        issuer.token(algorithm="PS256"),
        issuer.token("elliptic", "ES256"),
        unsigned,
        f"{head}.{body}.",
    ):
        with pytest.raises(BadToken):
            await verified(outsiders(), text)
    # An HMAC under the public key, by hand, for libraries refuse to make it.
    import base64  # noqa: PLC0415
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "first"}).encode()).rstrip(b"=")
    signed = head + b"." + body.encode()
    mac = base64.urlsafe_b64encode(hmac.new(public, signed, hashlib.sha256).digest()).rstrip(b"=")
    with pytest.raises(BadToken):
        await verified(outsiders(), (signed + b"." + mac).decode())


async def test_another_issuers_key_signs_nothing_for_this_one(issuer, outsiders):
    stranger = rsa.generate_private_key(65_537, 2_048)
    said = jwt.decode(issuer.token(), options={"verify_signature": False})
    with pytest.raises(BadToken):
        await verified(outsiders(), jwt.encode(said, stranger, "RS256", headers={"kid": "first"}))


async def test_a_key_that_is_too_short_or_for_something_else_is_none(issuer, outsiders):
    issuer.add("short", bits=1_024)
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        short = issuer.token("short")
    with pytest.raises(BadToken):
        await verified(outsiders(), short)
    jwks = json.loads(issuer.jwks())
    for changes in ({"use": "enc"}, {"alg": "RS512"}, {"n": "!"}, {"kid": None}):
        issuer.answer = json.dumps({"keys": [jwks["keys"][0] | changes]}).encode()
        with pytest.raises(BadToken):
            await verified(outsiders(), issuer.token())


@pytest.mark.parametrize(
    "status, answer", [(500, b""), (302, b""), (200, b"<html>"), (200, b"[" * 400_000), (200, b'{"keys": 1}')]
)
async def test_an_issuer_that_gives_no_keys_is_told_apart_from_a_bad_token(issuer, outsiders, status, answer):
    issuer.status, issuer.answer = status, answer
    known = outsiders()
    for _ in range(5):
        with pytest.raises(IssuerSilent):
            await verified(known, issuer.token())
    assert issuer.asked == 1


async def test_keys_go_on_while_their_issuer_is_silent(issuer, outsiders, monkeypatch):
    known = outsiders()
    await verified(known, issuer.token())
    issuer.status = 500
    monkeypatch.setattr(keys, "FLOOR_S", 0.0)
    monkeypatch.setattr(keys, "FRESH_S", 0.0)
    await verified(known, issuer.token())
    assert issuer.asked >= 2
    monkeypatch.setattr(keys, "KEPT_S", 0.0)
    with pytest.raises(IssuerSilent):
        await verified(known, issuer.token())


async def test_a_token_may_be_bound_to_a_site_instead(issuer, settings, client):
    """Clerk's tokens have no audience; they say for which site they were made."""
    text = json.dumps([{"issuer": issuer.name, "authorized_parties": ["https://app.example.com"]}])
    known = Outsiders(replace(settings.auth, issuers=text), client)
    await verified(known, issuer.token(aud=..., azp="https://app.example.com"))
    for azp in (..., "https://evil.example", ["https://app.example.com"]):
        with pytest.raises(BadToken):
            await verified(known, issuer.token(aud=..., azp=azp))


async def test_a_verified_token_ends(issuer, outsiders):
    text, known = issuer.token(), outsiders()
    await verified(known, text)
    with clock.shifted(timedelta(minutes=3)), pytest.raises(BadToken):
        await verified(known, text)


def test_whoever_is_not_named_is_not_believed(issuer, outsiders):
    known = outsiders()
    for iss in ("https://evil.example", f"{issuer.name}/", [issuer.name], None, ...):
        assert known.issuer_of(issuer.token(iss=iss)) is None
    assert known.issuer_of("x" * 9_000) is None
    assert known.issuer_of("a.b.c") is None


@pytest.mark.parametrize(
    "text, match",
    [
        ("nonsense", "cannot be read"),
        ("{}", "cannot be read"),
        ('[{"issuer": "https://a.example"}]', "needs `audience`"),
        ('[{"issuer": "https://a.example", "audience": "x", "algorithm": "HS256"}]', "cannot be read"),
        ('[{"issuer": "https://a.example", "audience": "x", "algorithm": "none"}]', "cannot be read"),
        ('[{"issuer": "http://a.example", "audience": "x"}]', "https"),
        ('[{"issuer": "a", "audience": "x", "jwks_url": "file:///etc/passwd"}]', "https"),
        ('[{"issuer": "https://a.example", "audience": "x", "color": 1}]', "cannot be read"),
        ('[{"issuer": "leadfuel", "audience": "x", "jwks_url": "https://a.example"}]', "itself"),
        (
            (
                '[{"issuer": "https://a.example", "audience": "x"},'
                ' {"issuer": "https://a.example", "audience": "y"}]'
            ),
            "twice",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, text, match):
    with pytest.raises(BadSetting, match=match):
        issuers.read(replace(settings.auth, issuers=text))


def test_where_keys_are_follows_from_the_name(settings):
    text = '[{"issuer": "https://x.supabase.co/auth/v1", "audience": "authenticated", "algorithm": "ES256"}]'
    (found,) = issuers.read(replace(settings.auth, issuers=text)).values()
    assert found.keys_url == "https://x.supabase.co/auth/v1/.well-known/jwks.json"
