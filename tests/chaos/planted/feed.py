"""The safeguards of the index feed."""

from tests.chaos.planted import Mutant

TESTS = tuple(
    f"tests/indexer/test_{name}.py" for name in ("apply", "bulk", "rebuild", "verify", "queue", "loop")
)

MUTANTS = (
    Mutant(
        "every write bears the same version",
        "indexer/apply.py",
        "batch = Batch(token=await queue.draw_token(session))",
        "batch = Batch(token=1)",
    ),
    Mutant(
        "the token is drawn after the rows were read",
        "indexer/apply.py",
        "        to = await indices.targets(session, feed, entity)\n",
        "        to = await indices.targets(session, feed, entity)\n"
        "    async with feed.service() as session:\n"
        "        token = await queue.draw_token(session)\n",
    ),
    Mutant(
        "what the engine did not take is acknowledged",
        "indexer/apply.py",
        "settled = [*sent.done, *(letter.id for letter in sent.rejected)]",
        "settled = [*sent.done, *sent.later, *(letter.id for letter in sent.rejected)]",
    ),
    Mutant(
        "rows are acknowledged that another worker holds",
        "indexer/queue.py",
        "WHERE seq = ANY(:numbers) AND claimed_by = :mine RETURNING 1",
        "WHERE seq = ANY(:numbers) AND (claimed_by = :mine OR true) RETURNING 1",
    ),
    Mutant(
        "acknowledging takes later rows of the record along",
        "indexer/queue.py",
        "DELETE FROM search_dirty WHERE seq = ANY(:numbers) AND claimed_by = :mine",
        "DELETE FROM search_dirty WHERE id IN (SELECT id FROM search_dirty WHERE seq = ANY(:numbers))"
        " AND (claimed_by = :mine OR claimed_by IS NULL)",
    ),
    Mutant(
        "a lease is ignored",
        "indexer/queue.py",
        "                  AND (claimed_until IS NULL OR claimed_until < clock_timestamp())\n"
        "                ORDER BY priority, seq\n",
        "                ORDER BY priority, seq\n",
    ),
    Mutant(
        "folding looks at claimed rows",
        "indexer/queue.py",
        "                WHERE claimed_until IS NULL OR claimed_until < clock_timestamp()\n"
        "                GROUP BY entity, id HAVING count(*) > 1\n"
        "                LIMIT :at_once\n"
        "            ), held AS MATERIALIZED (\n"
        "                SELECT queued.seq, queued.entity, queued.id, queued.priority\n"
        "                FROM search_dirty AS queued\n"
        "                WHERE queued.seq IN (SELECT unnest(numbers) FROM repeated)\n"
        "                  AND (queued.claimed_until IS NULL OR queued.claimed_until < clock_timestamp())\n",
        "                GROUP BY entity, id HAVING count(*) > 1\n"
        "                LIMIT :at_once\n"
        "            ), held AS MATERIALIZED (\n"
        "                SELECT queued.seq, queued.entity, queued.id, queued.priority\n"
        "                FROM search_dirty AS queued\n"
        "                WHERE queued.seq IN (SELECT unnest(numbers) FROM repeated)\n",
    ),
    Mutant(
        "a record that vanished is not looked for",
        "indexer/apply.py",
        "                session, sent.entity, [*sent.written, *(letter.id for letter in sent.rejected)]\n",
        "                session, sent.entity, []\n",
    ),
    Mutant(
        "a rejected record that vanished is not looked for",
        "indexer/apply.py",
        "                session, sent.entity, [*sent.written, *(letter.id for letter in sent.rejected)]\n",
        "                session, sent.entity, sent.written\n",
    ),
    Mutant(
        "rows are acknowledged before they are sent",
        "indexer/apply.py",
        "    slices = [(entity, ids)",
        "    async with feed.service() as session:\n"
        "        await queue.acknowledge(session, held, held.rows)\n"
        "    slices = [(entity, ids)",
    ),
    Mutant(
        "a living indexer is taken for dead",
        "indexer/queue.py",
        "WHERE locktype = 'advisory' AND objsubid = 2 AND classid = CAST(:indexers AS oid)",
        "WHERE locktype = 'advisory' AND objsubid = 2 AND classid = CAST(:indexers AS oid) AND false",
    ),
    Mutant(
        "rows of a dead indexer wait for their lease",
        "indexer/loop.py",
        "released = await queue.release_dead(session)",
        "released = 0",
    ),
    Mutant(
        "alerts lose what they have not read",
        "indexer/queue.py",
        "                  AND seq <= ALL (SELECT position FROM alert_position)\n",
        "",
    ),
    Mutant(
        "an absent record is not deleted",
        "indexer/apply.py",
        "        for record in ids\n    ]\n    gone",
        "        for record in encoded\n    ]\n    gone",
    ),
    Mutant(
        "kept indices keep who is erased",
        "indexer/indices.py",
        'purge=tuple(index.name for index in known if index.state == "old"),',
        "purge=(),",
    ),
    Mutant(
        "an index under construction takes no changes",
        "indexer/indices.py",
        'index.state != "old" and index.schema_hash == ours',
        'index.state == "live" and index.schema_hash == ours',
    ),
    Mutant(
        "another schema is written into the old index",
        "indexer/indices.py",
        'index.state != "old" and index.schema_hash == ours',
        'index.state != "old"',
    ),
    Mutant(
        "the targets are read before the documents",
        "indexer/apply.py",
        "        bodies = await feed.source.read(session, entity, ids)\n"
        "        to = await indices.targets(session, feed, entity)\n",
        "        to = await indices.targets(session, feed, entity)\n"
        "        bodies = await feed.source.read(session, entity, ids)\n",
    ),
    Mutant(
        "a missing index is made up by the first write",
        "indexer/bulk.py",
        '"require_alias": "true"',
        '"require_alias": "false"',
    ),
    Mutant(
        "a conflict is taken for a rejection",
        "indexer/bulk.py",
        "    if status == 409:\n        return Outcome(Kind.NEWER, reason)\n",
        "",
    ),
    Mutant(
        "a conflict with a version nobody drew is peace",
        "indexer/apply.py",
        "        if highest <= drawn:\n",
        "        if highest:\n",
    ),
    Mutant(
        "a busy engine is taken for a refusal",
        "indexer/bulk.py",
        "        if status in _BUSY:\n            # An answer",
        "        if status in ():\n            # An answer",
    ),
    Mutant(
        "a second rename goes on where the first was",
        "indexer/fanout.py",
        "rows[0][1] if len(rows) == 1 else 0",
        "rows[0][1]",
    ),
    Mutant(
        "a truncation is taken for one record",
        "indexer/apply.py",
        "        await truncation.expand(feed, entity)\n",
        "",
    ),
    Mutant(
        "a resumed rebuild begins at the beginning",
        "indexer/rebuild.py",
        "        self._last_id = self.index.last_id\n",
        "        self._last_id = 0\n",
    ),
    Mutant(
        "a rebuild skips what its checkpoint has not reached",
        "indexer/rebuild.py",
        "                self._last_id = reached[-1]\n",
        "                self._last_id = reached[-1] + 10\n",
    ),
    Mutant(
        "a rebuild takes what it keeps of companies for as young as its page",
        "indexer/rebuild.py",
        "        async with self.feed.service(read_only=True) as session:\n"
        "            bodies = await self.feed.source.read(",
        "        async with self.feed.service() as session:\n"
        "            self._token = await queue.draw_token(session)\n"
        "            bodies = await self.feed.source.read(",
    ),
    Mutant(
        "a rebuild does not look for who vanished",
        "indexer/rebuild.py",
        "                await self._requeue_vanished(session, written)\n",
        "                pass\n",
    ),
    Mutant(
        "two rebuilds run at once",
        "indexer/rebuild.py",
        'if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):',
        "if False:",
    ),
    Mutant(
        "verify takes what is queued for drift",
        "indexer/verify.py",
        "if record in moving or before.get(record) != after.get(record):",
        "if before.get(record) != after.get(record):",
    ),
    Mutant(
        "a full verify trusts the stored hash",
        "indexer/verify.py",
        "        if full:\n            suspects += await",
        "        if full and not sums:\n            suspects += await",
    ),
    Mutant(
        "a repair does not pass what was done by hand",
        "indexer/verify.py",
        "if not await queue.outrun(session, highest, margin=OUTRUN):",
        "if highest > 1 << 50:",
    ),
)
