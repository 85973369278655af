"""Checks for a user: asked again while it helps, paid once, logged once, told to those who wait."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from core import clock
from db.sessions import SERVICE
from domain import suppressions
from domain.credits import movements
from domain.credits.errors import OutOfCredits
from domain.emails.working import MAX_CLAIMS, Desk
from domain.marks import keyed_hash
from domain.validator.validate import RETRY_AFTER, Validator
from tests.lab.servers import OK, UNKNOWN, MailServer


def greylist(known, *, refusals=1):
    """Refuses each recipient for now so many times, then says what `known` says."""
    seen = {}

    def answer(local, _):
        seen[local] = seen.get(local, 0) + 1
        return "450 4.2.0 Greylisted, come back later" if seen[local] <= refusals else known(local)

    return answer


async def test_a_greylisted_address_is_asked_again_and_paid_when_it_is_known(office, lab):
    server = MailServer(greylist(lambda name: OK if name == "anna" else UNKNOWN))
    await lab.domain("grey-lab.com", server)
    before = await office.balance()
    first = await office.check("anna@grey-lab.com")
    assert (first.request.state, first.verdict.is_reachable) == ("retrying", "unknown")
    assert first.verdict.retry_after - first.verdict.checked_at == RETRY_AFTER[0]
    assert await office.balance() == before - 1  # set aside
    await office.after(minutes=5)
    assert len(server.sessions) == 1
    # The probe is greylisted, too, when its turn comes: one more attempt.
    await office.after(minutes=7)
    await office.after(minutes=28)
    [request] = await office.requests()
    [log] = await office.logs()
    assert (request.state, request.credits, request.attempts) == ("done", 1, 3)
    assert log.smtp_result["is_reachable"] == "safe"
    assert await office.balance() == before - 1
    assert [hold.state for hold in await office.holds()] == ["captured"]
    assert await office.books_agree()


async def test_the_same_identity_comes_back(office, lab):
    server = MailServer(greylist(lambda name: OK if name == "anna" else UNKNOWN, refusals=2))
    await lab.domain("grey-lab.com", server)
    await office.check("anna@grey-lab.com")
    # Another process, with a memory of its own.
    other = replace(office, desk=Desk(office.settings, office.db, Validator(office.settings.validator)))
    for minutes in (7, 28, 89, 330):
        await other.after(minutes=minutes)
    said = {line for line in server.lines if not line.startswith("RCPT TO:<anna@")}
    assert {line for line in said if line.startswith(("EHLO", "MAIL"))} == {
        "EHLO probe.leadfuel.example",
        "MAIL FROM:<>",
    }
    assert len([line for line in said if line.startswith("RCPT")]) == 1
    [request] = await office.requests()
    assert (request.state, request.credits) == ("done", 1)


async def test_after_the_last_attempt_unknown_is_for_good_and_free(office, lab):
    server = MailServer(other="451 4.3.0 Temporary lookup failure")
    await lab.domain("sick-lab.com", server)
    before = await office.balance()
    await office.check("anna@sick-lab.com")
    passed = timedelta()
    for pause in RETRY_AFTER:
        passed += pause + timedelta(seconds=30)
        with clock.shifted(passed):
            await office.work()
    [request] = await office.requests()
    [log] = await office.logs()
    assert (request.state, request.credits, request.attempts) == ("done", 0, 5)
    assert (log.smtp_result["is_reachable"], log.smtp_result["retry"]) == ("unknown", False)
    assert await office.balance() == before
    assert [hold.state for hold in await office.holds()] == ["voided"]
    assert len(server.sessions) == 5
    await office.after(days=2)
    assert len(server.sessions) == 5


async def test_the_contact_learns_of_a_late_verdict(office, lab):
    await lab.domain("grey-lab.com", MailServer(greylist(lambda _: UNKNOWN)))
    await office.rows(
        "INSERT INTO contacts (first_name, last_name, email, email_hash, email_status) VALUES"
        " ('Anna', 'Keller', 'anna@grey-lab.com', :mark, 'valid') RETURNING id",
        mark=keyed_hash(office.settings.privacy.hash_key.encode(), kind="email", value="anna@grey-lab.com"),
    )
    await office.check("anna@grey-lab.com")
    status = "SELECT email_status FROM contacts WHERE email = 'anna@grey-lab.com'"
    assert await office.one(status) == "valid"
    await office.after(minutes=7)
    assert await office.one(status) == "invalid"
    [(source, sure)] = await office.rows(
        "SELECT s.name, c.enrichment ->> 'email_confidence' FROM contacts c"
        " JOIN sources s ON s.id = (c.provenance ->> 'email_status')::int"
    )
    assert (source, float(sure)) == ("validator", 0.0)


async def test_what_takes_longer_than_a_caller_waits_goes_on_without_them(office, lab):
    server = MailServer({"anna": OK}, delay_s=0.12)
    await lab.domain("slow-lab.com", server)
    hurried = replace(
        office, settings=replace(office.settings, validator=replace(lab.settings, caller_timeout_s=0.2))
    )
    begun = asyncio.get_running_loop().time()
    first = await hurried.check("anna@slow-lab.com")
    assert asyncio.get_running_loop().time() - begun < 1.2
    assert (first.request.state, first.verdict.is_reachable) == ("waiting", "unknown")
    assert first.verdict.retry_after > clock.now()
    assert await office.logs() == []
    await office.work()
    [request] = await office.requests()
    assert (request.id, request.state, request.credits) == (first.request.id, "done", 1)
    assert len(await office.logs()) == 1
    assert await office.books_agree()


async def test_property_20_a_hundred_calls_are_one_charge_and_a_log_row_each(office, lab):
    server = MailServer({"anna": OK}, delay_s=0.02)
    await lab.domain("corp-lab.com", server)
    before = await office.balance()
    found = await asyncio.gather(*(office.check("anna@corp-lab.com") for _ in range(100)))
    assert {checked.verdict.is_reachable for checked in found} == {"safe"}
    assert sum(checked.request.credits for checked in found) == 1
    assert await office.balance() == before - 1
    assert len(await office.logs()) == 100
    assert server.connections == 1
    assert await office.books_agree()


async def test_the_last_credit_suffices_for_parallel_calls_about_one_address(office, lab):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}, delay_s=0.02))
    async with office.db.transaction(SERVICE) as session:
        await movements.spend(
            session,
            user_id=office.user_id,
            amount=await office.balance() - 1,
            action="email_finder",
            reference="all but one",
        )
    found = await asyncio.gather(*(office.check("Anna@corp-lab.com") for _ in range(10)))
    assert sum(checked.request.credits for checked in found) == 1
    assert await office.balance() == 0
    with pytest.raises(OutOfCredits):
        await office.check("bob@corp-lab.com")


async def test_parallel_calls_for_a_greylisted_address_pay_once_in_the_end(office, lab):
    await lab.domain("grey-lab.com", MailServer(greylist(lambda _: UNKNOWN)))
    before = await office.balance()
    await asyncio.gather(*(office.check("anna@grey-lab.com") for _ in range(5)))
    assert await office.balance() == before - 1
    await office.after(minutes=10)
    assert sorted(request.credits for request in await office.requests()) == [0, 0, 0, 0, 1]
    assert {request.state for request in await office.requests()} == {"done"}
    assert await office.balance() == before - 1
    assert len(await office.logs()) == 5
    assert await office.books_agree()


async def test_the_same_reference_is_the_same_check(office, lab):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    reference = uuid4()
    first = await office.check("anna@corp-lab.com", reference=reference)
    again = await office.check("anna@corp-lab.com", reference=reference)
    assert (first.request, first.verdict) == (again.request, again.verdict)
    assert len(await office.logs()) == 1


async def test_a_request_that_fails_by_our_own_fault_ends_and_costs_nothing(office, lab):
    class Broken(Validator):
        async def ask(self, *_, **__):
            raise ZeroDivisionError

    before = await office.balance()
    broken = replace(office, validator=Broken(office.settings.validator))
    with pytest.raises(ZeroDivisionError):
        await broken.check("anna@corp-lab.com")
    [request] = await office.requests()
    assert (request.state, request.credits) == ("failed", 0)
    assert await office.balance() == before
    assert await office.books_agree()


async def test_the_worker_gives_a_request_up_that_keeps_failing(office, lab):
    await lab.domain("grey-lab.com", MailServer(other="450 4.2.0 Greylisted"))
    before = await office.balance()
    await office.check("anna@grey-lab.com")

    class Broken(Validator):
        async def ask(self, *_, **__):
            raise ZeroDivisionError

    desk = Desk(office.settings, office.db, Broken(office.settings.validator))
    other = replace(office, desk=desk)
    for _ in range(MAX_CLAIMS):
        await other.after(minutes=7)
        await office.rows("UPDATE email_requests SET leased_until = clock_timestamp() RETURNING 1")
    [request] = await office.requests()
    assert (request.state, request.credits) == ("failed", 0)
    assert await office.balance() == before


async def test_our_own_pace_is_no_attempt(office, lab):
    server = MailServer({f"a{n}": OK for n in range(6)})
    await lab.domain("corp-lab.com", server)
    paced = replace(lab.settings, per_minute=2)
    validator = Validator(paced, patience_s=0.0)
    desk = Desk(replace(office.settings, validator=paced), office.db, validator)
    mine = replace(office, validator=validator, desk=desk)
    found = [await mine.check(f"a{n}@corp-lab.com") for n in range(4)]
    assert [checked.request.state for checked in found] == ["done", "done", "waiting", "waiting"]
    assert [request.attempts for request in await office.requests()] == [1, 1, 0, 0]
    await office.after(minutes=5)
    assert {request.state for request in await office.requests()} == {"done"}
    assert sum(request.credits for request in await office.requests()) == 4


async def test_somebody_who_objects_meanwhile_is_not_asked_about_again(office, lab, db):
    server = MailServer(other="450 4.2.0 Greylisted")
    await lab.domain("grey-lab.com", server)
    before = await office.balance()
    await office.check("anna@grey-lab.com")
    async with db.transaction(SERVICE) as session:
        await suppressions.add(
            session,
            privacy=office.settings.privacy,
            kind="email",
            value="anna@grey-lab.com",
            reason="objection",
        )
    await office.after(minutes=7)
    assert server.connections == 1
    [request] = await office.requests()
    assert (request.state, request.input, request.subject) == ("failed", {}, None)
    assert await office.logs() == []
    assert await office.balance() == before


async def test_a_lost_lease_changes_nothing(office, lab):
    """Two at work on one request: the second to settle finds it settled."""
    server = MailServer({"anna": OK}, delay_s=0.05)
    await lab.domain("corp-lab.com", server)
    before = await office.balance()

    async def take_over():
        await asyncio.sleep(0.1)
        await office.rows("UPDATE email_requests SET leased_until = clock_timestamp() RETURNING 1")
        other = replace(office, desk=Desk(office.settings, office.db, Validator(office.settings.validator)))
        await other.work()

    found, _ = await asyncio.gather(office.check("anna@corp-lab.com"), take_over())
    assert found.verdict.is_reachable in {"safe", "unknown"}
    await office.work()
    [request] = await office.requests()
    assert (request.state, request.credits) == ("done", 1)
    assert len(await office.logs()) == 1
    assert await office.balance() == before - 1
    assert await office.books_agree()


async def test_property_20_a_log_row_has_the_whole_verdict(office, lab):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    await office.check("anna@corp-lab.com")
    [log] = await office.logs()
    assert log.email == "anna@corp-lab.com"
    kept = log.smtp_result
    assert set(kept) == {
        "input", "is_reachable", "status", "sub_status", "score", "retry", "retry_after", "checked_at",
        "attempts", "cached", "syntax", "mx", "smtp", "smtp_reply", "misc",
    }  # fmt: skip
    assert set(kept["smtp"]) == {
        "can_connect_smtp", "is_deliverable", "is_catch_all", "has_full_inbox", "is_disabled",
    }  # fmt: skip
    assert set(kept["smtp_reply"]) == {"stage", "code", "enhanced", "text", "host"}


async def test_who_objects_is_forgotten_in_the_logs(office, lab):
    await lab.domain("corp-lab.com", MailServer({"anna": OK, "bob": OK}))
    await office.check("Anna@corp-lab.com")
    await office.check("bob@corp-lab.com")

    async def object_to(kind, value):
        async with office.db.transaction(SERVICE) as session:
            await suppressions.add(
                session, privacy=office.settings.privacy, kind=kind, value=value, reason="objection"
            )

    await object_to("email", "anna@corp-lab.com")
    assert [log.email for log in await office.logs()] == ["bob@corp-lab.com"]
    assert [request.subject for request in await office.requests()] == ["bob@corp-lab.com"]
    await object_to("domain", "corp-lab.com")
    assert await office.logs() == []
    assert await office.requests() == []
    assert await office.books_agree()


async def test_webhooks_hear_of_answers_that_came_later_and_of_no_others(office, lab):
    await office.rows(
        "INSERT INTO webhooks (user_id, url, kinds, enabled) VALUES"
        " (:me, 'https://hooks.example.com/x', '{email.validated}', true) RETURNING 1"
    )
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    await lab.domain("grey-lab.com", MailServer(greylist(lambda _: UNKNOWN)))
    await office.check("anna@corp-lab.com")
    later = await office.check("bob@grey-lab.com")
    heard = "SELECT kind, event_id, payload FROM webhook_deliveries"
    assert await office.rows(heard) == []
    await office.after(minutes=7)
    [(kind, event_id, payload)] = await office.rows(heard)
    assert (kind, event_id) == ("email.validated", f"email.validated:{later.request.id}")
    assert (payload["email"], payload["is_reachable"], payload["credits"]) == (
        "bob@grey-lab.com",
        "invalid",
        1,
    )
