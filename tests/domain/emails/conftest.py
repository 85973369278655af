"""A laboratory of mail servers, a user with credits, and a desk that works off requests."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from core import clock
from core.ids import UserId
from core.settings import RedisSettings, Settings
from db.sessions import SERVICE, Database
from domain import accounts
from domain.credits import movements
from domain.emails import checks, searches
from domain.emails.working import Desk
from domain.finder.evidence import Query
from domain.validator.validate import Validator
from tests.lab.laboratory import laboratory


@pytest.fixture
async def lab():
    async with laboratory() as made:
        yield made


@dataclass
class Office:
    """Ann, who asks; her books; and the desk behind."""

    db: Database
    settings: Settings
    validator: Validator
    user_id: UserId
    desk: Desk

    async def check(self, email, **options):
        return await checks.check(
            self.db, self.settings, self.validator, user_id=self.user_id, email=email, **options
        )

    async def look(self, **query):
        return await searches.look(
            self.db, self.settings, self.validator, user_id=self.user_id, query=Query(**query)
        )

    async def work(self):
        """Work off everything that is due now."""
        while await self.desk.fill():
            await self.desk.empty()

    async def after(self, **time):
        """What is worked off when so much time has passed."""
        with clock.shifted(timedelta(**time)):
            await self.work()

    async def rows(self, statement, **values):
        async with self.db.transaction(SERVICE) as session:
            if ":me" in statement:
                values["me"] = self.user_id
            return (await session.execute(text(statement), values)).all()

    async def one(self, statement, **values):
        [row] = await self.rows(statement, **values)
        return row[0]

    async def balance(self):
        return await self.one("SELECT credit_balance FROM users WHERE id = :me")

    async def requests(self):
        return await self.rows("SELECT * FROM email_requests WHERE user_id = :me ORDER BY created_at, place")

    async def logs(self):
        return await self.rows("SELECT * FROM email_validation_logs WHERE user_id = :me ORDER BY id")

    async def holds(self):
        return await self.rows("SELECT state, credits FROM credit_holds WHERE user_id = :me ORDER BY id")

    async def books_agree(self):
        """The ledger, the balance and the holds tell the same."""
        total = await self.one("SELECT coalesce(sum(delta), 0) FROM credit_ledger WHERE user_id = :me")
        return total == await self.balance()


@pytest.fixture
async def office(db, settings, clean_database, lab):
    async with db.transaction(SERVICE) as session:
        user = await accounts.find_or_create_user(session, email=f"ann-{uuid4().hex[:8]}@example.com")
        await movements.grant(session, user_id=user.id, amount=50, reference="test", reason="a test")
    # Without Redis: what one test has learned is not another's to remember.
    mine = replace(settings, redis=RedisSettings(), validator=replace(lab.settings, caller_timeout_s=5.0))
    validator = Validator(mine.validator)
    return Office(db, mine, validator, user.id, Desk(mine, db, validator))


@pytest.fixture
def make_user(db):
    async def make():
        async with db.transaction(SERVICE) as session:
            user = await accounts.find_or_create_user(session, email=f"{uuid4().hex[:8]}@example.com")
        return user.id

    return make


@pytest.fixture
async def fritz(office):
    """A company whose three known people have a pattern, and Fritz, whose address nobody knows."""
    async with office.db.transaction(SERVICE) as session:
        company = await session.scalar(
            text(
                "INSERT INTO organizations (name, name_key, name_sort, domain, country)"
                " VALUES ('Corp Lab', 'corp lab', 'corp lab', 'corp-lab.com', 'DE') RETURNING id"
            )
        )
        people = [("Anna", "Keller"), ("Bernd", "Vogel"), ("Carla", "Stein"), ("Fritz", "Lange")]
        for first, last in people:
            contact = await session.scalar(
                text(
                    "INSERT INTO contacts (organization_id, first_name, last_name, email, email_status)"
                    " VALUES (:company, :first, :last, :email, :status) RETURNING id"
                ),
                {
                    "company": company,
                    "first": first,
                    "last": last,
                    "email": None if first == "Fritz" else f"{first[0]}{last}@corp-lab.com".lower(),
                    "status": None if first == "Fritz" else "valid",
                },
            )
    return contact
