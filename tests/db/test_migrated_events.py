"""What alerts have told goes up and down through the migrations of their tables, and stays what it was."""

import json
from uuid import UUID

import asyncpg
import pytest

from db import migrate

ONE_BY_ONE, BY_SETS = "6f0c52d81ab5", "6f0c52d81ab6"
VPS, FIRMS = UUID(int=1), UUID(int=2)
READER = UUID(int=9)
TITLE = [{"field": "title", "old": "CTO", "new": 'Head "of" it\n'}]
GROWN = [{"field": "company_employees", "old": None, "new": [201, 500]}]
# ICP, record, kind, reason, position, changes, reasons, who had it hidden.
TOLD = [
    (VPS, 11, "entered", "fits", 5, [], ["seniority VP"], None),
    (VPS, 12, "left", "changed", 5, TITLE, ["title became Head"], None),
    (FIRMS, 11, "entered", "fits", 5, [], ["company country Germany"], [READER]),
    (VPS, 13, "left", "removed", 6, [], [], None),
    (VPS, 12, "changed", "changed", 8, TITLE + GROWN, ["title became Head", "company grew"], None),
    (FIRMS, 12, "changed", "changed", 8, GROWN, ["company grew"], None),
]


@pytest.fixture
async def connection(empty_database):
    await migrate.migrate(empty_database, target=ONE_BY_ONE)
    connection = await asyncpg.connect(empty_database.migration_url)
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    await connection.execute(
        "INSERT INTO app.users (id, email, plan_id) VALUES ($1, 'ann@moved.example', 'team')", UUID(int=7)
    )
    for icp_id, name in ((VPS, "VPs"), (FIRMS, "Firms")):
        await connection.execute(
            "INSERT INTO app.icp_profiles (id, user_id, name, filters) VALUES ($1, $2, $3, '{}')",
            *(icp_id, UUID(int=7), name),
        )
    await connection.execute(
        "INSERT INTO app.icp_alerts (icp_id, user_id, version, kinds, members, criteria)"
        """ VALUES ($1, $2, 1, '{entered}', '', '{"shape": 1}')""",
        *(VPS, UUID(int=7)),
    )
    await connection.executemany(
        "INSERT INTO app.icp_events (icp_id, version, record_id, kind, reason, position, changes, reasons,"
        " missed_by) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8)",
        TOLD,
    )
    yield connection
    await connection.close()


async def told_one_by_one(connection):
    rows = await connection.fetch(
        "SELECT icp_id, record_id, kind, reason, position, changes, reasons, missed_by"
        " FROM app.icp_events ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def told_by_sets(connection):
    """Events as their rows and lines say them."""
    rows = await connection.fetch(
        """
        SELECT e.id, e.icp_id, n.record_id, n.letter,
               nullif(split_part(s.said, E'\\n', nullif(n.line, 0)), '')::jsonb AS said
        FROM app.icp_events e
        CROSS JOIN unnest(e.records, string_to_array(e.kinds, NULL), e.said) AS n (record_id, letter, line)
        LEFT JOIN app.alert_said s ON s.position = e.position AND s.record_id = n.record_id
        ORDER BY e.id
        """
    )
    return [tuple(row) for row in rows]


async def test_events_go_up_and_down_as_they_were_told(connection, empty_database):
    assert await told_one_by_one(connection) == TOLD
    await migrate.migrate(empty_database)
    own = await connection.fetch(
        "SELECT position, record_id, changes, document, own::jsonb AS own FROM app.alert_evidence"
        " WHERE entity = 'c' ORDER BY position, record_id"
    )
    assert [tuple(row)[:4] for row in own] == [
        (p, r, "[]", None) for p, r in ((5, 11), (5, 12), (6, 13), (8, 12))
    ]
    assert own[0]["own"] == {
        str(VPS): [[], ["seniority VP"]],
        str(FIRMS): [[], ["company country Germany"]],
    }
    assert own[3]["own"] == {
        str(VPS): [TITLE + GROWN, ["title became Head", "company grew"]],
        str(FIRMS): [GROWN, ["company grew"]],
    }
    assert await connection.fetchval("SELECT kinds FROM app.icp_events WHERE missed_by = $1", [READER]) == "e"
    assert await connection.fetchval("SELECT criteria FROM app.icp_versions WHERE icp_id = $1", VPS) == {
        "shape": 1
    }

    await migrate.rollback(empty_database, target=BY_SETS)
    assert [row[3:] for row in await told_by_sets(connection)] == [
        (letter, [changes, reasons]) for letter, (*_, changes, reasons, _) in zip("elercc", TOLD, strict=True)
    ]
    assert await connection.fetchval("SELECT criteria FROM app.icp_alerts WHERE icp_id = $1", VPS) == {
        "shape": 1
    }

    await migrate.rollback(empty_database, target=ONE_BY_ONE)
    assert await told_one_by_one(connection) == TOLD
    await migrate.migrate(empty_database)
    assert await connection.fetchval("SELECT count(*) FROM app.icp_events") == len(TOLD)
    # What is told next follows what was told last.
    assert await connection.fetchval("SELECT nextval('app.icp_event_ids')") == len(TOLD) + 1


async def test_what_was_told_by_evidence_keeps_its_changes_on_the_way_down(connection, empty_database):
    await migrate.migrate(empty_database)
    await connection.execute("DELETE FROM app.icp_events")
    await connection.execute("DELETE FROM app.alert_evidence")
    await connection.execute(
        "INSERT INTO app.icp_events (id, size, icp_id, version, records, kinds, fields, position) VALUES"
        " (104, 4, $1, 1, '{11,12,13,14}', 'elrc', '{title}', 9),"
        " (105, 1, $2, 1, '{14}', 'c', '{location}', 9)",
        *(VPS, FIRMS),
    )
    alone = {str(FIRMS): [GROWN, ["company grew"]]}
    await connection.executemany(
        "INSERT INTO app.alert_evidence (position, entity, record_id, changes, document, own)"
        " VALUES (9, 'c', $1, $2, $3, $4)",
        [
            (11, "[]", '{"seniority": "vp"}', None),
            (12, json.dumps(TITLE + GROWN), None, None),
            (14, json.dumps(TITLE + GROWN), None, json.dumps(alone)),
        ],
    )
    await migrate.rollback(empty_database, target=BY_SETS)
    assert await told_by_sets(connection) == [
        (104, VPS, 11, "e", None),
        (104, VPS, 12, "l", [TITLE + GROWN, []]),
        (104, VPS, 13, "r", None),
        (104, VPS, 14, "c", [TITLE, []]),
        (105, FIRMS, 14, "c", [GROWN, ["company grew"]]),
    ]
