"""The issuers beside ourselves whose tokens are taken, as LEADFUEL_ISSUERS names them, and what a token says.

An issuer has one algorithm and tokens meant for us: by their audience, or by the site they were issued to
(`azp`, Clerk's way). Everything that can be wrong with a token is looked at before its issuer is asked for a
key, so that a bad one causes no traffic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import jwt
import msgspec

from core.settings import AuthSettings, BadSetting
from domain.tokens import MAX_TOKEN_LENGTH, BadToken, instants

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_JWKS: Final = "/.well-known/jwks.json"
_MAX_NAME: Final = 255
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_NAME)]


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody whose tokens are taken. Where its keys are follows from its name, unless it says otherwise."""

    issuer: _Name
    algorithm: Algorithm = "RS256"
    audience: str = ""
    authorized_parties: list[_Name] = []
    jwks_url: str = ""
    # Its `email` counts as the person's even without `email_verified`; hosted Supabase says none it can be
    # believed in, for `user_metadata` is the user's to write.
    emails_are_verified: bool = False
    # Whether somebody who comes for the first time gets an account.
    sign_up: bool = True

    @property
    def keys_url(self) -> str:
        return self.jwks_url or self.issuer.rstrip("/") + _JWKS


@dataclass(frozen=True, slots=True)
class Outsider:
    """Who a verified token of another issuer is about; `email` is None unless the issuer vouches for it."""

    issuer: Issuer
    subject: str
    email: str | None
    expires_at: datetime


def read(settings: AuthSettings) -> dict[str, Issuer]:
    """The issuers by their name; raises `BadSetting`."""
    if not settings.issuers:
        return {}
    try:
        found = msgspec.json.decode(settings.issuers, type=list[Issuer])
    except msgspec.MsgspecError as error:
        raise BadSetting(f"LEADFUEL_ISSUERS cannot be read: {error}.") from None
    for issuer in found:
        _check(issuer, settings)
    if len({issuer.issuer for issuer in found}) < len(found):
        raise BadSetting("LEADFUEL_ISSUERS names an issuer twice.")
    return {issuer.issuer: issuer for issuer in found}


def issuer_of(text: str, issuers: Mapping[str, Issuer]) -> Issuer | None:
    """The issuer that a token claims, if it is one of these; nothing of it is verified yet."""
    if not issuers or len(text) > MAX_TOKEN_LENGTH:
        return None
    try:
        claimed = jwt.decode(text, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    return issuers.get(claimed) if isinstance(claimed, str) else None


def kid_of(text: str, issuer: Issuer) -> str:
    """The key a token asks for, if all that can be seen without it is in order; raises `BadToken`."""
    try:
        whole = jwt.decode_complete(text, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise BadToken("The bearer token cannot be verified.") from None
    header, said = whole["header"], whole["payload"]
    if header.get("alg") != issuer.algorithm:
        raise BadToken("The bearer token is signed with another algorithm than its issuer uses.")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= _MAX_NAME:
        raise BadToken("The bearer token does not name its key.")
    _person(said, issuer)
    return kid


def verified(text: str, issuer: Issuer, key: jwt.PyJWK) -> Outsider:
    """What the token says, verified with a key of its issuer; raises `BadToken`."""
    try:
        said = jwt.decode(
            text,
            key,
            algorithms=[issuer.algorithm],
            # Who it is from, whom it is for and when are looked at below, by the same eyes as before.
            options={
                "verify_aud": False,
                "verify_iss": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise BadToken("The bearer token cannot be verified.") from None
    return _person(said, issuer)


def _person(said: dict[str, Any], issuer: Issuer) -> Outsider:
    if said.get("iss") != issuer.issuer:
        raise BadToken("The bearer token comes from another issuer.")
    if not _is_for_us(said, issuer):
        raise BadToken("The bearer token is meant for another audience.")
    if not {"exp", "iat"} <= said.keys():
        raise BadToken("The bearer token says nothing of its time.")
    _, expires_at = instants(said)
    subject = said.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_NAME or "\0" in subject:
        raise BadToken("The bearer token names no user.")
    # Supabase's anon and service keys are no persons; neither is what is not signed in.
    if said.get("role") in {"anon", "service_role"} or said.get("is_anonymous") is True:
        raise BadToken("The bearer token names no user.")
    email = said.get("email")
    is_verified = issuer.emails_are_verified or said.get("email_verified") is True
    return Outsider(issuer, subject, email if isinstance(email, str) and is_verified else None, expires_at)


def _is_for_us(said: dict[str, Any], issuer: Issuer) -> bool:
    if issuer.audience:
        given = said.get("aud")
        if issuer.audience not in (given if isinstance(given, list) else [given]):
            return False
    return not issuer.authorized_parties or said.get("azp") in issuer.authorized_parties


def _check(issuer: Issuer, settings: AuthSettings) -> None:
    if issuer.issuer == settings.issuer:
        raise BadSetting("LEADFUEL_ISSUERS names this installation itself (LEADFUEL_JWT_ISSUER).")
    if not issuer.audience and not issuer.authorized_parties:
        raise BadSetting(
            f"LEADFUEL_ISSUERS: {issuer.issuer!r} needs `audience` or `authorized_parties`; without them a"
            " token it made for anybody would do here."
        )
    parts = urlsplit(issuer.keys_url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise BadSetting(f"LEADFUEL_ISSUERS: the keys of {issuer.issuer!r} must be fetched by https.")
