"""The ids of the small world that every test of this face asks about; its rows stand in `world.sql`."""

from pathlib import Path
from typing import Final
from uuid import UUID

ANN: Final = UUID("aaaaaaaa-0000-4000-8000-000000000001")
BOB: Final = UUID("bbbbbbbb-0000-4000-8000-000000000002")
NAMES: Final = {
    "ann": str(ANN),
    "bob": str(BOB),
    "prospects": "11111111-0000-4000-8000-000000000001",
    "shared": "11111111-0000-4000-8000-000000000002",
    "bobs": "11111111-0000-4000-8000-000000000003",
    "icp": "22222222-0000-4000-8000-000000000001",
    "bobs-icp": "22222222-0000-4000-8000-000000000002",
    "new": "33333333-0000-4000-8000-000000000001",
}
TABLES: Final = (
    "app.users, app.organizations, app.contacts, app.employment_history, app.lists, app.vocabulary_terms"
)
ROWS: Final = Path(__file__).with_name("world.sql").read_text(encoding="utf-8")


async def write_world(owner) -> None:
    """The world as it is in the beginning, whatever was there."""
    async with owner.transaction():
        await owner.execute(f"TRUNCATE {TABLES} CASCADE")
        await owner.execute(ROWS)
