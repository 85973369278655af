"""Keys are made, sealed, rotated and told to every process; on a database that nobody else's tokens need."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
from sqlalchemy import text

from core import clock
from core.ids import UserId
from db.sessions import ANON, SERVICE, Database, member
from domain import tokens
from domain.signing import keyring, keys
from domain.signing.envelope import DoesNotOpen, seal, unseal
from domain.signing.keyring import Keyring
from domain.signing.keys import SealedOtherwise

ANN = UserId(uuid4())


@pytest.fixture
async def spare(settings, spare_database):
    """A database whose keys a test may do everything to."""
    database = Database(replace(settings.database, url=spare_database.url))
    yield database
    async with database.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.signing_keys"))
    await database.close()


@pytest.fixture
def process(settings, spare):
    """A keyring as another process of the same installation has it."""
    return lambda secret=settings.auth.jwt_secret: Keyring(replace(settings.auth, jwt_secret=secret), spare)


async def rotate(settings, database, **options):
    async with database.transaction(SERVICE) as session:
        return await keys.rotate(session, settings.auth, **({"purpose": "access"} | options))


async def test_the_first_key_is_made_once_when_several_want_it(process):
    import asyncio  # noqa: PLC0415

    found = await asyncio.gather(*(process().current("access") for _ in range(5)))
    assert len({key.kid for key in found}) == 1


async def test_a_private_key_lies_sealed_in_the_table(process, spare):
    key = await process().current("access")
    async with spare.transaction(SERVICE) as session:
        (row,) = [row for row in await keys.rows(session) if row.kid == key.kid]
    scalar = key.private.private_numbers().private_value.to_bytes(32, "big")
    assert scalar not in bytes(row.sealed)
    assert "d" not in key.jwk
    with pytest.raises(DoesNotOpen):
        unseal("another secret of a sufficient length", bytes(row.sealed), label=b"")


def test_a_seal_is_bound_to_its_secret_and_its_label():
    sealed = seal("s" * 32, b"plain", label=b"one")
    assert unseal("s" * 32, sealed, label=b"one") == b"plain"
    assert seal("s" * 32, b"plain", label=b"one") != sealed
    for secret, given, label in (
        ("t" * 32, sealed, b"one"),
        ("s" * 32, sealed, b"two"),
        ("s" * 32, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"one"),
        ("s" * 32, b"", b"one"),
        ("s" * 32, sealed[:20], b"one"),
    ):
        with pytest.raises(DoesNotOpen):
            unseal(secret, given, label=label)


@pytest.mark.parametrize("change", ["purpose", "public_jwk", "kid"])
async def test_a_row_that_was_changed_is_no_key(process, spare, spare_database, change):
    """Whoever can write the table can still not make a key of ours sign or verify for somebody else."""
    from db.connections import connect  # noqa: PLC0415

    first, second = process(), process()
    await first.client_key("anon")
    token = await tokens.mint(first, user_id=ANN)
    await tokens.verify(second, token.text)
    owner = await connect(spare_database.migration_url)
    changed = {
        "purpose": "purpose = 'client', algorithm = 'HS256', public_jwk = NULL",
        "public_jwk": "public_jwk = public_jwk || jsonb_build_object('x', 'AAAA')",
        "kid": "kid = 'AAAAAAAAAAAAAAAA'",
    }[change]
    await owner.execute("DELETE FROM app.signing_keys WHERE purpose = 'client'")
    await owner.execute(f"UPDATE app.signing_keys SET {changed}")
    await owner.close()
    with pytest.raises(tokens.BadToken):
        await tokens.verify(process(), token.text)


async def test_after_a_rotation_old_tokens_live_until_they_end(settings, process, spare):
    ring = process()
    old = await tokens.mint(ring, user_id=ANN)
    await rotate(settings, spare)
    other = process()
    new = await tokens.mint(other, user_id=ANN)
    assert jwt.get_unverified_header(old.text)["kid"] != jwt.get_unverified_header(new.text)["kid"]
    # The process that has not noticed yet looks the new key up, at once.
    for known in (ring, other):
        await tokens.verify(known, old.text)
        await tokens.verify(known, new.text)
    assert {key["kid"] for key in (await ring.jwks())["keys"]} == {
        jwt.get_unverified_header(token.text)["kid"] for token in (old, new)
    }
    with clock.shifted(timedelta(seconds=settings.auth.token_lifetime_s + 120)):
        assert len((await process().jwks())["keys"]) == 1
        assert await process().find(jwt.get_unverified_header(old.text)["kid"]) is None


async def test_a_long_token_keeps_its_key(settings, process, spare):
    long = await tokens.mint(process(), user_id=ANN, lifetime=timedelta(days=90))
    await rotate(settings, spare)
    with clock.shifted(timedelta(days=89)):
        await tokens.verify(process(), long.text)
    await rotate(settings, spare)
    with clock.shifted(timedelta(days=89)):
        await tokens.verify(process(), long.text)


async def test_a_long_token_is_not_signed_with_a_key_on_its_way_out(settings, process, spare):
    ring = process()
    await ring.current("access")
    kid = await rotate(settings, spare)
    long = await tokens.mint(ring, user_id=ANN, lifetime=timedelta(days=90))
    assert jwt.get_unverified_header(long.text)["kid"] == kid


async def test_a_key_that_somebody_else_may_have_ends_at_once(settings, process, spare, monkeypatch):
    ring = process()
    token = await tokens.mint(ring, user_id=ANN, lifetime=timedelta(days=90))
    await rotate(settings, spare, at_once=True)
    with pytest.raises(tokens.BadToken):
        await tokens.verify(process(), token.text)
    # And for a process that had it, when it next reads the keys.
    monkeypatch.setattr(keys, "NOTICED_WITHIN", timedelta(0))
    with pytest.raises(tokens.BadToken):
        await tokens.verify(ring, token.text)


async def test_client_keys_have_a_rotation_of_their_own(settings, process, spare):
    ring = process()
    old, person = await ring.client_key("service_role"), await tokens.mint(ring, user_id=ANN)
    await rotate(settings, spare, purpose="client")
    other = process()
    assert await other.client_key("service_role") != old
    assert await tokens.read(other, old) == "service_role"
    await tokens.verify(other, person.text)
    await rotate(settings, spare, purpose="client", at_once=True)
    other = process()
    with pytest.raises(tokens.BadToken):
        await tokens.read(other, old)
    await tokens.verify(other, person.text)


async def test_ended_keys_are_cleared_away(settings, process, spare):
    await process().current("access")
    await rotate(settings, spare, at_once=True)
    await rotate(settings, spare)
    async with spare.transaction(SERVICE) as session:
        states = [line.state for line in await keys.lines(session, settings.auth)]
    assert states == ["current", "retired"]


async def test_another_secret_opens_nothing_and_replaces_nothing(settings, process, spare):
    token = await tokens.mint(process(), user_id=ANN)
    stranger = process("a secret that was mistyped, or is of another place")
    with pytest.raises(tokens.BadToken):
        await tokens.verify(stranger, token.text)
    with pytest.raises(SealedOtherwise, match="rotate --purpose access --now"):
        await tokens.mint(stranger, user_id=ANN)
    await tokens.verify(process(), token.text)
    async with spare.transaction(SERVICE) as session:
        await keys.rotate(session, stranger.settings, purpose="access", at_once=True)
        opens = [line.opens for line in await keys.lines(session, stranger.settings)]
    assert opens == [True, False]
    await tokens.verify(stranger, (await tokens.mint(stranger, user_id=ANN)).text)


async def test_names_that_nobody_has_are_not_asked_for_without_end(process, spare, monkeypatch):
    ring = process()
    await ring.current("access")
    reads = 0
    really = keys.rows

    async def counted(session):
        nonlocal reads
        reads += 1
        return await really(session)

    monkeypatch.setattr(keys, "rows", counted)
    for n in range(50):
        assert await ring.find(f"unknown-key-{n:04}") is None
    assert reads == keyring.UNKNOWN_READS


@pytest.mark.parametrize("actor", [ANON, member(ANN)])
async def test_nobody_but_the_service_sees_the_table(session_as, actor):
    async with session_as(actor) as session:
        with pytest.raises(Exception, match="permission denied"):
            await session.execute(text("SELECT kid FROM app.signing_keys"))
