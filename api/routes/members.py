"""Who shares a list: members, invitations, leaving, handing over, and what happened."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.faces.functions import function
from api.operations import Call, Operation, operation
from api.routes.hidden import Page
from api.routes.icps import Address
from api.routes.lists import ListAnswer, ListPath, list_answer
from core.errors import NotFound, PlanLimit
from core.ids import ListId, UserId
from domain.accounts import BadAddress
from domain.lists import invitations, keeping, members
from domain.lists.invitations import AlreadyMember, InvitationOver, TooManyInvitations
from domain.lists.keeping import RoleTooLow
from domain.lists.members import NoMember, OnlyOwner
from domain.paging import WrongCursor
from domain.roles import Role
from search.request import Form
from search.response import Answer


class MemberPath(ListPath, frozen=True):
    user_id: UUID


class InvitationPath(ListPath, frozen=True):
    invitation_id: UUID


class NewRole(Form, frozen=True):
    role: Role


class NewInvitation(Form, frozen=True):
    email: Address
    role: Role = "viewer"


class SharedList(Form, frozen=True):
    """What `share-list` takes: the same invitation in one flat body."""

    list_id: UUID
    email: Address
    role: Role = "viewer"


class Heir(Form, frozen=True):
    user_id: UUID


class Token(Form, frozen=True):
    token: Annotated[str, Meta(min_length=1, max_length=invitations.MAX_TOKEN_LENGTH)]


class MemberAnswer(Answer):
    user_id: UUID
    email: str
    role: Role
    joined_at: datetime


class MembersAnswer(Answer):
    results: list[MemberAnswer]


class InvitationAnswer(Answer):
    """`accept_token` is there only where no mail server is set up: then pass it on yourself. It serves the
    account of that address alone.
    """

    id: UUID
    list_id: UUID
    email: str
    role: Role
    status: Literal["open", "accepted", "declined", "revoked"]
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    accept_token: str | None = None


class InvitationsAnswer(Answer):
    results: list[InvitationAnswer]


class ReceivedAnswer(Answer):
    """The token that answers it is in the mail."""

    id: UUID
    list_id: UUID
    list_name: str
    role: Role
    invited_by: str | None
    created_at: datetime
    expires_at: datetime


class ReceivedInvitations(Answer):
    results: list[ReceivedAnswer]


class ActivityAnswer(Answer):
    """Of many records the first hundred ids are kept."""

    id: int
    action: str
    user_id: UUID | None
    user_email: str | None
    subject_id: UUID | None
    role: str | None
    record_count: int | None
    record_ids: list[int]
    created_at: datetime


class ActivitiesAnswer(Answer):
    results: list[ActivityAnswer]
    cursor: str | None


@operation(
    "GET",
    "/v1/lists/{list_id}/members",
    tag="Sharing",
    summary="Who is on a list",
    session="read",
    errors=(NotFound,),
    links={"list_id": "$request.path.list_id", "user_id": "$response.body#/results/0/user_id"},
)
async def list_members(call: Call, path: ListPath) -> MembersAnswer:
    """Everybody on it, the one whose list it is included."""
    people = await members.people(call.session, user_id=call.user_id, list_id=path.id)
    return MembersAnswer(results=[_member(person) for person in people])


@operation(
    "PATCH",
    "/v1/lists/{list_id}/members/{user_id}",
    tag="Sharing",
    summary="Give a member another role",
    session="write",
    errors=(NotFound, RoleTooLow),
    example={"role": "editor"},
)
async def change_member(call: Call, path: MemberPath, body: NewRole) -> MemberAnswer:
    """For owners. Whose list it is changes by handing it over."""
    return _member(
        await members.set_role(
            call.session,
            user_id=call.user_id,
            list_id=path.id,
            member_id=UserId(path.user_id),
            role=body.role,
        )
    )


@operation(
    "DELETE",
    "/v1/lists/{list_id}/members/{user_id}",
    tag="Sharing",
    summary="Take a member off a list, or leave it",
    session="write",
    errors=(NotFound, RoleTooLow, OnlyOwner),
)
async def remove_member(call: Call, path: MemberPath) -> None:
    """For owners, and for everybody with their own id. The only owner hands the list over first."""
    await members.remove(call.session, user_id=call.user_id, list_id=path.id, member_id=UserId(path.user_id))


@operation(
    "POST",
    "/v1/lists/{list_id}/hand-over",
    tag="Sharing",
    summary="Hand a list over",
    session="write",
    errors=(NotFound, RoleTooLow, NoMember, PlanLimit),
    example={"user_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"},
)
async def hand_over_list(call: Call, path: ListPath, body: Heir) -> ListAnswer:
    """To one of its members, whose plan must have room for it. You stay on it as an editor."""
    await members.hand_over(call.session, user_id=call.user_id, list_id=path.id, heir=UserId(body.user_id))
    return list_answer(await keeping.get(call.session, user_id=call.user_id, list_id=path.id))


@operation(
    "GET",
    "/v1/lists/{list_id}/activity",
    tag="Sharing",
    summary="What happened on a list",
    session="read",
    errors=(NotFound, WrongCursor),
)
async def list_activity(call: Call, path: ListPath, query: Page) -> ActivitiesAnswer:
    """Who added, removed, joined and left, the latest first."""
    page = await members.activity(
        call.session, user_id=call.user_id, list_id=path.id, limit=query.limit, cursor=query.cursor
    )
    results = [msgspec.convert(one, ActivityAnswer, from_attributes=True) for one in page.activity]
    return ActivitiesAnswer(results=results, cursor=page.cursor)


_INVITING = (NotFound, RoleTooLow, BadAddress, AlreadyMember, TooManyInvitations)


@operation(
    "POST",
    "/v1/lists/{list_id}/invitations",
    tag="Sharing",
    summary="Invite somebody to a list",
    session="write",
    status=201,
    errors=_INVITING,
    example={"email": "bob@example.com", "role": "editor"},
    links={"list_id": "$request.path.list_id", "invitation_id": "$response.body#/id"},
)
async def invite(call: Call, path: ListPath, body: NewInvitation) -> InvitationAnswer:
    """By mail, whether or not they have an account yet. For editors and owners, up to their own role. A
    second invitation of one address takes the place of the first.
    """
    return await _invite(call, path.id, email=body.email, role=body.role)


@operation(
    "GET",
    "/v1/lists/{list_id}/invitations",
    tag="Sharing",
    summary="Open invitations of a list",
    session="read",
    errors=(NotFound, RoleTooLow),
    links={"list_id": "$request.path.list_id", "invitation_id": "$response.body#/results/0/id"},
)
async def list_invitations(call: Call, path: ListPath) -> InvitationsAnswer:
    """Those not answered yet, the latest first. For editors and owners."""
    found = await invitations.open_of(call.session, user_id=call.user_id, list_id=path.id)
    return InvitationsAnswer(results=[_invitation(one) for one in found])


@operation(
    "DELETE",
    "/v1/lists/{list_id}/invitations/{invitation_id}",
    tag="Sharing",
    summary="Take an invitation back",
    session="write",
    errors=(NotFound, RoleTooLow, InvitationOver),
)
async def revoke_invitation(call: Call, path: InvitationPath) -> None:
    """Its token is no longer good; one that was answered is 410."""
    await invitations.revoke(
        call.session, user_id=call.user_id, list_id=path.id, invitation_id=path.invitation_id
    )


@operation("GET", "/v1/invitations", tag="Sharing", summary="Invitations for you", session="read")
async def list_received_invitations(call: Call) -> ReceivedInvitations:
    """Lists that you are invited to and have not answered."""
    found = await invitations.received(call.session)
    return ReceivedInvitations(
        results=[msgspec.convert(one, ReceivedAnswer, from_attributes=True) for one in found]
    )


@operation(
    "POST",
    "/v1/invitations/accept",
    tag="Sharing",
    summary="Accept an invitation",
    session="write",
    errors=(NotFound, InvitationOver),
    example={"token": "the token of the mail"},
)
async def accept_invitation(call: Call, body: Token) -> ListAnswer:
    """A token that was used, declined, taken back or has expired is 410; one meant for another account is
    404, like one that never was.
    """
    list_id = await invitations.answer(call.session, token=body.token, with_="accepted")
    return list_answer(await keeping.get(call.session, user_id=call.user_id, list_id=list_id))


@operation(
    "POST",
    "/v1/invitations/decline",
    tag="Sharing",
    summary="Decline an invitation",
    session="write",
    errors=(NotFound, InvitationOver),
    example={"token": "the token of the mail"},
)
async def decline_invitation(call: Call, body: Token) -> None:
    """For good: the token cannot be accepted afterwards."""
    await invitations.answer(call.session, token=body.token, with_="declined")


@function(
    "share-list",
    summary="Invite somebody to a list",
    session="write",
    errors=_INVITING,
    example={"list_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "email": "bob@example.com"},
)
async def share_list(call: Call, body: SharedList) -> InvitationAnswer:
    """The same invitation as `POST /v1/lists/{list_id}/invitations`, for clients of edge functions."""
    return await _invite(call, ListId(body.list_id), email=body.email, role=body.role)


async def _invite(call: Call, list_id: ListId, *, email: str, role: Role) -> InvitationAnswer:
    settings = call.services.settings
    made = await invitations.invite(
        call.session, settings, user_id=call.user_id, list_id=list_id, email=email, role=role
    )
    answer = _invitation(made)
    if not settings.mail.smtp_url:
        answer.accept_token = invitations.token_of(settings, made.id)
    return answer


def _member(person: members.Member) -> MemberAnswer:
    return MemberAnswer(
        user_id=person.user_id, email=person.email, role=person.role, joined_at=person.joined_at
    )


def _invitation(found: invitations.Invitation) -> InvitationAnswer:
    return msgspec.convert(found, InvitationAnswer, from_attributes=True)


OPERATIONS: Final[list[Operation]] = [
    list_members,
    change_member,
    remove_member,
    hand_over_list,
    list_activity,
    invite,
    list_invitations,
    revoke_invitation,
    list_received_invitations,
    accept_invitation,
    decline_invitation,
    share_list,
]
