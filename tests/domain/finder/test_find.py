"""From a case to an answer: known, confirmed, weighed, or nothing."""

from dataclasses import replace

import pytest

from domain.finder.evidence import Case, Known
from domain.finder.find import find
from domain.finder.model import Model, Name, Sample
from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer

PEOPLE = [("Anna", "Keller"), ("Bernd", "Vogel"), ("Carla", "Stein"), ("Dora", "Wolf"), ("Emil", "Beck")]
SAMPLES = tuple(Sample(Name(f, "", s), f"{f}.{s}".lower()) for f, s in PEOPLE)
CASE = Case(name=Name("Fritz", "", "Lange"), domain="corp-lab.com", samples=SAMPLES)
BARE = replace(CASE, samples=())


@pytest.fixture
async def lab():
    async with laboratory() as made:
        yield made


async def test_the_catalogue_s_own_address_is_the_answer():
    answer = await find(replace(CASE, known=Known("f.lange@corp-lab.com", "valid", None)), Model())
    assert (answer.status, answer.email) == ("known", "f.lange@corp-lab.com")
    assert answer.confidence > 0.9


async def test_a_confirmed_guess_is_nearly_sure(lab):
    await lab.domain("corp-lab.com", MailServer({"fritz.lange": OK}))
    answer = await find(CASE, Model(), lab.validator().validate)
    assert (answer.status, answer.email, answer.email_status) == (
        "found",
        "fritz.lange@corp-lab.com",
        "valid",
    )
    assert answer.confidence >= 0.97
    assert (answer.pattern, answer.samples, answer.agreeing) == ("first.last", 5, 5)
    assert "5 of 5" in answer.reasons[0]


async def test_a_refused_guess_leads_to_the_next_and_three_are_asked_at_most(lab):
    server = MailServer({"flange": OK})
    await lab.domain("corp-lab.com", server)
    mixed = replace(CASE, samples=(*SAMPLES, Sample(Name("Gerd", "", "Roth"), "groth")))
    answer = await find(mixed, Model(), lab.validator().validate)
    assert answer.email == "flange@corp-lab.com"
    server.rcpt = {}
    nothing = await find(mixed, Model(), lab.validator().validate)
    assert (nothing.status, nothing.email, len(nothing.tried)) == ("not_found", None, 3)


async def test_a_catch_all_leaves_the_pattern_s_word_and_is_capped(lab):
    await lab.domain("corp-lab.com", MailServer(other=OK))
    answer = await find(CASE, Model(), lab.validator().validate)
    assert (answer.status, answer.email_status, answer.accept_all) == ("found", "accept_all", True)
    assert answer.confidence <= 0.85
    assert (await find(BARE, Model(), lab.validator().validate)).status == "not_found"


async def test_a_server_that_says_nothing_leaves_the_pattern_s_word(lab):
    await lab.domain("corp-lab.com", MailServer(other="550 5.7.1 Client host blocked using Spamhaus"))
    answer = await find(CASE, Model(), lab.validator().validate)
    assert (answer.status, answer.email_status) == ("found", "unknown")
    assert "ip_blocked" in answer.reasons[1]


async def test_a_user_unknown_for_now_is_no_answer_and_leads_to_the_next(lab):
    server = MailServer({"flange": OK}, other="450 4.1.1 User unknown in local recipient table")
    await lab.domain("corp-lab.com", server)
    answer = await find(CASE, Model(), lab.validator().validate)
    assert (answer.email, answer.email_status) == ("flange@corp-lab.com", "valid")
    assert [tried.outcome for tried in answer.tried] == ["unknown", "safe"]
    await lab.domain("soft-lab.com", MailServer(other="450 4.1.1 User unknown"))
    nobody = await find(replace(CASE, domain="soft-lab.com"), Model(), lab.validator().validate)
    assert (nobody.status, len(nobody.tried)) == ("not_found", 3)
    assert nobody.verification.retry


async def test_no_evidence_and_no_verification_is_no_answer(lab):
    assert (await find(BARE, Model())).status == "not_found"
    await lab.domain("corp-lab.com", MailServer(greeting="CLOSE"))
    assert (await find(BARE, Model(), lab.validator().validate)).status == "not_found"


async def test_verification_alone_is_enough(lab):
    await lab.domain("corp-lab.com", MailServer({"fritz.lange": OK}))
    model = Model(prior=replace(Model().prior, templates={"first.last": 0.6, "flast": 0.3, "first": 0.1}))
    answer = await find(BARE, model, lab.validator().validate)
    assert answer.email == "fritz.lange@corp-lab.com"


async def test_property_19_never_another_person_s_nor_a_bounced_address():
    taken = await find(replace(CASE, taken=frozenset({"fritz.lange"})), Model())
    bounced = await find(replace(CASE, bounced=frozenset({"fritz.lange"})), Model())
    assert taken.email != "fritz.lange@corp-lab.com"
    assert bounced.email != "fritz.lange@corp-lab.com"


async def test_a_domain_without_mail_ends_the_search(lab):
    lab.zone.add("corp-lab.com", MX=["0 ."])
    answer = await find(CASE, Model(), lab.validator().validate)
    assert answer.status == "not_found"
    assert len(answer.tried) == 1


async def test_numbers_of_staff_are_no_pattern(lab):
    await lab.domain("corp-lab.com", MailServer(other=OK))
    samples = tuple(
        Sample(Name(first, "", last), f"u{40_117 + 13 * number}")
        for number, (first, last) in enumerate(PEOPLE)
    )
    answer = await find(replace(CASE, samples=samples), Model(), lab.validator().validate)
    assert (answer.status, answer.email) == ("not_found", None)
    assert "no common pattern" in answer.reasons[0]
