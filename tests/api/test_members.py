"""Sharing by HTTP and by mail: one token, one account, once."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from api.app import create_app
from domain.mail import MailNotSent
from tests.api.test_lists import NOBODY, make, share

TOKEN = re.compile(r"^[\w-]{43}$", re.MULTILINE)


@pytest.fixture
async def invited(ann, bob, mailing, mailbox, run_outbox):
    """Bob is invited to Ann's list as an editor; the answer, and the token of the mail."""
    made = await make(ann)
    path = f"/v1/lists/{made['id']}/invitations"
    response = await ann("POST", path, json={"email": bob.user.email.upper(), "role": "editor"})
    assert response.status_code == 201, response.text
    await run_outbox(mailing)
    return response.json(), TOKEN.search(mailbox.text()).group()


async def accept(person, token, verb="accept"):
    return await person("POST", f"/v1/invitations/{verb}", json={"token": token})


async def test_an_invitation_is_mailed_and_accepted_once(ann, bob, invited, mailbox):
    invitation, token = invited
    (letter,) = mailbox.letters
    assert (letter["To"], letter["X-Envelope-To"]) == (bob.user.email, bob.user.email)
    assert "1 Main Street, Berlin" in mailbox.text()
    assert "1 Main Street, Berlin" in mailbox.html()
    assert ann.user.email in mailbox.text()
    received = (await bob("GET", "/v1/invitations")).json()["results"]
    assert [(one["list_name"], one["invited_by"]) for one in received] == [("Prospects", ann.user.email)]
    accepted = await accept(bob, token)
    assert (accepted.status_code, accepted.json()["role"]) == (200, "editor")
    assert accepted.json()["is_shared"] is True
    again = await accept(bob, token)
    assert (again.status_code, again.json()["facts"]) == (410, {"status": "accepted"})
    assert (await bob("GET", "/v1/invitations")).json()["results"] == []
    people = (await bob("GET", f"/v1/lists/{invitation['list_id']}/members")).json()["results"]
    assert [(one["email"], one["role"]) for one in people] == [
        (ann.user.email, "owner"),
        (bob.user.email, "editor"),
    ]


async def test_a_token_is_for_one_account(make_person, bob, invited):
    _, token = invited
    cleo = await make_person("cleo")
    for verb in ("accept", "decline"):
        mine, nobodys = await accept(cleo, token, verb), await accept(cleo, "x" * 43, verb)
        assert mine.status_code == nobodys.status_code == 404
        assert mine.json()["detail"] == nobodys.json()["detail"]
    assert (await accept(bob, token)).status_code == 200


