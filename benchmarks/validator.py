"""How many addresses are checked in a second: `python benchmarks/validator.py`.

Laboratory domains on loopback in a process of their own, each reply after a delay. A check is eight replies
(greeting, EHLO, MAIL, RCPT, RSET, MAIL, RCPT, QUIT), and so many checks run at once: that is the bound to
which the rate is compared. With `--flat N` so many addresses are checked and the memory is watched.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import sys
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from core.settings import ValidatorSettings
from domain.validator.validate import Validator
from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer

_REPLIES = 8


def serve(pipe: Connection, domains: int, delay_s: float) -> None:
    """The world outside: domains that know `anna` and nobody else."""
    asyncio.run(_serve(pipe, domains, delay_s))


async def _serve(pipe: Connection, domains: int, delay_s: float) -> None:
    async with laboratory() as lab:
        for place in range(domains):
            await lab.domain(f"d{place}-lab.com", MailServer({"anna": OK}, delay_s=delay_s))
        pipe.send(lab.settings)
        while not pipe.poll():  # noqa: ASYNC110 - another process says when
            await asyncio.sleep(0.05)


async def measure(
    settings: ValidatorSettings, domains: int, addresses: int, delay_s: float, at_once: int
) -> dict[str, Any]:
    validator = Validator(
        replace(
            settings,
            total_timeout_s=60.0,
            dns_timeout_s=10.0,
            connect_timeout_s=10.0,
            command_timeout_s=10.0,
            greeting_timeout_s=10.0,
        )
    )
    asked = iter(range(addresses))
    verdicts: dict[str, int] = {}
    memory: list[int] = []

    async def work() -> None:
        for number in asked:
            name = "anna" if number < domains else f"x{number}"
            verdict = await validator.validate(f"{name}@d{number % domains}-lab.com")
            verdicts[verdict.is_reachable] = verdicts.get(verdict.is_reachable, 0) + 1
            if number % max(addresses // 10, 1) == 0:
                memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    started, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    took, used = time.perf_counter() - started, time.process_time() - worked
    # An unknown mailbox has no made-up one asked after it: greeting, EHLO, MAIL, RCPT, QUIT.
    replies = sum(_REPLIES if number < domains else 5 for number in range(addresses))
    bound = at_once * addresses / (replies * delay_s) if delay_s else float("inf")
    return {
        "domains": domains,
        "addresses": addresses,
        "delay_ms": delay_s * 1000,
        "at_once": at_once,
        "per_second": addresses / took,
        "bound_per_second": bound,
        "share_of_bound": addresses / took / bound if delay_s else None,
        "work_ms_per_address": used / addresses * 1000,
        "peak_mib_by_tenth": [round(kib / 1024, 1) for kib in memory],
        "verdicts": verdicts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=1_000)
    parser.add_argument("--addresses", type=int, default=1_000)
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--at-once", type=int, default=50)
    args = parser.parse_args()
    here, there = multiprocessing.get_context("spawn").Pipe()
    world = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there, args.domains, args.delay_ms / 1000)
    )
    world.start()
    try:
        found = asyncio.run(
            measure(here.recv(), args.domains, args.addresses, args.delay_ms / 1000, args.at_once)
        )
    finally:
        here.send("enough")
        world.join(10)
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
