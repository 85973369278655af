"""How many addresses are checked in a second: `python benchmarks/validator.py`.

Laboratory domains on loopback, each reply after a delay. A check is eight replies (greeting, EHLO, MAIL,
RCPT, RSET, MAIL, RCPT, QUIT), of which so many run at once: that is the bound to which the rate is compared.
"""

import argparse
import asyncio
import resource
import time

from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer

_REPLIES = 8


async def measure(domains: int, addresses: int, delay_s: float, at_once: int) -> None:
    async with laboratory() as lab:
        hosts = []
        for place in range(domains):
            server = MailServer({"anna": OK}, delay_s=delay_s)
            name = f"d{place}-lab.com"
            await lab.domain(name, server)
            hosts.append(name)
        validator = lab.validator(
            total_timeout_s=60.0, dns_timeout_s=10.0, command_timeout_s=10.0, greeting_timeout_s=10.0
        )
        gate = asyncio.Semaphore(at_once)

        async def one(address: str) -> str:
            async with gate:
                return (await validator.validate(address)).is_reachable

        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, worked = time.perf_counter(), time.process_time()
        asked = [f"{'anna' if n < domains else f'x{n}'}@{hosts[n % domains]}" for n in range(addresses)]
        verdicts = await asyncio.gather(*map(one, asked))
        took, work = time.perf_counter() - started, time.process_time() - worked
        after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        bound = at_once / (_REPLIES * delay_s)
        print(
            f"{addresses} addresses at {domains} domains, {delay_s * 1000:.0f} ms a reply, {at_once} at once"
        )
        rate = addresses / took
        print(f"  {rate:8.1f} a second; the delays allow {bound:.1f}: {rate / bound:.2f}")
        print(f"  {work / addresses * 1000:8.2f} ms of work an address, the servers' included")
        print(f"  {(after_kb - before_kb) / 1024:8.1f} MiB more at the peak")
        print(f"  verdicts: { {name: verdicts.count(name) for name in sorted(set(verdicts))} }")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=200)
    parser.add_argument("--addresses", type=int, default=200)
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--at-once", type=int, default=50)
    args = parser.parse_args()
    asyncio.run(measure(args.domains, args.addresses, args.delay_ms / 1000, args.at_once))


if __name__ == "__main__":
    main()
