"""Searches for a user: paid when there is an address, once for a person, and patient with greylists."""

import asyncio

from tests.lab.servers import OK, UNKNOWN, MailServer


async def test_parallel_searches_for_one_person_pay_once(office, lab, fritz):
    await lab.domain("corp-lab.com", MailServer({"flange": OK}, delay_s=0.01))
    before = await office.balance()
    found = await asyncio.gather(*(office.look(contact_id=fritz) for _ in range(20)))
    assert {one.answer["email"] for one in found} == {"flange@corp-lab.com"}
    assert sum(one.request.credits for one in found) == 2
    assert await office.balance() == before - 2
    assert await office.one("SELECT count(*) FROM email_finder_logs WHERE user_id = :me") == 20
    assert await office.books_agree()


async def test_the_same_person_by_name_is_paid_once(office, lab, fritz):
    await lab.domain("corp-lab.com", MailServer({"nlind": OK}))
    first = await office.look(first_name="Nora", last_name="Lind", domain="corp-lab.com")
    again = await office.look(first_name=" NORA", last_name="Lind", domain="Corp-Lab.com")
    assert (first.answer["email"], again.answer["email"]) == ("nlind@corp-lab.com",) * 2
    assert (first.request.credits, again.request.credits) == (2, 0)


async def test_somebody_the_catalogue_knows_is_unlocked_by_name(office, lab, fritz):
    found = await office.look(first_name="Anna", last_name="Keller", domain="corp-lab.com")
    assert (found.answer["status"], found.request.credits) == ("known", 2)
    unlocked = (
        "SELECT c.first_name FROM unlocks u JOIN contacts c ON c.id = u.contact_id WHERE u.user_id = :me"
    )
    assert await office.one(unlocked) == "Anna"
    again = await office.look(first_name="Anna", last_name="Keller", domain="corp-lab.com")
    assert again.request.credits == 0


async def test_a_greylist_is_waited_for_and_no_guess_is_told_meanwhile(office, lab, fritz):
    seen = set()

    def answer(local, _):
        if local not in seen:
            seen.add(local)
            return "450 4.2.0 Greylisted"
        return OK if local == "fritz.lange" else UNKNOWN

    await lab.domain("corp-lab.com", MailServer(answer))
    before = await office.balance()
    first = await office.look(contact_id=fritz)
    assert (first.request.state, first.answer["status"]) == ("retrying", "searching")
    assert first.answer["email"] is None
    assert "flange" not in str(first.answer)
    assert await office.balance() == before - 2
    passed = 0
    for minutes in (7, 21, 61, 241):
        passed += minutes
        await office.after(minutes=passed)
    [request] = await office.requests()
    assert request.state == "done"
    [log] = await office.rows("SELECT * FROM email_finder_logs WHERE user_id = :me")
    assert log.output_email in {"fritz.lange@corp-lab.com", None}
    assert await office.balance() == before - (2 if log.output_email else 0)
    assert await office.books_agree()


async def test_users_unknown_for_now_are_asked_for_again_and_then_not_found_and_free(office, lab, fritz):
    server = MailServer(other="450 4.1.1 User unknown")
    await lab.domain("corp-lab.com", server)
    before = await office.balance()
    found = await office.look(contact_id=fritz)
    assert (found.request.state, found.answer["status"]) == ("retrying", "searching")
    for minutes in (7, 28, 89, 330):
        await office.after(minutes=minutes)
    [request] = await office.requests()
    assert (request.state, request.attempts, request.credits) == ("done", 5, 0)
    assert await office.one("SELECT status FROM email_finder_logs WHERE user_id = :me") == "not_found"
    assert await office.balance() == before
    assert await office.books_agree()


async def test_a_block_of_ours_is_not_waited_for(office, lab, fritz):
    await lab.domain("corp-lab.com", MailServer(other="550 5.7.1 Client host blocked using Spamhaus"))
    found = await office.look(contact_id=fritz)
    assert (found.request.state, found.answer["email_status"]) == ("done", "unknown")
    assert found.answer["email"] == "flange@corp-lab.com"
    assert await office.one("SELECT count(*) FROM contacts WHERE email LIKE 'flange%'") == 0
