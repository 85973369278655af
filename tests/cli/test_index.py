"""`leadfuel index` as an operator types it: words, JSON and exit codes."""

import asyncio
import json
import logging
import sys
from dataclasses import replace

import pytest

from cli.main import main
from indexer import apply, indices
from indexer.bulk import BulkSender
from tests.fixtures.faults import faults_before
from tests.fixtures.search import build_missing
from tests.indexer.world import (
    add_contacts,
    assert_equal,
    drain_queue,
    execute,
    live_index,
    queued,
    rename_contact,
    stored,
)


@pytest.fixture
def leadfuel(feed, settings, monkeypatch, capsys, tmp_path):
    """Run the command line against this process's services: exit code, stdout, stderr."""
    monkeypatch.setenv("DATABASE_URL", settings.database.url)
    monkeypatch.setenv("OPENSEARCH_URL", settings.opensearch.url)
    monkeypatch.setenv("LEADFUEL_INDEX_PREFIX", settings.opensearch.index_prefix)
    monkeypatch.setenv("LEADFUEL_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    root = logging.getLogger()
    before = root.handlers, root.level

    async def call(*words):
        monkeypatch.setattr(sys, "argv", ["leadfuel", *words])
        capsys.readouterr()

        def run():
            try:
                main()
            except SystemExit as end:
                return 0 if end.code is None else int(end.code)
            return 0

        code = await asyncio.to_thread(run)
        out, err = capsys.readouterr()
        return code, out, err

    yield call
    root.handlers, root.level = before


@pytest.fixture
async def built(feed):
    await build_missing(feed)
    return feed


async def test_rebuild_builds_both_indices_and_status_is_healthy(leadfuel, feed, db):
    await add_contacts(db, 12)
    code, _, _ = await leadfuel("index", "status")
    assert code == 1
    code, out, _ = await leadfuel("index", "rebuild")
    assert code == 0
    assert "12 documents" in out
    code, out, _ = await leadfuel("index", "status", "--json")
    assert code == 0
    status = json.loads(out)
    assert status["healthy"]
    contacts = status["entities"][0]
    assert (contacts["records"], contacts["documents"], contacts["queued"]["rows"]) == (12, 12, 0)
    code, out, _ = await leadfuel("index", "status")
    assert "healthy" in out
    await assert_equal(feed)


async def test_rebuild_only_touches_what_is_named(leadfuel, built):
    before = await live_index(built, "organizations")
    code, out, _ = await leadfuel("index", "rebuild", "--only", "contacts", "--json")
    assert code == 0
    assert [each["entity"] for each in json.loads(out)["rebuilt"]] == ["contacts"]
    assert await live_index(built, "organizations") == before
    assert (await leadfuel("index", "rebuild", "--only", "people"))[0] == 2
    assert (await leadfuel("index", "rebuild", "--resume", "--abort"))[0] == 2


async def test_resume_and_abort_without_a_rebuild_say_so(leadfuel, built):
    code, _, err = await leadfuel("index", "rebuild", "--resume")
    assert code == 1
    assert "no interrupted rebuild" in err
    code, out, _ = await leadfuel("index", "rebuild", "--abort", "--yes")
    assert code == 0
    assert "no rebuild to abort" in out


async def test_refresh_brings_what_is_queued(leadfuel, built, db):
    await add_contacts(db, 3)
    code, out, _ = await leadfuel("index", "refresh")
    assert code == 0
    assert "3 records" in out
    found = await built.client.count(index=built.alias("contacts"))
    assert found["count"] == 3


async def test_refresh_of_one_record_shows_what_was_sent(leadfuel, built, db):
    (contact,) = await add_contacts(db)
    code, out, _ = await leadfuel("index", "refresh", "contacts", str(contact), "999999", "--json")
    assert code == 0
    here, gone = json.loads(out)["sent"]
    assert (here["id"], here["outcome"], here["document"]["id"]) == (contact, "indexed", contact)
    assert gone["outcome"].startswith("deleted")
    assert contact in await stored(built, "contacts")


async def test_verify_tells_and_repairs(leadfuel, built, db):
    (contact,) = await add_contacts(db)
    await drain_queue(built)
    code, out, _ = await leadfuel("index", "verify")
    assert code == 0
    assert "1 records" in out
    await built.client.delete(index=await live_index(built, "contacts"), id=str(contact))
    code, out, _ = await leadfuel("index", "verify", "--entity", "contacts")
    assert code == 1
    assert f"missing contacts {contact}" in out
    assert await queued(db) == 0
    code, out, _ = await leadfuel("index", "verify", "--repair", "--json")
    assert code == 1
    assert json.loads(out)["verified"][0]["drift"] == [
        {"entity": "contacts", "id": contact, "kind": "missing"}
    ]
    await drain_queue(built)
    assert (await leadfuel("index", "verify", "--full"))[0] == 0
    assert (await leadfuel("index", "status"))[1].count("0 differed") == 2


async def test_a_pause_is_shouted_and_taken_back(leadfuel, built):
    assert (await leadfuel("index", "pause", "--reason", "disk [full]"))[0] == 0
    code, out, _ = await leadfuel("index", "status")
    assert code == 1
    assert "PAUSED" in out
    assert "disk [full]" in out
    assert "Resumed" in (await leadfuel("index", "resume"))[1]
    assert "not paused" in (await leadfuel("index", "resume"))[1]
    assert (await leadfuel("index", "status"))[0] == 0


async def test_dead_letters_are_listed_shown_retried_and_dropped(leadfuel, built, db):
    first, second = await add_contacts(db, 2)

    async def read(_session, _entity, ids, **kept):
        return dict.fromkeys(ids, b'{"id":"no number"}')

    await apply.apply_batch(
        replace(built, source=replace(built.source, read=read)),
        BulkSender(built.client),
        entities=["contacts"],
    )
    code, out, _ = await leadfuel("index", "dlq", "list")
    assert f"contacts {first}" in out
    code, out, _ = await leadfuel("index", "dlq", "show", "contacts", str(second), "--json")
    assert json.loads(out)["document"]["id"] == "no number"
    code, _, err = await leadfuel("index", "dlq", "show", "contacts", "424242")
    assert code == 2
    assert "no dead letter" in err
    assert (await leadfuel("index", "status"))[0] == 1
    assert "1 records" in (await leadfuel("index", "dlq", "retry", "contacts", str(first)))[1]
    await drain_queue(built)
    assert "1 dead letters" in (await leadfuel("index", "dlq", "drop", "--yes"))[1]
    assert "no dead letters" in (await leadfuel("index", "dlq", "list"))[1]


async def test_explain_shows_both_sides(leadfuel, built, db):
    (contact,) = await add_contacts(db)
    await drain_queue(built)
    code, out, _ = await leadfuel("index", "explain", "contacts", str(contact))
    assert code == 0
    assert "both sides agree" in out
    await rename_contact(db, contact, "Later")
    code, out, _ = await leadfuel("index", "explain", "contacts", str(contact), "--json")
    found = json.loads(out)
    assert "queued" in found["verdict"]
    assert len(found["queued"]) == 1
    assert found["document_hash"] != found["indexed_hash"]
    assert (await leadfuel("index", "explain", "contacts", "424242"))[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ["refresh", "contacts"],
        ["refresh", "people", "1"],
        ["refresh", "contacts", "0"],
        ["refresh", "contacts", "nobody"],
        ["explain", "contacts"],
        ["explain", "contacts", "-5"],
        ["explain", "contacts", "99999999999"],
        ["verify", "--entity", "people"],
        ["verify", "--sample", "0"],
        ["verify", "--sample", "1.5"],
        ["verify", "--hash"],
        ["rebuild", "--only"],
        ["dlq", "show", "contacts", "424242"],
        ["dlq", "retry", "contacts", "424242"],
        ["dlq", "drop", "contacts", "424242", "--yes"],
        ["dlq", "list", "--limit", "0"],
        ["drop-orphans", "--kept-for", "-1", "--yes"],
        ["unknown"],
    ],
    ids=" ".join,
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_done(leadfuel, built, db, words):
    await add_contacts(db)
    before = await execute(db, "SELECT index_name FROM indices ORDER BY 1")
    code, out, err = await leadfuel("index", *words)
    assert code == 2
    assert out == ""
    assert err.strip()
    assert "Traceback" not in err
    assert await queued(db) == 1
    assert await execute(db, "SELECT index_name FROM indices ORDER BY 1") == before


async def told(leadfuel):
    """What the status says is wrong with the index of contacts, with its advice."""
    code, out, _ = await leadfuel("index", "status", "--json")
    found = json.loads(out)
    contacts = found["entities"][0]
    assert (code, found["healthy"]) == (1, False)
    return contacts["problem"], contacts["advice"]


async def test_each_fault_of_the_engine_has_its_own_words_and_advice(leadfuel, built, monkeypatch):
    client, index, alias = built.client, await live_index(built, "contacts"), built.alias("contacts")
    said = []

    async def closed(name):
        await client.indices.put_settings(index=index, body={name: True})
        said.append(await told(leadfuel))
        await client.indices.put_settings(index=index, body={name: None})

    await closed("index.blocks.read_only_allow_delete")
    await closed("index.blocks.write")
    await client.indices.delete_alias(index=index, name=alias)
    said.append(await told(leadfuel))
    foreign = f"{built.prefix}foreign"
    await client.indices.create(index=foreign, body={"aliases": {alias: {}}})
    said.append(await told(leadfuel))
    assert (await leadfuel("index", "rebuild", "--only", "contacts"))[0] == 2
    await client.indices.delete(index=foreign)
    await client.indices.put_alias(index=index, name=alias)
    assert (await leadfuel("index", "status"))[0] == 0
    monkeypatch.setattr(indices, "OLDEST_MAJOR", 99)
    said.append(await told(leadfuel))
    code, _, err = await leadfuel("index", "rebuild")
    assert (code, "or newer is needed" in err) == (2, True)
    problems = [problem for problem, _ in said]
    for word, problem in zip(
        ("flood-stage", "index.blocks.write", "is missing", "knows nothing of", "is needed"),
        problems,
        strict=True,
    ):
        assert word in problem
    assert all(advice for _, advice in said)
    assert len(set(problems)) == len(said)


async def test_an_engine_that_refuses_us_says_how_to_be_let_in(leadfuel, built, monkeypatch):
    async with faults_before(built.settings.url, lambda _path, _body: "401") as proxy:
        monkeypatch.setenv("OPENSEARCH_URL", proxy.url)
        problem, advice = await told(leadfuel)
    assert "does not let us in" in problem
    assert "user:password" in advice


async def test_orphans_are_dropped_after_a_question(leadfuel, built, monkeypatch):
    before = await live_index(built, "contacts")
    await leadfuel("index", "rebuild", "--only", "contacts")
    code, out, _ = await leadfuel("index", "drop-orphans", "--yes")
    assert code == 0
    assert before in out
    assert "nothing to delete" in (await leadfuel("index", "drop-orphans", "--yes"))[1]


async def test_an_engine_that_is_down_has_its_own_words(leadfuel, built, db, monkeypatch):
    monkeypatch.setenv("OPENSEARCH_URL", "http://127.0.0.1:9")
    code, out, _ = await leadfuel("index", "status")
    assert code == 1
    assert "does not answer" in out
    for words in (["rebuild"], ["verify"], ["explain", "contacts", "1"], ["drop-orphans", "--yes"]):
        code, _, err = await leadfuel("index", *words)
        assert code == 2, words
        assert "does not answer" in err
        assert "OPENSEARCH_URL" in err
    monkeypatch.setenv("OPENSEARCH_URL", "")
    code, _, err = await leadfuel("index", "verify")
    assert code == 2
    assert "PostgreSQL answers searches" in err
    assert await execute(db, "SELECT 1 FROM indices WHERE state = 'building'") == []
