"""Users: who may use this installation. Signing up and plans come on top of this."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.ids import UserId
from domain.credits import months

Role = Literal["member", "admin"]
# What `auth.standing()` says of who asks; NULL when there is no such account.
Standing = Literal["good", "disabled", "signed_out"]


class BadAddress(LeadFuelError):
    """The text is no e-mail address, so nobody can be called by it."""

    status = 422
    slug = "bad-address"
    title = "Not an e-mail address"


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account."""

    id: UserId
    email: str
    role: Role
    plan_id: str
    credit_balance: int
    disabled_at: datetime | None = None
    # How far the plan lets a search be paged; None is to the end.
    search_depth: int | None = None

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a user has subscribed to."""

    id: str
    name: str
    monthly_credits: int


# Where the addresses of those are who have none: it cannot exist (RFC 2606).
NOWHERE: Final = "users.invalid"
# Of a row of app.users.
SEARCH_DEPTH: Final = (
    "(SELECT CAST(p.features -> 'limits' ->> 'search_depth' AS integer) FROM app.plans AS p"
    " WHERE p.id = plan_id)"
)
_COLUMNS = (
    f"id, email::text AS email, role, plan_id, credit_balance, disabled_at, {SEARCH_DEPTH} AS search_depth"
)
# For `Database.fetch` as a member: who that is, and whether they may still act.
SELECT_ME: Final = f"SELECT {_COLUMNS}, auth.standing() AS standing FROM app.users WHERE id = auth.uid()"  # noqa: S608


async def get(session: AsyncSession, *, user_id: UserId) -> User | None:
    """The user of this id, when there is one and the session may know it."""
    # Every row a session may see is also bounded by the policies of app.users.
    found = await session.execute(text(f"SELECT {_COLUMNS} FROM app.users WHERE id = :id"), {"id": user_id})  # noqa: S608
    row = found.one_or_none()
    return None if row is None else of_row(row._mapping)  # noqa: SLF001 - SQLAlchemy's own API


async def find_or_create_user(session: AsyncSession, *, email: str, admin: bool = False) -> User:
    """The user of this address, made when there is none; `admin` raises a member, False lowers nobody.

    Needs a session of the service role: nobody makes users in another's name.
    """
    address = read_address(email)
    # The update that changes nothing makes RETURNING speak for a user who is there already.
    statement = text(
        f"""INSERT INTO app.users AS u (email, role) VALUES (:email, :role)
            ON CONFLICT (email) DO UPDATE
            SET role = CASE WHEN excluded.role = 'admin' THEN 'admin' ELSE u.role END
            RETURNING {_COLUMNS}"""  # noqa: S608 - a constant list of columns
    )
    found = await session.execute(statement, {"email": address, "role": "admin" if admin else "member"})
    return of_row(found.one()._mapping)  # noqa: SLF001


async def make(session: AsyncSession, *, user_id: UserId, email: str | None) -> UserId:
    """A member under this address with the plan's first credits; the id of one who is there already.

    Needs a session of the service role. `user_id` is the id of who is new. Who has told no address (None)
    gets one that nothing can be written to.
    """
    address = f"unknown-{user_id}@{NOWHERE}" if email is None else read_address(email)
    made: UserId | None = await session.scalar(
        text("INSERT INTO app.users (id, email) VALUES (:id, :email) ON CONFLICT DO NOTHING RETURNING id"),
        {"id": user_id, "email": address},
    )
    if made is None:
        there: UserId = (
            await session.scalars(text("SELECT id FROM app.users WHERE email = :email"), {"email": address})
        ).one()
        return there
    await months.open_account(session, user_id=user_id)
    return made


async def plan_of(session: AsyncSession, *, user: User) -> Plan:
    """The plan a user has."""
    found = await session.execute(
        text("SELECT id, name, monthly_credits FROM app.plans WHERE id = :id"), {"id": user.plan_id}
    )
    row = found.one()
    return Plan(id=row.id, name=row.name, monthly_credits=row.monthly_credits)


def read_address(email: str) -> str:
    """An address as it is stored: checked for its syntax, in lower case."""
    try:
        return validate_email(
            email.strip(), check_deliverability=False, test_environment=True
        ).normalized.lower()
    except EmailNotValidError:
        raise BadAddress(f"{email.strip()[:80]!r} is not an e-mail address.") from None


def of_row(row: Any) -> User:
    """The user in a row of `SELECT_ME`, from whichever driver, by the names of its columns."""
    return User(
        id=UserId(row["id"]),
        email=row["email"],
        role=row["role"],
        plan_id=row["plan_id"],
        credit_balance=row["credit_balance"],
        disabled_at=row["disabled_at"],
        search_depth=row["search_depth"],
    )
