import pytest
from sqlalchemy import text

from core.errors import NotFound
from db.models import metadata
from db.sessions import SERVICE
from domain import audit, users
from domain.users import LastAdministrator, UnknownPlan
from tests.db.world import make_contact, make_list, make_user, share_list, unlock


@pytest.fixture
async def session(session_as):
    async with session_as(SERVICE) as session:
        yield session


@pytest.fixture
async def ann(session):
    return await make_user(session)


@pytest.fixture
async def bob(session):
    return await make_user(session)


@pytest.fixture
async def root(session):
    return await make_user(session, role="admin")


async def actions(session):
    return [(entry.action, entry.detail) for entry in (await audit.page(session, limit=20)).entries]


async def test_a_role_and_a_plan_are_given_and_written_down(session, ann, root):
    changed = await users.change(session, actor_id=root, user_id=ann, role="admin", plan_id="pro")
    assert (changed.role, changed.plan_id) == ("admin", "pro")
    assert await actions(session) == [
        ("user.plan_changed", {"from": "free", "to": "pro"}),
        ("user.role_changed", {"from": "member", "to": "admin"}),
    ]


async def test_what_changes_nothing_is_not_written_down(session, ann, root):
    await users.change(session, actor_id=root, user_id=ann, role="member", plan_id="free")
    await users.enable(session, actor_id=root, user_id=ann)
    assert await actions(session) == []


async def test_an_unknown_plan_is_refused(session, ann, root):
    with pytest.raises(UnknownPlan):
        await users.change(session, actor_id=root, user_id=ann, plan_id="platinum")


async def test_the_last_administrator_stays(session, ann, root):
    for act in (
        users.change(session, actor_id=root, user_id=root, role="member"),
        users.disable(session, actor_id=root, user_id=root, because="x"),
        users.erase(session, actor_id=root, user_id=root),
    ):
        with pytest.raises(LastAdministrator):
            await act
    await users.change(session, actor_id=root, user_id=ann, role="admin")
    await users.disable(session, actor_id=ann, user_id=root, because="left")
    # A disabled one does not count.
    with pytest.raises(LastAdministrator):
        await users.change(session, actor_id=ann, user_id=ann, role="member")


async def test_an_account_is_disabled_once_and_enabled_again(session, ann, root):
    first = await users.disable(session, actor_id=root, user_id=ann, because="left")
    again = await users.disable(session, actor_id=root, user_id=ann, because="other")
    assert first == again
    assert (first.disabled_because, first.disabled_at is not None) == ("left", True)
    assert (await users.enable(session, actor_id=root, user_id=ann)).disabled_at is None
    assert [action for action, _ in await actions(session)] == ["user.enabled", "user.disabled"]


async def test_accounts_are_found_page_by_page(session):
    made = [await make_user(session, email=f"person-{n}@search.example") for n in range(5)]
    await make_user(session, email="other@example.com", role="admin")
    found, cursor = [], None
    while True:
        page = await users.search(session, limit=2, cursor=cursor, q="SEARCH.example")
        found += [account.id for account in page.accounts]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(found) == sorted(made)
    for asked, count in (
        ({"q": "%"}, 0),
        ({"q": "person_1"}, 0),
        ({"role": "admin"}, 1),
        ({"plan_id": "pro"}, 0),
        ({"disabled": True}, 0),
        ({"q": "person-1@", "disabled": False, "role": "member", "plan_id": "free"}, 1),
    ):
        assert len((await users.search(session, limit=10, **asked)).accounts) == count, asked


