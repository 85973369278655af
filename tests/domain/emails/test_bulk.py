"""Jobs of many rows: priced, refused row by row, worked off, called off, told as a table."""

import pytest

from core.errors import Invalid, NotFound
from db.sessions import SERVICE
from domain.emails import bulk, tables
from domain.finder.evidence import Query
from tests.lab.servers import OK, MailServer


@pytest.fixture
def start(office):
    async def give(kind, items, **options):
        async with office.db.transaction(SERVICE) as session:
            return await bulk.start(session, user_id=office.user_id, kind=kind, items=items, **options)

    return give


@pytest.fixture
def show(office):
    async def look(job, what=bulk.get):
        async with office.db.transaction(SERVICE) as session:
            return await what(session, user_id=office.user_id, job_id=job.id)

    return look


async def table(office, job):
    rows = []
    async for some in bulk.results(office.db, user_id=office.user_id, job_id=job.id):
        rows += [
            dict(zip(tables.header(job.kind), line, strict=True)) for line in tables.lines(job.kind, some)
        ]
    return rows


async def test_rows_are_worked_off_and_paid_one_by_one(office, lab, start, show):
    # Whichever spelling is asked about first, its verdict is the other's, too.
    await lab.domain("corp-lab.com", MailServer({"anna": OK, "ANNA": OK}))
    before = await office.balance()
    emails = ["anna@corp-lab.com", "ANNA@corp-lab.com", "bob@corp-lab.com", "nonsense", "a@localhost"]
    items = bulk.read_addresses(emails)
    async with office.db.transaction(SERVICE) as session:
        price = await bulk.estimate(session, user_id=office.user_id, kind="validate", items=items)
    assert (price.rows, price.accepted, price.credits_at_most) == (5, 3, 2)
    assert [place for place, _ in price.refused] == [3, 4]
    job = await start("validate", items)
    assert (job.status, job.counts["waiting"], job.counts["failed"]) == ("running", 3, 2)
    assert await office.balance() == before
    await office.work()
    done = await show(job)
    assert (done.status, done.credits, done.counts["done"]) == ("done", 2, 3)
    assert done.finished_at
    assert await office.balance() == before - 2
    rows = await table(office, job)
    assert [row["email"] for row in rows] == emails
    assert [row["is_reachable"] for row in rows] == ["safe", "safe", "invalid", "", ""]
    assert rows[3]["error"].startswith("The address")
    assert await office.books_agree()


async def test_people_are_found_in_bulk(office, lab, start, fritz):
    await lab.domain("corp-lab.com", MailServer({"nlind": OK}))
    people = [
        Query(first_name="Nora", last_name="Lind", domain="corp-lab.com"),
        Query(first_name="Nora", last_name="Lind"),
        Query(domain="corp-lab.com"),
        Query(first_name="Bob", last_name="Stone", company="Nobody Knows It"),
    ]
    job = await start("find", bulk.read_people(people))
    assert job.counts["failed"] == 2
    await office.work()
    rows = await table(office, job)
    assert [row["found"] for row in rows] == ["found", "", "", ""]
    assert rows[0]["email"] == "nlind@corp-lab.com"
    assert [row["state"] for row in rows] == ["done", "failed", "failed", "failed"]
    assert rows[3]["error"] == "There is no such company."


async def test_a_job_that_is_called_off_gives_everything_back(office, lab, start, show):
    server = MailServer({"anna": OK}, other="450 4.2.0 Greylisted")
    await lab.domain("grey-lab.com", server)
    before = await office.balance()
    job = await start("validate", bulk.read_addresses([f"a{n}@grey-lab.com" for n in range(4)]))
    await office.work()
    waiting = await show(job)
    assert waiting.counts["retrying"] == 4
    assert await office.balance() == before - 4
    off = await show(job, bulk.cancel)
    assert (off.status, off.counts["cancelled"], off.credits) == ("cancelled", 4, 0)
    assert await office.balance() == before
    await office.after(minutes=30)
    assert len(server.sessions) == 4
    assert (await show(job, bulk.cancel)).cancelled_at == off.cancelled_at


