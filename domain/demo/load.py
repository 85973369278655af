"""The demo market through the ordinary import: nothing is written in any other way than a file's rows are."""

import io
from collections.abc import Callable, Iterator
from typing import Any

from core.settings import PrivacySettings
from db.sessions import Database
from domain.demo import generate
from domain.demo.people import Market
from domain.imports import runs
from domain.imports.columns import Entity
from domain.imports.runs import Summary

# Past positions per contact, on the average: how long the third bar is.
_POSITIONS_PER_CONTACT = 1.22

Progress = Callable[[str, int], None]


async def load(
    database: Database,
    privacy: PrivacySettings,
    market: Market,
    *,
    contacts: int,
    progress: Progress = lambda _name, _rows: None,
) -> dict[str, Summary]:
    """Import the three files as they are generated; the same market again changes nothing."""
    files: dict[Entity, Iterator[bytes]] = {
        "organizations": generate.organizations_csv(market),
        "contacts": generate.contacts_csv(market, contacts),
        "employment": generate.employment_csv(market, contacts),
    }
    summaries: dict[str, Summary] = {}
    for entity, pieces in files.items():
        summaries[entity] = await runs.run_import(
            database,
            privacy,
            io.BufferedReader(Pieces(pieces)),
            runs.Options(entity=entity, source=generate.SOURCE, delimiter=",", encoding="utf-8"),
            progress=lambda now, name=entity: progress(name, now.rows),  # type: ignore[misc]
        )
    return summaries


def expected_rows(market: Market, contacts: int) -> dict[str, int]:
    """How many rows each file has; of the positions, about."""
    return {
        "organizations": len(market.seats),
        "contacts": contacts,
        "employment": round(contacts * _POSITIONS_PER_CONTACT),
    }


class Pieces(io.RawIOBase):
    """A readable file made of pieces that are still being written."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
