"""A user and a session as the clients read them."""

from typing import Any

from domain.auth.people import Person
from domain.auth.sessions import SignedIn, Tokens


def user(person: Person) -> dict[str, Any]:
    """A user. What is not there is left out, as the clients expect."""
    shown: dict[str, Any] = {
        "id": person.id,
        "aud": "authenticated",
        "role": "authenticated",
        "email": person.email,
        "email_confirmed_at": person.email_confirmed_at,
        "phone": "",
        "confirmed_at": person.email_confirmed_at,
        "last_sign_in_at": person.last_sign_in_at,
        "invited_at": person.invited_at,
        "new_email": person.new_email,
        "banned_until": person.banned_until,
        "app_metadata": person.shown_app_metadata,
        "user_metadata": person.user_metadata,
        "identities": person.identities,
        "factors": person.factors or None,
        "created_at": person.created_at,
        "updated_at": person.updated_at,
        "is_anonymous": False,
    }
    return {name: value for name, value in shown.items() if value is not None}


def session(signed_in: SignedIn, tokens: Tokens) -> dict[str, Any]:
    """A session; the clients take none that lacks one of these."""
    return {
        "access_token": tokens.access.text,
        "token_type": "bearer",
        "expires_in": tokens.lifetime_s,
        "expires_at": int(tokens.access.expires_at.timestamp()),
        "refresh_token": tokens.refresh,
        "user": user(signed_in.person),
    }


def fragment(tokens: Tokens, *, type_: str) -> dict[str, str]:
    """A session as the fragment of a redirect, which no server sees."""
    return {
        "access_token": tokens.access.text,
        "expires_at": str(int(tokens.access.expires_at.timestamp())),
        "expires_in": str(tokens.lifetime_s),
        "refresh_token": tokens.refresh,
        "token_type": "bearer",
        "type": type_,
    }
