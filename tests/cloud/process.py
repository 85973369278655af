"""Stripe's stand-in as a process of its own, for as long as a block lasts."""

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Stripe:
    """A running stand-in; what happens there is asked for by `do`."""

    url: str
    client: httpx.AsyncClient

    async def control(self, **asked):
        answer = await self.client.post(f"{self.url}/_control", json=asked)
        answer.raise_for_status()
        return answer.json()

    async def do(self, call, *arguments, **options):
        return await self.control(call=call, **{"with": arguments, "options": options})

    async def told(self, *kinds):
        return await self.control(told=kinds)

    async def asked(self, path):
        """The keys under which this was asked."""
        return [key for method, where, key in await self.control(asked=True) if where == path]

    async def lose(self, path, *, times=1, kind="lost"):
        await self.control(fault={"path": path, "times": times, "kind": kind})


@contextlib.asynccontextmanager
async def stripe_process():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.cloud.server",
        str(port),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            for _ in range(200):
                with contextlib.suppress(httpx.TransportError):
                    await client.post(f"http://127.0.0.1:{port}/_control", json={"asked": True})
                    break
                await asyncio.sleep(0.05)
            yield Stripe(f"http://127.0.0.1:{port}", client)
    finally:
        process.kill()
        await process.wait()
