"""What jobs do with all contacts, against the bare statement: a list filled by a search, and an export."""

import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.environment import Bench, BenchmarkFailed
from benchmarks.report import Row, Table
from core.ids import UserId
from db.sessions import SERVICE, Database, member
from domain import jobs
from domain.exports import keeping as exports
from domain.lists import records
from search.engine import Searcher
from search.request import CountRequest


async def lists(db: Database, searcher: Searcher, user_id: UserId) -> Table:
    """What a search finds, added to a list by the job, against the bare statement."""
    async with db.transaction(SERVICE) as session:
        made = [
            await session.scalar(
                text("INSERT INTO lists (owner_id, name) VALUES (:user, :name) RETURNING id"),
                {"user": user_id, "name": name},
            )
            for name in ("by the job", "bare")
        ]
    arguments = {"action": "add", "list_id": made[0], "entity": "contacts", "search": {}}
    async with db.transaction(member(user_id)) as session:
        job = await jobs.start(session, kind="lists.change", arguments=arguments)
    begun_job = await jobs.begin(db, job_id=job.id)
    if begun_job is None:
        raise BenchmarkFailed("The list's job has not begun.")
    begun = time.perf_counter()
    await records.run(db, searcher, job=begun_job)
    ours_s = time.perf_counter() - begun
    async with db.transaction(member(user_id)) as session:
        begun = time.perf_counter()
        result: Any = await session.execute(
            text(
                "INSERT INTO list_contacts (list_id, contact_id, added_by)"
                " SELECT :list, id, :user FROM contacts"
            ),
            {"list": made[1], "user": user_id},
        )
        count = result.rowcount
    bare_s = time.perf_counter() - begun
    table = Table(
        "A list filled by a search",
        "All contacts, added by the job (hidden ones left out, each outcome counted) against one"
        " INSERT … SELECT as the same user.",
        ["what", "contacts", "job, s", "bare, s"],
        "share of the bare rate",
    )
    table.rows.append(
        Row("contacts", [f"{count:,}", f"{ours_s:.2f}", f"{bare_s:.2f}"], bare_s / ours_s, 0.3, at_most=False)
    )
    return table


async def exported(bench: Bench, db: Database, searcher: Searcher, user_id: UserId) -> Table:
    """All contacts as CSV, against COPY of the same columns."""
    wanted = exports.Wanted(
        "contacts",
        exports.Source(search=CountRequest()),
        ["id", "first_name", "last_name", "title", "organization_name", "country"],
        "csv",
    )
    actor = member(user_id)
    async with db.transaction(actor) as session:
        made = await exports.create(session, searcher, wanted, actor=actor, user_id=user_id)
    job = await jobs.begin(db, job_id=made.job_id)
    if job is None:
        raise BenchmarkFailed("The export's job has not begun.")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(bench.settings, exports=replace(bench.settings.exports, url=folder))
        begun = time.perf_counter()
        await exports.run(settings, db, searcher, job=job)
        ours_s = time.perf_counter() - begun
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        connection = await bench.stack.connect(bench.sizes.name)
        begun = time.perf_counter()
        await connection.copy_from_query(
            "SELECT c.id, c.first_name, c.last_name, c.title, o.name, c.country FROM app.contacts c"
            " LEFT JOIN app.organizations o ON o.id = c.organization_id ORDER BY c.id",
            output=Path(folder) / "copy.csv",
            format="csv",
            header=True,
            force_quote=True,
        )
        bare_s = time.perf_counter() - begun
        await connection.close()
    async with db.transaction(actor, read_only=True) as session:
        rows = (await exports.get(session, export_id=made.id)).row_count or 0
    table = Table(
        "An export",
        "All contacts as CSV by the job, cells made inert and names of companies looked up, against COPY of"
        " the same columns into a file.",
        ["what", "rows", "job, s", "COPY, s"],
        "share of COPY's rate",
    )
    cells = [f"{rows:,}", f"{ours_s:.2f}", f"{bare_s:.2f}"]
    table.rows.append(Row("contacts", cells, bare_s / ours_s, 0.3, at_most=False))
    table.notes.append(f"Peak memory grew by {grown // 1024} MB")
    return table