async def test_a_token_is_accepted_once_however_often_at_once(bob, invited):
    _, token = invited
    answers = await asyncio.gather(*(accept(bob, token) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[410] * 7]


async def test_declined_and_expired_tokens_are_gone(ann, bob, invited, owner):
    invitation, token = invited
    move = "UPDATE app.list_invitations SET expires_at = expires_at + CAST($1 AS interval)"
    await owner.execute(move, timedelta(days=-14))
    expired = await accept(bob, token)
    await owner.execute(move, timedelta(days=14))
    assert (expired.status_code, expired.json()["facts"]["status"]) == (410, "expired")
    assert (await accept(bob, token, "decline")).status_code == 204
    gone = await accept(bob, token)
    assert (gone.status_code, gone.json()["facts"]["status"]) == (410, "declined")
    path = f"/v1/lists/{invitation['list_id']}/invitations/{invitation['id']}"
    assert (await ann("DELETE", path)).status_code == 410


async def test_an_invitation_is_taken_back(ann, bob, invited):
    invitation, token = invited
    path = f"/v1/lists/{invitation['list_id']}/invitations"
    assert [one["id"] for one in (await ann("GET", path)).json()["results"]] == [invitation["id"]]
    assert (await bob("DELETE", f"{path}/{invitation['id']}")).status_code == 404
    assert (await ann("DELETE", f"{path}/{NOBODY}")).status_code == 404
    assert (await ann("DELETE", f"{path}/{invitation['id']}")).status_code == 204
    gone = await accept(bob, token)
    assert (gone.status_code, gone.json()["facts"]["status"]) == (410, "revoked")


async def test_a_second_invitation_takes_the_place_of_the_first(
    ann, bob, invited, mailing, mailbox, run_outbox
):
    invitation, token = invited
    path = f"/v1/lists/{invitation['list_id']}/invitations"
    await ann("POST", path, json={"email": bob.user.email, "role": "viewer"})
    await run_outbox(mailing)
    assert (await accept(bob, token)).status_code == 410
    second = TOKEN.search(mailbox.text()).group()
    assert (await accept(bob, second)).json()["role"] == "viewer"


async def test_what_an_inviter_has_lost_they_cannot_give(
    ann, bob, make_person, db, mailing, mailbox, run_outbox
):
    made = await make(ann)
    cleo = await make_person("cleo")
    await share(db, made["id"], cleo, "editor")
    path = f"/v1/lists/{made['id']}"
    await cleo("POST", f"{path}/invitations", json={"email": bob.user.email, "role": "editor"})
    await run_outbox(mailing)
    await ann("DELETE", f"{path}/members/{cleo.id}")
    gone = await accept(bob, TOKEN.search(mailbox.text()).group())
    assert (gone.status_code, gone.json()["facts"]["status"]) == (410, "revoked")
    assert (await bob("GET", path)).status_code == 404


async def test_somebody_without_an_account_is_invited_alike(
    ann, bob, make_person, mailing, mailbox, run_outbox
):
    made = await make(ann)
    path = f"/v1/lists/{made['id']}/invitations"
    known = (await ann("POST", path, json={"email": bob.user.email})).json()
    unknown = (await ann("POST", path, json={"email": "nobody-yet@example.com"})).json()
    assert known.keys() == unknown.keys()
    assert known["status"] == unknown["status"] == "open"
    await run_outbox(mailing)
    assert {letter["To"] for letter in mailbox.letters} == {bob.user.email, "nobody-yet@example.com"}


async def test_who_is_on_the_list_is_not_invited_again(ann, bob, db):
    made = await make(ann)
    await share(db, made["id"], bob, "viewer")
    for address in (ann.user.email, bob.user.email.upper()):
        response = await ann("POST", f"/v1/lists/{made['id']}/invitations", json={"email": address})
        assert (response.status_code, response.json()["type"]) == (409, "/problems/already-member")


@pytest.mark.parametrize("address", ["no address", "a@b@c", "x\r\nBcc: all@example.com", "@", "é" * 400])
async def test_what_is_no_address_is_refused(ann, address):
    made = await make(ann)
    response = await ann("POST", f"/v1/lists/{made['id']}/invitations", json={"email": address})
    assert response.status_code == 422


async def test_a_name_cannot_write_headers(ann, bob, mailing, mailbox, run_outbox):
    made = await make(ann, "Hello\r\nBcc: all@example.com <script>")
    await ann("POST", f"/v1/lists/{made['id']}/invitations", json={"email": bob.user.email})
    await run_outbox(mailing)
    assert mailbox.letters[0]["Bcc"] is None
    assert "<script>" not in mailbox.html()


async def test_a_mail_server_that_refuses_gets_it_later_once(ann, bob, mailing, mailbox, run_outbox, owner):
    made = await make(ann)
    mailbox.refuses = True
    await ann("POST", f"/v1/lists/{made['id']}/invitations", json={"email": bob.user.email})
    with pytest.raises(MailNotSent):
        await run_outbox(mailing)
    with pytest.raises(MailNotSent):
        await run_outbox()  # no server at all
    mailbox.refuses = False
    assert await run_outbox(mailing) == ["lists.invite"]
    assert await run_outbox(mailing) == []
    assert len(mailbox.letters) == 1


async def test_only_a_hash_of_the_token_is_stored(invited, owner):
    _, token = invited
    for table in ("list_invitations", "outbox", "list_activity"):
        assert not [row for row in await owner.fetch(f"SELECT * FROM app.{table}") if token in str(row)]


async def test_leaving_and_handing_over(ann, bob, make_person, db):
    made = await make(ann)
    path = f"/v1/lists/{made['id']}"
    alone = await ann("DELETE", f"{path}/members/{ann.id}")
    assert (alone.status_code, alone.json()["type"]) == (409, "/problems/only-owner")
    stranger = await ann("POST", f"{path}/hand-over", json={"user_id": str(bob.id)})
    assert (stranger.status_code, stranger.json()["type"]) == (409, "/problems/no-member")
    await share(db, made["id"], bob, "viewer")
    handed = await ann("POST", f"{path}/hand-over", json={"user_id": str(bob.id)})
    assert (handed.json()["role"], handed.json()["owner_id"]) == ("editor", str(bob.id))
    assert (await bob("GET", path)).json()["role"] == "owner"
    assert (await ann("DELETE", f"{path}/members/{ann.id}")).status_code == 204
    assert (await ann("GET", path)).status_code == 404
    assert (await bob("GET", path)).json()["is_shared"] is False


async def test_a_list_passes_to_another_owner_when_its_first_leaves(ann, bob, db):
    made = await make(ann)
    await share(db, made["id"], bob, "owner")
    assert (await ann("DELETE", f"/v1/lists/{made['id']}/members/{ann.id}")).status_code == 204
    found = (await bob("GET", f"/v1/lists/{made['id']}")).json()
    assert (found["owner_id"], found["is_shared"]) == (str(bob.id), False)


async def test_the_heirs_plan_must_have_room(ann, bob, db):
    made = await make(ann)
    await share(db, made["id"], bob, "editor")
    for name in "abc":
        await make(bob, name)
    response = await ann("POST", f"/v1/lists/{made['id']}/hand-over", json={"user_id": str(bob.id)})
    assert response.status_code == 402
    assert (await ann("GET", f"/v1/lists/{made['id']}")).json()["owner_id"] == str(ann.id)


async def test_roles_are_changed_by_owners(ann, bob, db):
    made = await make(ann)
    await share(db, made["id"], bob, "viewer")
    path = f"/v1/lists/{made['id']}/members/{bob.id}"
    assert (await ann("PATCH", path, json={"role": "editor"})).json()["role"] == "editor"
    assert (await ann("PATCH", path, json={"role": "emperor"})).status_code == 422
    assert (await ann("DELETE", path)).status_code == 204
    assert (await ann("PATCH", path, json={"role": "editor"})).status_code == 404
    assert (await ann("DELETE", path)).status_code == 404


@pytest.mark.parametrize("path", ["/functions/v1/share-list", "/functions/share-list"])
async def test_share_list_is_the_same_invitation_with_its_own_errors(api, ann, bob, path):
    made = await make(ann)
    body = {"list_id": made["id"], "email": bob.user.email, "role": "editor"}
    shared = await ann("POST", f"{path}?forceFunctionRegion=any", json=body)
    assert (shared.status_code, shared.json()["status"]) == (200, "open")
    assert (await accept(bob, shared.json()["accept_token"])).json()["role"] == "editor"
    for person, sent, status, code in (
        (bob, body | {"email": "x@example.com", "role": "owner"}, 403, "role-too-low"),
        (ann, body | {"list_id": NOBODY}, 404, "not-found"),
        (ann, body | {"email": "nobody"}, 422, "bad-address"),
        (ann, {}, 422, "wrong-shape"),
    ):
        refused = await person("POST", path, json=sent)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert isinstance(refused.json()["error"], str)
    nobody = await api.post(path, json=body)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthenticated")


async def test_the_token_is_not_in_the_answer_where_mail_is_sent(ann, bob, api_settings, mailbox, run_app):
    made = await make(ann)
    with_mail = replace(api_settings, mail=replace(api_settings.mail, smtp_url=mailbox.url))
    async with run_app(create_app(with_mail)) as client:
        response = await client.post(
            f"/v1/lists/{made['id']}/invitations", json={"email": bob.user.email}, headers=ann.headers
        )
    assert (response.status_code, response.json()["accept_token"]) == (201, None)
