"""How many addresses are checked in a second: `python -m benchmarks.validator`.

Laboratory domains on loopback in a process of their own, each answer of the DNS and of a mail server after a
delay. The bound is the lowest of three: what so many checks at once can do when each waits for nine answers
(MX, A, greeting, EHLO, MAIL, RCPT, RSET, MAIL, RCPT; nobody waits for that to QUIT); the
connections that the groups allow, each taken for the eight answers of a talk; and the connections a minute
that they allow. With `--groups` the domains are spread over so many providers; otherwise each is its own.

With `--flat` 100,000 addresses are checked without a delay, and the memory is watched by tenths.
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
from pathlib import Path
from typing import Any, Final

import uvloop

from core.settings import ValidatorSettings
from domain.validator.caches import MemoryCache
from domain.validator.validate import Validator
from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer

# What a check of a known mailbox waits for, and how many answers its connection is open for.
WAITED_FOR: Final = 9
TALKED: Final = 8
# Verdicts kept in the process: full, in a run that watches the memory, long before its first tenth ends.
_KEPT: Final = 5_000
_FLAT: Final = 100_000


def serve(pipe: Connection, domains: int, groups: int, delay_s: float) -> None:
    """The world outside: domains that know `anna` and nobody else."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, domains, groups, delay_s))


async def _serve(pipe: Connection, domains: int, groups: int, delay_s: float) -> None:
    async with laboratory() as lab:
        lab.zone.delay_s = delay_s
        for place in range(groups):
            host = f"mx.g{place}-lab.net"
            lab.zone.add(host, A=[await lab.host(MailServer({"anna": OK}, delay_s=delay_s))])
        for place in range(domains):
            lab.zone.add(f"d{place}-lab.com", MX=[f"10 mx.g{place % groups}-lab.net."])
        pipe.send(lab.settings)
        while not pipe.poll():  # noqa: ASYNC110 - another process says when
            await asyncio.sleep(0.05)


async def measure(
    settings: ValidatorSettings, *, domains: int, groups: int, addresses: int, delay_s: float, at_once: int
) -> dict[str, Any]:
    settings = replace(
        settings,
        total_timeout_s=60.0,
        dns_timeout_s=10.0,
        connect_timeout_s=10.0,
        command_timeout_s=10.0,
        greeting_timeout_s=10.0,
        per_minute=10_000 if delay_s else 10_000_000,
        connections_per_group=2 if delay_s else at_once,
    )
    validator = Validator(settings, cache=MemoryCache(_KEPT))
    asked = iter(range(addresses))
    verdicts: dict[str, int] = {}
    memory: list[float] = []

    async def work() -> None:
        for number in asked:
            name = "anna" if number < domains else f"x{number}"
            verdict = await validator.validate(f"{name}@d{number % domains}-lab.com")
            verdicts[verdict.is_reachable] = verdicts.get(verdict.is_reachable, 0) + 1
            if number and number % (addresses // 10) == 0:
                memory.append(_resident_mib())

    started, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    took, used = time.perf_counter() - started, time.process_time() - worked
    memory.append(_resident_mib())
    await validator.aclose()
    found: dict[str, Any] = {
        "domains": domains,
        "groups": groups,
        "addresses": addresses,
        "delay_ms": delay_s * 1000,
        "at_once": at_once,
        "per_second": addresses / took,
        "work_ms_per_address": used / addresses * 1000,
        "resident_mib_by_tenth": memory,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "verdicts": verdicts,
    }
    if delay_s and addresses == domains:
        bounds = {
            "checks at once": at_once / (WAITED_FOR * delay_s),
            "connections of the groups": groups * settings.connections_per_group / (TALKED * delay_s),
            "connections a minute": groups * settings.per_minute / 60,
        }
        binding = min(bounds, key=bounds.__getitem__)
        found |= {
            "bound_per_second": bounds[binding],
            "bound_by": binding,
            "share_of_bound": addresses / took / bounds[binding],
        }
    return found


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=1_000)
    parser.add_argument("--groups", type=int, help="providers behind the domains; each its own if not said")
    parser.add_argument("--addresses", type=int, help="one for each domain if not said")
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--flat", action="store_true", help="no delay, 100,000 addresses if not said")
    args = parser.parse_args()
    delay_s = 0.0 if args.flat else args.delay_ms / 1000
    addresses = args.addresses or (_FLAT if args.flat else args.domains)
    groups = min(args.groups or args.domains, args.domains)
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    world = spawn.Process(target=serve, args=(there, args.domains, groups, delay_s))
    world.start()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(
                measure(
                    here.recv(),
                    domains=args.domains,
                    groups=groups,
                    addresses=addresses,
                    delay_s=delay_s,
                    at_once=args.at_once,
                )
            )
    finally:
        here.send("enough")
        world.join(10)
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