async def test_rows_beyond_the_credits_fail_and_the_paid_ones_stay(office, lab, start, show):
    paid = await office.balance()
    names = [f"a{n}" for n in range(paid + 5)]
    await lab.domain("corp-lab.com", MailServer(dict.fromkeys(names, OK)))
    job = await start("validate", bulk.read_addresses([f"{name}@corp-lab.com" for name in names]))
    await office.work()
    done = await show(job)
    assert await office.one("SELECT count(*) FROM email_validation_logs WHERE user_id = :me") == paid
    assert done.counts["done"] == done.credits == paid
    assert done.counts["failed"] == 5
    assert await office.balance() == 0
    assert await office.books_agree()


async def test_the_same_reference_is_the_same_job(office, start):
    from uuid import uuid4  # noqa: PLC0415

    reference = uuid4()
    items = bulk.read_addresses(["anna@corp-lab.com"])
    first = await start("validate", items, reference=reference)
    again = await start("validate", items, reference=reference)
    assert first.id == again.id
    assert len(await office.requests()) == 1


async def test_a_job_is_its_owner_s_alone(office, start, make_user):
    job = await start("validate", bulk.read_addresses(["anna@corp-lab.com"]))
    stranger = await make_user()
    async with office.db.transaction(SERVICE) as session:
        with pytest.raises(NotFound):
            await bulk.get(session, user_id=stranger, job_id=job.id)
        with pytest.raises(NotFound):
            await bulk.cancel(session, user_id=stranger, job_id=job.id)
        assert (await bulk.get(session, user_id=office.user_id, job_id=job.id)).status == "running"
    assert [rows async for rows in bulk.results(office.db, user_id=stranger, job_id=job.id)] == []


async def test_single_requests_come_before_jobs_and_jobs_take_turns(office, lab, start):
    asked = []

    def answer(local, _):
        asked.append(local)
        return OK

    await lab.domain("corp-lab.com", MailServer(answer))
    for name in ("a", "b"):
        await start("validate", bulk.read_addresses([f"{name}{n}@corp-lab.com" for n in range(3)]))
    claimed = await office.rows(
        "SELECT input ->> 'email' FROM email_requests WHERE user_id = :me ORDER BY place, due_at"
    )
    assert [row[0][0] for row in claimed] == ["a", "b"] * 3


@pytest.mark.parametrize("count", [0, 10_001])
def test_too_few_and_too_many_rows_are_refused(count):
    with pytest.raises(Invalid) as refused:
        bulk.read_addresses(["anna@corp-lab.com"] * count)
    assert refused.value.facts["errors"][0]["path"] == "rows"


@pytest.mark.parametrize(
    "text",
    [
        "Email;Note\nanna@corp-lab.com;x\nbob@corp-lab.com;y\n",
        '\ufeffE-Mail,Name\r\nanna@corp-lab.com,"Keller, Anna"\r\n\r\nbob@corp-lab.com,B\r\n',
        "name\temail address\na\tanna@corp-lab.com\nb\tbob@corp-lab.com",
    ],
)
def test_tables_are_read_by_their_headings(text):
    assert tables.read(text, "validate") == ["anna@corp-lab.com", "bob@corp-lab.com"]


def test_a_table_of_people():
    text = "First Name,Surname,Company Domain,Contact ID\nAnna,Keller,corp-lab.com,\n,,,17\nx,y,z,1e9\n"
    assert tables.read(text, "find") == [
        Query(first_name="Anna", last_name="Keller", domain="corp-lab.com"),
        Query(contact_id=17),
        Query(first_name="x", last_name="y", domain="z"),
    ]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "", "\n", 'email\n"unclosed', 'email\n"a"b\n'])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(Invalid) as refused:
        tables.read(text, "validate")
    assert refused.value.facts["errors"][0]["path"] == "csv"