async def test_an_erased_account_leaves_its_id_and_its_books(session, root):
    gone, kept = await make_user(session, email="gone@example.com"), await make_user(session)
    contact = await make_contact(session, email="a@b.test")
    mine, shared = await make_list(session, gone), await make_list(session, kept)
    await share_list(session, shared, gone, "editor")
    await unlock(session, gone, contact, "email")
    for statement in (
        "INSERT INTO list_contacts (list_id, contact_id, added_by) VALUES (:shared, :contact, :gone)",
        "INSERT INTO icp_profiles (user_id, name) VALUES (:gone, 'Mine')",
        "INSERT INTO hidden_contacts (user_id, contact_id) VALUES (:gone, :contact)",
        "INSERT INTO email_validation_logs (user_id, email) VALUES (:gone, 'x@y.test')",
        (
            "INSERT INTO list_invitations (list_id, email, role, token_hash, invited_by) VALUES (:shared,"
            " 'gone@example.com', 'viewer', '\\x00', :kept)"
        ),
        (
            "INSERT INTO credit_grants (user_id, source, reference, amount, priority)"
            " VALUES (:gone, 'gift', 'welcome', 9, 1)"
        ),
    ):
        values = {"gone": gone, "kept": kept, "shared": shared, "contact": contact}
        named = {key: value for key, value in values.items() if f":{key}" in statement}
        await session.execute(text(statement), named)
    rows = await users.erase(session, actor_id=root, user_id=gone)
    assert rows["app.unlocks.user_id"] == 1
    assert rows["app.list_contacts.added_by"] == 1
    after = await users.get(session, user_id=gone)
    assert after.email == f"erased-{gone}@users.invalid"
    assert after.erased_at is not None
    assert after.disabled_at is not None
    # Nowhere in the database is anything of theirs but in the books.
    for table in metadata.sorted_tables:
        if table.schema != "app":
            continue  # how people sign in is not the service's to see
        for column in table.columns:
            if any(key.column.table.name == "users" for key in column.foreign_keys):
                left = await session.scalar(
                    text(f"SELECT count(*) FROM {table.fullname} WHERE {column.name} = :gone"), {"gone": gone}
                )
                assert bool(left) is (table.name == "credit_grants"), table.name
    assert await session.scalar(text("SELECT count(*) FROM list_invitations")) == 0
    assert await session.scalar(text("SELECT count(*) FROM list_contacts")) == 1
    assert await session.scalar(text("SELECT count(*) FROM lists WHERE id = :mine"), {"mine": mine}) == 0
    assert (await actions(session))[0][0] == "user.erased"
    # It is not there any more for anybody who would change it.
    for act in (
        users.erase(session, actor_id=root, user_id=gone),
        users.enable(session, actor_id=root, user_id=gone),
        users.change(session, actor_id=root, user_id=gone, role="admin"),
    ):
        with pytest.raises(NotFound):
            await act
    assert gone not in [account.id for account in (await users.search(session, limit=50)).accounts]


async def test_what_an_erased_account_has_at_stripe_is_left_to_a_job(session, ann, bob, root):
    await session.execute(
        text(
            """
            WITH known AS (INSERT INTO app.billing_customers (customer_id, user_id)
                           VALUES ('cus_1', :ann), ('cus_2', :bob))
            INSERT INTO app.billing_subscriptions
                (id, user_id, customer_id, plan_id, price_id, item_id, status, cancel_at_period_end, read_at)
            VALUES ('sub_1', :ann, 'cus_1', 'pro', 'price_1', 'si_1', 'active', true, now()),
                   ('sub_2', :bob, 'cus_2', 'pro', 'price_1', 'si_1', 'active', true, now())
            """
        ),
        {"ann": ann, "bob": bob},
    )
    await users.erase(session, actor_id=root, user_id=ann)
    asked = await session.scalars(text("SELECT payload FROM app.outbox WHERE job = 'billing.leave'"))
    assert list(asked) == [{"subscriptions": ["sub_1"], "customers": ["cus_1"]}]


async def test_who_has_bought_nothing_leaves_no_job(session, ann, root):
    await users.erase(session, actor_id=root, user_id=ann)
    assert await session.scalar(text("SELECT count(*) FROM app.outbox WHERE job = 'billing.leave'")) == 0


async def test_every_reference_to_a_user_says_what_becomes_of_it(owner):
    """An account is erased by these rules; without one a reference is kept, and only the books may be."""
    kept = await owner.fetch(
        "SELECT conrelid::regclass::text AS name FROM pg_constraint"
        " WHERE contype = 'f' AND confrelid = 'app.users'::regclass AND confdeltype NOT IN ('c', 'n')"
    )
    assert {row["name"].removeprefix("app.") for row in kept} <= {
        "billing_payments",
        "credit_grants",
        "credit_holds",
        "credit_ledger",
        "credit_purchases",
        "transactions",
    }
