"""Differences by sets: what record by record would come to."""

import json
from datetime import date
from random import Random
from uuid import UUID

import pytest
from pyroaring import BitMap

from domain.alerts.batches import Seen, Watch
from domain.alerts.differences import Differences
from search import matcher
from search.conditions import Criteria
from search.matcher import Compiled
from search.request import SearchRequest

KINDS = ("entered", "left", "changed")


def state(title, seniority=None):
    return json.dumps([7, title, seniority])


def made(random, number):
    """A watch of some kinds and fields, with members inside and outside of the batch."""
    return Watch(
        icp_id=UUID(int=number),
        entity="contacts",
        version=1,
        revision=number,
        kinds=frozenset(kind for kind in KINDS if random.random() < 0.8),
        fields=tuple(name for name in ("title", "seniority") if random.random() < 0.7),
        request=SearchRequest(),
        criteria=Criteria("contacts", (), ()),
        members=BitMap(record for record in range(1, 60) if random.random() < 0.5),
        as_of=date(2026, 1, 1),
        compiled=Compiled((), (), exact=True),
    )


@pytest.mark.parametrize("seed", range(40))
def test_sets_come_to_what_each_record_alone_would(seed):
    random = Random(seed)
    touched = random.sample(range(1, 50), 20)
    ids, gone = sorted(touched[4:]), touched[:4]
    before = {
        one: state(random.choice("AB"), random.choice("xy")) for one in touched if random.random() < 0.8
    }
    now = {one: state(random.choice("AB"), random.choice("xy")) for one in ids}
    watches = [made(random, number) for number in range(12)]
    own = {
        watch.icp_id: {one: state("B", "x") for one in touched if one in watch.members}
        for watch in random.sample(watches, 3)
    }
    seen = Seen(
        ids=ids,
        documents=[{} for _ in ids],
        gone=BitMap(gone),
        touched=BitMap(touched),
        before=before,
        now=now,
        overrides=own,
        hidden_by={},
    )
    fits = [{place for place in range(len(ids)) if random.random() < 0.5} for _ in watches]
    differences = Differences("contacts", seen)
    found = {
        one.watch.icp_id: one
        for part in differences.told(watches, [matcher.bits(sorted(fit)) for fit in fits])
        for one in part
    }
    for watch, fit in zip(watches, fits, strict=True):
        expected, members = [], BitMap(watch.members)
        for record in sorted(touched):
            was, fitting = record in watch.members, record in ids and ids.index(record) in fit
            (members.add if fitting else members.discard)(record)
            if fitting and not was and "entered" in watch.kinds:
                expected.append((record, "e"))
            elif was and not fitting and "left" in watch.kinds:
                expected.append((record, "r" if record in gone else "l"))
            elif was and fitting and "changed" in watch.kinds:
                older = own.get(watch.icp_id, {}).get(record, before.get(record, now[record]))
                pairs = zip(
                    ("title", "seniority"), json.loads(older)[1:], json.loads(now[record])[1:], strict=True
                )
                told = [name for name, old, new in pairs if old != new and name in watch.fields]
                if told:
                    expected.append((record, "c"))
                    if record in own.get(watch.icp_id, {}):
                        assert [one.field for one in differences.own[record][watch.icp_id]] == told
        one = found.get(watch.icp_id)
        events = list(zip(one.events.records, one.events.kinds, strict=True)) if one else []
        assert sorted(events) == expected
        assert len(events) == (len(one.events) if one else 0)
        assert (one.members if one else watch.members) == members
        # Nobody is written whose members are the same.
        assert one is None or (one.members is watch.members) == (members == watch.members)
        for record, letter in events:
            assert letter != "e" or record in differences.entered
            assert letter not in "lc" or record in differences.moved


def test_events_of_some_records_are_the_others_left_out():
    random = Random(3)
    watch = made(random, 1)
    watch.kinds, watch.members = frozenset(KINDS), BitMap([1, 2, 3])
    seen = Seen(
        ids=[1, 2, 4],
        documents=[{}, {}, {}],
        gone=BitMap([3]),
        touched=BitMap([1, 2, 3, 4]),
        before={1: state("A")},
        now={1: state("B"), 2: state("A"), 4: state("A")},
        overrides={},
        hidden_by={},
    )
    watch.fields = ("title",)
    [[compared]] = Differences("contacts", seen).told([watch], [0b101])
    assert (compared.events.records, compared.events.kinds) == ([4, 2, 3, 1], "elrc")
    some = compared.events.among(BitMap([1, 4]))
    assert (some.records, some.kinds) == ([4, 1], "ec")
