"""The job of an uploaded import: the domain does the work, this opens the door."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from core.ids import ImportId
from core.settings import Settings
from db.sessions import Database
from domain.imports import jobs

# The name under which the domain writes it into the outbox.
NAME: Final = jobs.JOB


async def run(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Run the import the payload names."""
    await jobs.run_import(settings, db, import_id=ImportId(uuid.UUID(payload["import_id"])))
