"""What a plan limits beside lists, ICPs and alerts: how deep a search is paged, how long an export is."""

import json

import asyncpg
import pytest

from domain.exports import store, writing
from tests.api.test_icps import save

PAGES = {"filters": {}, "sort": "name", "limit": 2}


@pytest.fixture
async def limited(owner, clean_database):
    """`await limited(search_depth=3)` changes the plan that everybody begins with."""

    async def limit(**limits):
        await owner.execute(
            "UPDATE plans SET features = jsonb_set(features, '{limits}', features -> 'limits' || $1::jsonb)"
            " WHERE id = 'free'",
            json.dumps(limits),
        )

    return limit


async def walk(person, path, body):
    """The ids of all pages that are given, and the answer that ended the walk."""
    seen, cursor = [], None
    while True:
        answer = await person("POST", path, json=body | {"cursor": cursor})
        if answer.status_code != 200 or not answer.json()["cursor"]:
            break
        seen += [hit["id"] for hit in answer.json()["results"]]
        cursor = answer.json()["cursor"]
    return seen, answer


@pytest.mark.parametrize("page", [1, 2, 3, 100])
async def test_a_search_is_paged_as_deep_as_the_plan_allows(ann, world, limited, owner, page):
    everybody = await owner.fetch('SELECT id FROM contacts ORDER BY name_sort COLLATE "C" NULLS LAST, id')
    await limited(search_depth=3)
    seen, end = await walk(ann, "/v1/contacts/search", PAGES | {"limit": page})
    assert seen == [row["id"] for row in everybody][:3]
    assert len(everybody) > 3
    assert (end.status_code, end.json()["type"]) == (402, "/problems/plan-limit")
    assert end.json()["facts"] == {"limit": 3, "of": "search_depth"}


async def test_organizations_are_paged_as_deep_too(ann, world, limited):
    await limited(search_depth=1)
    seen, end = await walk(ann, "/v1/organizations/search", PAGES)
    assert (len(seen), end.status_code) == (1, 402)


async def test_an_icp_is_no_way_round_and_neither_is_its_cursor(ann, world, limited):
    await limited(search_depth=3)
    icp = await save(ann, {"sort": "name"})
    seen, end = await walk(ann, f"/v1/icps/{icp['id']}/search", {"limit": 2})
    assert (len(seen), end.status_code, end.json()["facts"]["of"]) == (3, 402, "search_depth")


async def test_a_cursor_that_was_kept_is_measured_by_the_plan_of_today(ann, world, limited, owner):
    first = (await ann("POST", "/v1/contacts/search", json=PAGES)).json()
    await limited(search_depth=2)
    kept = PAGES | {"cursor": first["cursor"]}
    assert (await ann("POST", "/v1/contacts/search", json=kept)).status_code == 402
    await owner.execute("UPDATE users SET plan_id = 'team' WHERE id = $1", ann.id)
    assert (await ann("POST", "/v1/contacts/search", json=kept)).status_code == 200
    _, end = await walk(ann, "/v1/contacts/search", PAGES)
    assert end.status_code == 200


async def _export(owner, person, **columns):
    return await owner.fetchval(
        f"""
        WITH job AS (INSERT INTO jobs (kind, user_id) VALUES ('exports.run', $1) RETURNING id)
        INSERT INTO exports (user_id, job_id, entity, source, columns, format, filename
                             {"".join(f", {name}" for name in columns)})
        SELECT $1, id, 'contacts', '{{}}', '{{id}}', 'csv', 'x.csv'
               {"".join(f", {value}" for value in columns.values())} FROM job RETURNING id
        """,
        person.id,
    )


async def test_the_database_holds_an_export_to_the_plan(ann, owner, limited):
    await limited(export_rows=5)
    export_id = await _export(owner, ann, row_count=5)
    for rows in (6, 1_000_000):
        with pytest.raises(asyncpg.PostgresError, match="allows 5 rows") as refused:
            await owner.execute("UPDATE exports SET row_count = $1 WHERE id = $2", rows, export_id)
        assert refused.value.sqlstate == "PT402"
        with pytest.raises(asyncpg.PostgresError, match="allows 5 rows"):
            await _export(owner, ann, row_count=rows)
    await owner.execute("UPDATE users SET plan_id = 'team' WHERE id = $1", ann.id)
    await owner.execute("UPDATE exports SET row_count = 6 WHERE id = $1", export_id)


async def test_a_plan_that_shrinks_while_an_export_is_written_leaves_no_file(
    ann, world, owner, limited, run_outbox, tmp_path, monkeypatch
):
    folder = tmp_path / "exports"
    monkeypatch.setattr(store, "store_of", lambda _settings: store.FolderStore(folder))
    written = writing.write_csv

    async def write_and_shrink(*arguments, **options):
        rows = await written(*arguments, **options)
        await limited(export_rows=1)
        return rows

    monkeypatch.setattr(writing, "write_csv", write_and_shrink)
    export = (await ann("POST", "/v1/exports", json={"search": {}})).json()
    await run_outbox()
    job = (await ann("GET", f"/v1/jobs/{export['job_id']}")).json()
    assert (job["status"], "allows 1 rows" in job["error"]) == ("failed", True)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
