"""A user who tries names at a company is stopped, before its server is asked and at no cost."""

from dataclasses import replace

import pytest

from db.sessions import SERVICE
from domain.emails import bulk
from domain.emails.working import Desk
from domain.validator.askers import TooManyOfDomain
from domain.validator.validate import Validator
from tests.lab.servers import OK, MailServer


@pytest.fixture
def strict(office):
    """The office where two people of a domain a day are the bound."""
    mine = replace(office.settings, validator=replace(office.settings.validator, per_domain=2))
    validator = Validator(mine.validator)
    return replace(office, settings=mine, validator=validator, desk=Desk(mine, office.db, validator))


async def test_one_address_too_many_is_refused_unasked_and_free(strict, lab):
    server = MailServer({"anna": OK})
    await lab.domain("corp-lab.com", server)
    for name in ("anna", "bob", "anna"):
        await strict.check(f"{name}@corp-lab.com")
    before, asked = await strict.balance(), server.connections
    with pytest.raises(TooManyOfDomain):
        await strict.check("carla@corp-lab.com")
    assert (await strict.balance(), server.connections) == (before, asked)
    refused = (await strict.requests())[-1]
    assert (refused.state, refused.credits) == ("failed", 0)
    assert "corp-lab.com" in refused.error
    assert {hold.state for hold in await strict.holds()} == {"captured", "voided"}
    assert len(await strict.logs()) == 3
    assert (await strict.check("anna@corp-lab.com")).verdict.is_reachable == "safe"
    assert await strict.books_agree()


async def test_rows_of_a_job_beyond_it_fail_and_the_others_are_answered(strict, lab):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    await lab.domain("other-lab.com", MailServer({"anna": OK}))
    names = ["anna@corp-lab.com", "bob@corp-lab.com", "carla@corp-lab.com", "anna@other-lab.com"]
    async with strict.db.transaction(SERVICE) as session:
        job = await bulk.start(
            session, user_id=strict.user_id, kind="validate", items=bulk.read_addresses(names)
        )
    await strict.work()
    async with strict.db.transaction(SERVICE) as session:
        done = await bulk.get(session, user_id=strict.user_id, job_id=job.id)
    assert (done.counts["done"], done.counts["failed"], done.credits) == (3, 1, 3)


async def test_names_tried_by_the_finder_count_as_well_and_whom_we_know_do_not(strict, lab, fritz):
    server = MailServer(other="550 5.1.1 User unknown")
    await lab.domain("corp-lab.com", server)
    place = {"domain": "corp-lab.com"}
    await strict.look(first_name="Nora", last_name="Lind", **place)
    await strict.check("nobody@corp-lab.com")
    before, asked = await strict.balance(), server.connections
    with pytest.raises(TooManyOfDomain):
        await strict.look(first_name="Olga", last_name="Brandt", **place)
    assert (await strict.balance(), server.connections) == (before, asked)
    assert (await strict.look(first_name="Anna", last_name="Keller", **place)).answer["status"] == "known"
