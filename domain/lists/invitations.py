"""Invitations to lists: one token per invitation, sent by mail, good once and for one account alone.

The token is derived from the invitation's id under the installation's secret, so that the job that mails it
can make it again and nothing but its hash is ever stored.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.ids import ListId, UserId
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain import accounts, mail
from domain.lists import keeping
from domain.lists.keeping import RoleTooLow
from domain.roles import Role, reaches

log = get_logger(__name__)

# The name under which the trigger on `list_invitations` writes it into the outbox.
JOB: Final = "lists.invite"
MAX_OPEN: Final = 200
MAX_TOKEN_LENGTH: Final = 100

Answer = Literal["accepted", "declined"]

_WORDS: Final = {
    "accepted": "This invitation has been accepted already.",
    "declined": "This invitation has been declined.",
    "revoked": "This invitation has been taken back.",
    "expired": "This invitation has expired.",
}


class InvitationOver(LeadFuelError):
    """The invitation was accepted, declined or taken back, or its time is over. Ask for another."""

    status = 410
    slug = "invitation-over"
    title = "The invitation is no longer good"


class AlreadyMember(LeadFuelError):
    """That person is on the list already; a role is changed on the member."""

    status = 409
    slug = "already-member"
    title = "Already on the list"


class TooManyInvitations(LeadFuelError):
    """Many invitations of this list are still unanswered; take some back first."""

    status = 409
    slug = "too-many-invitations"
    title = "Too many open invitations"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as the people see it who may invite."""

    id: UUID
    list_id: ListId
    email: str
    role: Role
    status: str
    invited_by: UserId | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """An open invitation as the invited sees it."""

    id: UUID
    list_id: ListId
    list_name: str
    role: Role
    invited_by: str | None
    created_at: datetime
    expires_at: datetime


_COLUMNS: Final = "id, list_id, email::text AS email, role, status, invited_by, created_at, expires_at"


def token_of(settings: Settings, invitation_id: UUID) -> str:
    """The token of an invitation: 256 bits that only this installation can make."""
    key = settings.auth.jwt_secret.encode()
    digest = hmac.digest(key, b"list-invitation\0" + invitation_id.bytes, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def invite(
    session: AsyncSession, settings: Settings, *, user_id: UserId, list_id: ListId, email: str, role: Role
) -> Invitation:
    """Invite an address, with or without an account; an open invitation of it is replaced.

    The answer is the same whether or not somebody has an account under that address.
    """
    found = await keeping.allowed(session, user_id=user_id, list_id=list_id, role="editor")
    if not reaches(found.role, role):
        raise RoleTooLow(
            f"Your role is {found.role}: you cannot make an {role}.", role=found.role, needed=role
        )
    address = accounts.read_address(email)
    on_it = await session.scalar(
        text("SELECT EXISTS (SELECT FROM app.list_people(:list_id) AS p WHERE lower(p.email) = :email)"),
        {"list_id": list_id, "email": address},
    )
    if on_it:
        raise AlreadyMember(f"{address} is on this list already.")
    await _revoke_open(session, list_id=list_id, email=address)
    waiting = await session.scalar(
        text("SELECT count(*) FROM app.list_invitations WHERE list_id = :list_id AND status = 'open'"),
        {"list_id": list_id},
    )
    if (waiting or 0) >= MAX_OPEN:
        raise TooManyInvitations(f"{MAX_OPEN} invitations are open; take some back first.", limit=MAX_OPEN)
    invitation_id = uuid4()
    row = await session.execute(
        text(
            "INSERT INTO app.list_invitations (id, list_id, email, role, token_hash)"  # noqa: S608
            f" VALUES (:id, :list_id, :email, :role, :token_hash) RETURNING {_COLUMNS}"
        ),
        {
            "id": invitation_id,
            "list_id": list_id,
            "email": address,
            "role": role,
            "token_hash": _hash(token_of(settings, invitation_id)),
        },
    )
    return Invitation(**row.one()._mapping)  # noqa: SLF001 - SQLAlchemy's own API


async def open_of(session: AsyncSession, *, user_id: UserId, list_id: ListId) -> list[Invitation]:
    """The unanswered invitations of a list, expired ones included, the latest first."""
    await keeping.allowed(session, user_id=user_id, list_id=list_id, role="editor")
    rows = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM app.list_invitations"  # noqa: S608 - a constant
            " WHERE list_id = :list_id AND status = 'open' ORDER BY created_at DESC, id"
        ),
        {"list_id": list_id},
    )
    return [Invitation(**row._mapping) for row in rows]  # noqa: SLF001


