"""Loops that fall are started again, and all end when they are told to."""

import asyncio
import os
import signal

import pytest

from workers import supervise
from workers.supervise import stopped_by_signals
from workers.supervise import supervise as run_supervised


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(supervise, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(supervise, "LONGEST_PAUSE_S", 0.02)


async def test_a_loop_that_falls_is_started_again_and_others_go_on():
    stop, falls, turns = asyncio.Event(), [], []

    async def falling(_stop):
        falls.append(1)
        if len(falls) == 5:
            stop.set()
        raise RuntimeError("fell")

    async def steady(stopping):
        while not stopping.is_set():
            turns.append(1)
            await asyncio.sleep(0.005)

    await asyncio.wait_for(run_supervised({"falling": falling, "steady": steady}, stop), 5)
    assert len(falls) == 5
    assert len(turns) > 3


async def test_a_loop_that_is_done_is_not_started_again():
    stop, runs = asyncio.Event(), []

    async def once(_stop):
        runs.append(1)

    task = asyncio.create_task(run_supervised({"once": once}, stop))
    await asyncio.sleep(0.05)
    assert not task.done()
    stop.set()
    await task
    assert runs == [1]


async def test_a_loop_that_does_not_stop_is_cut_off():
    stop = asyncio.Event()

    async def deaf(_stop):
        await asyncio.sleep(60)

    stop.set()
    await asyncio.wait_for(run_supervised({"deaf": deaf}, stop, grace_s=0.05), 2)


async def test_sigterm_sets_the_event():
    stop = asyncio.Event()
    with stopped_by_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 2)
