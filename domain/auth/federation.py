"""Signing in by a provider: begun here, finished by the same browser, and whose account it then is.

An account is found by the provider's own name for the person. The first time it is found by the address, if
the provider has verified it; else nobody knows whose address it is, and nothing is linked.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.ids import UserId
from core.settings import Settings
from db.sessions import SIGN_IN, Database
from domain.auth import flows, people, redirects, seals, sessions, signup
from domain.auth.asking import Challenge
from domain.auth.errors import BadOauthState, ProviderEmailNeedsVerification, ProviderRefused, SignupDisabled
from domain.auth.people import Consent, Origin
from domain.auth.providers import Profile, Provider
from domain.auth.sessions import SignedIn

LIFETIME_S: Final = 600


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what it has to bring back to show that it is the same."""

    url: str
    flow_id: UUID
    browser: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in by a provider that has come back."""

    id: UUID
    provider: str
    redirect_to: str
    challenge: Challenge | None
    terms_version: str | None


async def begin(
    db: Database,
    settings: Settings,
    provider: Provider,
    *,
    redirect_to: str,
    challenge: Challenge | None,
    scopes: str,
    terms_version: str | None,
    hint: Mapping[str, str],
) -> Begun:
    """Write down that a sign-in has begun, and where it goes on."""
    flow_id = uuid4()
    url = await provider.authorization_url(
        callback=callback(settings),
        state=seals.seal(settings.auth, "state", flow_id),
        nonce=seals.secret(settings.auth, "nonce", flow_id),
        challenge=_s256(seals.secret(settings.auth, "provider-verifier", flow_id)),
        scopes=scopes,
        hint=hint,
    )
    async with db.transaction(SIGN_IN) as session:
        await session.execute(
            text(
                """
                INSERT INTO auth.flow_state (id, step, provider, redirect_to, code_challenge,
                                             code_challenge_method, terms_version, expires_at)
                VALUES (:id, 'provider', :provider, :redirect_to, :challenge, :method, :terms_version,
                        app.now() + make_interval(secs => :lifetime_s))
                """
            ),
            {
                "id": flow_id,
                "provider": provider.name,
                "redirect_to": redirect_to,
                "challenge": challenge.code_challenge if challenge else None,
                "method": challenge.method if challenge else None,
                "terms_version": terms_version,
                "lifetime_s": float(LIFETIME_S),
            },
        )
    return Begun(url, flow_id, seals.secret(settings.auth, "browser", flow_id))


async def come_back(db: Database, settings: Settings, *, state: str, cookies: Mapping[str, str]) -> Flow:
    """Take up a sign-in that a browser returns with, once; raises `BadOauthState`."""
    flow_id = seals.unseal(settings.auth, "state", state)
    if flow_id is None:
        raise BadOauthState("OAuth state is missing or invalid")
    brought = cookies.get(cookie_name(flow_id), "")
    if not hmac.compare_digest(brought.encode(), seals.secret(settings.auth, "browser", flow_id).encode()):
        raise BadOauthState("OAuth state belongs to another browser")
    async with db.transaction(SIGN_IN) as session:
        found = await session.execute(
            text(
                "DELETE FROM auth.flow_state WHERE id = :id AND step = 'provider' AND expires_at > app.now()"
                " RETURNING provider, redirect_to, code_challenge, code_challenge_method, terms_version"
            ),
            {"id": flow_id},
        )
        row = found.one_or_none()
    if row is None:
        raise BadOauthState("OAuth state has expired or was used")
    challenge = Challenge(row.code_challenge, row.code_challenge_method) if row.code_challenge else None
    return Flow(flow_id, row.provider, row.redirect_to, challenge, row.terms_version)


async def finish(
    db: Database, settings: Settings, provider: Provider, *, flow: Flow, code: str, origin: Origin
) -> SignedIn | str:
    """Sign in whom the provider vouches for, or give a code to who began with a challenge."""
    profile = await provider.profile(
        code=code,
        callback=callback(settings),
        verifier=seals.secret(settings.auth, "provider-verifier", flow.id),
        nonce=seals.secret(settings.auth, "nonce", flow.id),
    )
    async with db.transaction(SIGN_IN) as session:
        user_id = await account_of(
            session, settings, profile=profile, terms_version=flow.terms_version, origin=origin
        )
        if flow.challenge is not None:
            method = f"oauth/{provider.name}"
            return await flows.code_for(
                session, settings, user_id=user_id, challenge=flow.challenge, method=method
            )
        return await sessions.open_session(
            session, user_id=user_id, method="oauth", origin=origin, provider=provider.name
        )


async def with_id_token(
    db: Database,
    settings: Settings,
    provider: Provider,
    *,
    token: str,
    nonce: str | None,
    terms_version: str | None,
    origin: Origin,
) -> SignedIn:
    """Sign in by an ID token that an app has got itself; the nonce in it is the hash of ours."""
    hashed = None if nonce is None else hashlib.sha256(nonce.encode()).hexdigest()
    profile = await provider.read_id_token(token, nonce=hashed)
    async with db.transaction(SIGN_IN) as session:
        user_id = await account_of(
            session, settings, profile=profile, terms_version=terms_version, origin=origin
        )
        return await sessions.open_session(
            session, user_id=user_id, method="oauth", origin=origin, provider=provider.name
        )


async def account_of(
    session: AsyncSession,
    settings: Settings,
    *,
    profile: Profile,
    terms_version: str | None,
    origin: Origin,
) -> UserId:
    """Whose account it is that a provider vouches for; a new one when there is none."""
    known: UserId | None = await session.scalar(
        text("SELECT user_id FROM auth.identities WHERE provider = :provider AND provider_id = :subject"),
        {"provider": profile.provider, "subject": profile.subject},
    )
    if known is None:
        known = await _by_address(session, settings, profile, terms_version=terms_version, origin=origin)
    await people.add_identity(
        session,
        user_id=known,
        provider=profile.provider,
        provider_id=profile.subject,
        data=profile.data,
    )
    return known


async def _by_address(
    session: AsyncSession,
    settings: Settings,
    profile: Profile,
    *,
    terms_version: str | None,
    origin: Origin,
) -> UserId:
    if profile.email is None:
        raise ProviderRefused("The provider does not say an address")
    if not profile.email_verified:
        raise ProviderEmailNeedsVerification("The provider has not verified the address")
    address = people.read_address(profile.email)
    person = await people.by_email(session, email=address)
    if person is not None and person.signs_in:
        await people.prove_address(session, person=person)
        await people.note(
            session, user_id=person.id, action="identity_linked", origin=origin, provider=profile.provider
        )
        return person.id
    if person is None:
        if not await signup.may_join(session, settings, email=address):
            raise SignupDisabled("Signups not allowed for this instance")
        signup.agreed(settings, {} if terms_version is None else {"terms_version": terms_version})
    names = ("name", "full_name", "avatar_url", "picture")
    return await people.make(
        session,
        user_id=UserId(uuid4()),
        email=address,
        is_confirmed=True,
        is_proven=True,
        user_metadata={name: profile.data[name] for name in names if name in profile.data},
        consent=Consent(terms_version, origin, clock.now()) if terms_version else None,
    )


def callback(settings: Settings) -> str:
    """The address that providers send browsers back to; it has to be registered with them."""
    return f"{redirects.base_url(settings)}/auth/v1/callback"


def cookie_name(flow_id: UUID) -> str:
    """One for each sign-in, so that two tabs do not disturb each other."""
    return f"leadfuel-flow-{flow_id.hex[:12]}"


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