async def revoke(session: AsyncSession, *, user_id: UserId, list_id: ListId, invitation_id: UUID) -> None:
    """Take an invitation back; one that is answered is `InvitationOver`."""
    found = await keeping.allowed(session, user_id=user_id, list_id=list_id, role="editor")
    row = (
        await session.execute(
            text("SELECT role, status FROM app.list_invitations WHERE list_id = :list_id AND id = :id"),
            {"list_id": list_id, "id": invitation_id},
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such invitation.")
    if row.status != "open":
        raise InvitationOver(_WORDS[row.status], status=row.status)
    if not reaches(found.role, row.role):
        raise RoleTooLow(f"Your role is {found.role}.", role=found.role, needed=row.role)
    await session.execute(
        text("UPDATE app.list_invitations SET status = 'revoked' WHERE id = :id"), {"id": invitation_id}
    )


async def received(session: AsyncSession) -> list[Received]:
    """The open invitations for the session's user."""
    rows = await session.execute(text("SELECT * FROM app.my_list_invitations()"))
    return [Received(**row._mapping) for row in rows]  # noqa: SLF001


async def answer(session: AsyncSession, *, token: str, with_: Answer) -> ListId:
    """Accept or decline; raises `InvitationOver`, or `NotFound` for a token not meant for this account."""
    row = (
        await session.execute(
            text("SELECT outcome, list_id FROM app.answer_list_invitation(:hash, :answer)"),
            {"hash": _hash(token), "answer": with_},
        )
    ).one()
    if row.outcome == "unknown":
        raise NotFound("There is no such invitation for you.")
    if row.outcome != "answered":
        raise InvitationOver(_WORDS[row.outcome], status=row.outcome)
    return ListId(row.list_id)


async def send(settings: Settings, db: Database, *, invitation_id: UUID) -> None:
    """Mail an invitation that is still open. The talk with the mail server holds no transaction."""
    async with db.transaction(SERVICE, read_only=True) as session:
        row = (
            await session.execute(
                text(
                    "SELECT i.email::text AS email, i.role, l.name, u.email::text AS inviter"
                    " FROM app.list_invitations i JOIN app.lists l ON l.id = i.list_id"
                    " LEFT JOIN app.users u ON u.id = i.invited_by"
                    " WHERE i.id = :id AND i.status = 'open' AND i.expires_at > app.now()"
                ),
                {"id": invitation_id},
            )
        ).one_or_none()
    if row is None:
        return
    await mail.send(settings.mail, _letter(settings, invitation_id, row))
    log.info("an invitation was sent", **{"invitation.id": str(invitation_id)})


def _letter(settings: Settings, invitation_id: UUID, row: Any) -> mail.Letter:
    token = token_of(settings, invitation_id)
    link = f"{settings.api.public_url.rstrip('/')}/invitations#{token}" if settings.api.public_url else None
    paragraphs = [
        f"{row.inviter or 'Somebody'} invites you as {row.role} to the list “{row.name}”.",
        "Sign in with this address, then accept or decline with this token:",
        token,
        "It is good once, for 14 days, and for the account of this address alone.",
    ]
    return mail.Letter(
        key=f"invitation-{invitation_id}",
        to=row.email,
        subject=f"You are invited to the list “{row.name}”",
        paragraphs=[*paragraphs, *([link] if link else [])],
    )


async def _revoke_open(session: AsyncSession, *, list_id: ListId, email: str) -> None:
    await session.execute(
        text(
            "UPDATE app.list_invitations SET status = 'revoked'"
            " WHERE list_id = :list_id AND email = CAST(:email AS citext) AND status = 'open'"
        ),
        {"list_id": list_id, "email": email},
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
