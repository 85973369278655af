"""Which of our users bears a token of another issuer: known by issuer and subject, linked at first sight.

An address joins somebody to an account that is there already only if the issuer vouches for it and the
account is no administrator's: nobody gets more by coming from elsewhere than a member has. If that account's
address had been taken at its word, whoever made it may have been somebody else: their password and sessions
end.
"""

from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.ids import UserId
from db.sessions import SIGN_IN, acting
from domain import accounts, audit
from domain.auth import people
from domain.outside.issuers import Outsider


class NoAccount(LeadFuelError):
    """The token is good, but its bearer has no account here and does not get one by coming."""

    status = 403
    slug = "no-account"
    title = "There is no account"


async def user_of(session: AsyncSession, who: Outsider) -> UserId:
    """The user whom a verified token is about, linked or made now; needs a session of the service."""
    known = await _known(session, who)
    if known is not None:
        return known
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:name AS text), 0))"),
        {"name": f"outsider {who.issuer.issuer} {who.subject}"},
    )
    known = await _known(session, who)
    if known is not None:
        return known
    user_id = await _joined(session, who)
    await link(session, user_id=user_id, issuer=who.issuer.issuer, subject=who.subject, actor_id=user_id)
    return user_id


async def link(
    session: AsyncSession, *, user_id: UserId, issuer: str, subject: str, actor_id: UserId | None = None
) -> None:
    """Let an issuer's tokens about this subject speak for a user, and no longer for another."""
    values = {"issuer": issuer, "subject": subject, "user_id": user_id}
    await session.execute(
        text("DELETE FROM app.linked_identities WHERE issuer = :issuer AND subject = :subject"), values
    )
    await session.execute(
        text(
            "INSERT INTO app.linked_identities (issuer, subject, user_id)"
            " VALUES (:issuer, :subject, :user_id)"
        ),
        values,
    )
    await audit.record(
        session,
        actor_id=actor_id,
        action="user.linked",
        subject=f"user:{user_id}",
        detail={"issuer": issuer},
    )


async def _known(session: AsyncSession, who: Outsider) -> UserId | None:
    found: UserId | None = await session.scalar(
        text("SELECT user_id FROM app.linked_identities WHERE issuer = :issuer AND subject = :subject"),
        {"issuer": who.issuer.issuer, "subject": who.subject},
    )
    return found


async def _joined(session: AsyncSession, who: Outsider) -> UserId:
    """The account to link: the one of that address, or a new one."""
    email = _address(who.email)
    if email is not None:
        async with acting(session, SIGN_IN):
            person = await people.by_email(session, email=email)
            if person is not None and person.role != "admin" and person.signs_in:
                await people.prove_address(session, person=person)
        if person is not None and person.role == "admin":
            raise NoAccount(
                "An administrator's account has this address; an operator can link it (`leadfuel user link`)."
            )
        if person is not None:
            return person.id
    if not who.issuer.sign_up:
        raise NoAccount("There is no account for the bearer of this token.")
    return await accounts.make(session, user_id=UserId(uuid4()), email=email)


def _address(email: str | None) -> str | None:
    try:
        return accounts.read_address(email) if email else None
    except accounts.BadAddress:
        return None
