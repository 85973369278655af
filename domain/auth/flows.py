"""Sign-ins that end in a browser: a code in the redirect, exchanged by who began (PKCE, RFC 7636)."""

import base64
import hashlib
import hmac
import re
from typing import Final
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from core.settings import Settings
from db.sessions import SIGN_IN, Database
from domain.auth import seals, sessions
from domain.auth.asking import Challenge
from domain.auth.errors import BadCodeVerifier, FlowStateNotFound, ValidationFailed
from domain.auth.people import Origin
from domain.auth.sessions import SignedIn

CODE_LIFETIME_S: Final = 300
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def read_challenge(code_challenge: str | None, method: str | None) -> Challenge | None:
    """A challenge as a client sends it; both parts or none."""
    if not code_challenge and not method:
        return None
    wanted = (method or "").lower()
    if not code_challenge or not _UNRESERVED.fullmatch(code_challenge):
        raise ValidationFailed("code_challenge must have 43 to 128 unreserved characters")
    if wanted == "s256":
        return Challenge(code_challenge, "s256")
    if wanted == "plain":
        return Challenge(code_challenge, "plain")
    raise ValidationFailed("code_challenge_method must be s256 or plain")


async def code_for(
    session: AsyncSession, settings: Settings, *, user_id: UserId, challenge: Challenge, method: str
) -> str:
    """A code, good once and for minutes, for somebody who has signed in by `method`."""
    flow_id = uuid4()
    await session.execute(
        text(
            """
            INSERT INTO auth.flow_state (id, step, user_id, code_challenge, code_challenge_method, method,
                                         expires_at)
            VALUES (:id, 'code', :user_id, :challenge, :challenge_method, :method,
                    app.now() + make_interval(secs => :lifetime_s))
            """
        ),
        {
            "id": flow_id,
            "user_id": user_id,
            "challenge": challenge.code_challenge,
            "challenge_method": challenge.method,
            "method": method,
            "lifetime_s": float(CODE_LIFETIME_S),
        },
    )
    return seals.seal(settings.auth, "flow", flow_id)


async def exchange(db: Database, settings: Settings, *, code: str, verifier: str, origin: Origin) -> SignedIn:
    """Open the session of a code; raises `FlowStateNotFound`, `BadCodeVerifier`."""
    flow_id = seals.unseal(settings.auth, "flow", code)
    async with db.transaction(SIGN_IN) as session:
        found = await session.execute(
            text(
                "DELETE FROM auth.flow_state WHERE id = :id AND step = 'code' AND expires_at > app.now()"
                " RETURNING user_id, code_challenge, code_challenge_method, method"
            ),
            {"id": flow_id},
        )
        row = found.one_or_none()
        if row is None:
            raise FlowStateNotFound("invalid flow state, no valid flow state found")
        if not _fits(verifier, Challenge(row.code_challenge, row.code_challenge_method)):
            # The rollback leaves the code to who has the verifier.
            raise BadCodeVerifier("code challenge does not match previously saved code verifier")
        provider = row.method.removeprefix("oauth/") if row.method.startswith("oauth/") else "email"
        return await sessions.open_session(
            session,
            user_id=UserId(row.user_id),
            method="oauth" if row.method.startswith("oauth/") else row.method,
            origin=origin,
            provider=provider,
        )


def _fits(verifier: str, challenge: Challenge) -> bool:
    if not _UNRESERVED.fullmatch(verifier):
        return False
    answer = verifier
    if challenge.method == "s256":
        digest = hashlib.sha256(verifier.encode()).digest()
        answer = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return hmac.compare_digest(answer.encode(), challenge.code_challenge.encode())
