"""Turning an alert on costs in proportion to whom it fits, whatever PostgreSQL believes of its tables."""

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from domain.alerts import watching
from tests.api.test_icps import VPS, as_pro, save

MANY = 400


@pytest.fixture
async def many(owner, world):
    await owner.execute(
        "INSERT INTO app.contacts (organization_id, first_name, last_name, full_name, name_terms, name_sort,"
        " name_search, seniority)"
        " SELECT $1, 'Vera', 'V' || n, 'Vera V' || n, '{vera}', 'v', 'vera', 'vp'"
        " FROM generate_series(1, $2) AS n",
        *(world.organizations[0], MANY),
    )


async def test_a_baseline_never_goes_through_the_states_for_each_record(ann, db, api_searcher, owner, many):
    await as_pro(db, ann)
    icps = [(await save(ann, VPS, name=name))["id"] for name in ("First", "Second")]
    # What stood in the way of a first alert for minutes: a table that is known to be empty, and is filled.
    await owner.execute("VACUUM ANALYZE app.alert_states")
    await owner.execute("ANALYZE app.contacts")
    for icp_id, kept in zip(icps, (MANY + 2, 0), strict=True):
        async with db.transaction(SERVICE) as session:
            looks, rows = await looked_and_kept(session)
            await watching.turn_on(
                session, api_searcher, user_id=ann.id, icp_id=icp_id, kinds=["entered"], fields=None
            )
            looks_now, rows_now = await looked_and_kept(session)
        assert rows_now - rows == kept
        assert looks_now - looks < MANY / 4


async def looked_and_kept(session):
    """How often the table was gone through or looked up in, and the rows written; some not yet reported."""
    [work] = await session.execute(
        text(
            "SELECT seq_scan + idx_scan, n_tup_ins FROM pg_stat_xact_user_tables"
            " WHERE relid = CAST('app.alert_states' AS regclass)"
        )
    )
    return work
