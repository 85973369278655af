"""What users report of addresses: noted once, given back where it is due, counted against what was said."""

from dataclasses import replace

import pytest

from core.errors import NotFound
from db.sessions import SERVICE
from domain.credits import movements
from domain.emails import outcomes
from domain.emails.outcomes import NothingToReport
from domain.finder import store
from tests.lab.servers import OK, MailServer


@pytest.fixture
def report(office):
    async def tell(outcome, *, request_id=None, email=None, user_id=None):
        async with office.db.transaction(SERVICE) as session:
            return await outcomes.report(
                session,
                privacy=office.settings.privacy,
                user_id=user_id or office.user_id,
                request_id=request_id,
                email=email,
                outcome=outcome,
            )

    return tell


@pytest.fixture
def live(office):
    async def read():
        async with office.db.transaction(SERVICE, read_only=True) as session:
            return await outcomes.live_figures(session)

    return read


async def test_a_bounce_of_a_found_contact_gives_the_credits_back_once(office, lab, fritz, report):
    await lab.domain("corp-lab.com", MailServer({"flange": OK}))
    before = await office.balance()
    found = await office.look(contact_id=fritz)
    told = await report("bounced", request_id=found.request.id)
    assert (told.refunded, told.because) == (2, "refunded")
    assert await office.balance() == before
    again = await report("replied", request_id=found.request.id)
    assert (again.outcome, again.refunded) == ("bounced", 0)
    assert await office.books_agree()


async def test_an_address_that_bounced_is_not_told_again(office, lab, fritz, report, make_user):
    await lab.domain("corp-lab.com", MailServer({"nlind": OK}))
    nora = {"first_name": "Nora", "last_name": "Lind", "domain": "corp-lab.com"}
    found = await office.look(**nora)
    assert found.answer["email"] == "nlind@corp-lab.com"
    await report("bounced", request_id=found.request.id)
    assert (await office.look(**nora)).answer["email"] is None
    # One person's word is not everybody's.
    bob, carl = await make_user(), await make_user()
    async with office.db.transaction(SERVICE) as session:
        for user in (bob, carl):
            await movements.grant(session, user_id=user, amount=50, reference=str(user), reason="a test")
    bobs = await replace(office, user_id=bob).look(**nora)
    assert bobs.answer["email"] == "nlind@corp-lab.com"
    await report("bounced", request_id=bobs.request.id, user_id=bob)
    assert (await replace(office, user_id=carl).look(**nora)).answer["email"] is None


async def test_a_contact_s_address_that_bounced_is_not_told_again(office, lab, fritz, report):
    server = MailServer({"flange": OK})
    await lab.domain("corp-lab.com", server)
    found = await office.look(contact_id=fritz)
    await report("bounced", request_id=found.request.id)
    server.other = OK
    again = await office.look(contact_id=fritz)
    assert again.answer["email"] not in {None, found.answer["email"]}
    assert again.request.credits == 0


async def test_a_report_by_address_is_about_the_latest_answer_with_it(office, lab, report):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    await office.check("anna@corp-lab.com")
    latest = await office.check("anna@corp-lab.com")
    told = await report("replied", email=" Anna@corp-lab.com")
    assert (told.request_id, told.because) == (latest.request.id, "noted")


async def test_what_cannot_be_reported(office, lab, report, make_user):
    await lab.domain("corp-lab.com", MailServer())
    nothing = await office.look(first_name="Nora", last_name="Lind", domain="corp-lab.com")
    with pytest.raises(NothingToReport):
        await report("bounced", request_id=nothing.request.id)
    with pytest.raises(NotFound):
        await report("bounced", email="nobody@corp-lab.com")
    checked = await office.check("anna@corp-lab.com")
    with pytest.raises(NotFound):
        await report("bounced", request_id=checked.request.id, user_id=await make_user())


async def test_reports_measure_what_was_said(office, lab, fritz, report, live):
    assert (await live())["reports"] == 0
    await lab.domain("corp-lab.com", MailServer(other=OK))
    people = [("Nora", "Lind"), ("Otto", "Berg"), ("Paul", "Horn"), ("Rosa", "Witt")]
    for place, (first, last) in enumerate(people):
        found = await office.look(first_name=first, last_name=last, domain="corp-lab.com")
        await report("bounced" if place == 0 else "replied", request_id=found.request.id)
    await lab.domain("good-lab.com", MailServer({"anna": OK}))
    checked = await office.check("anna@good-lab.com")
    await report("delivered", request_id=checked.request.id)
    told = await live()
    assert (told["reports"], told["searches"], told["arrived"]) == (5, 4, 0.75)
    assert told["by_source"] == {"pattern, server takes all": {"reports": 4.0, "arrived": 0.75}}
    assert told["by_pattern"] == {"flast": {"reports": 4.0, "arrived": 0.75}}
    assert told["by_verdict"] == {"safe": {"reports": 1.0, "arrived": 1.0}}
    [row] = told["reliability"]
    assert told["ece"] == pytest.approx(abs(row["confidence"] - 0.75))
    await store.learn(office.db, office.settings.validator, live=outcomes.live_figures)
    async with office.db.transaction(SERVICE, read_only=True) as session:
        [(_, _, figures)] = await store.history(session)
    assert figures["live"]["reports"] == 5
