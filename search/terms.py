"""The open vocabularies (industries, technologies, keywords) as the database holds them, kept for a while.

A value that the kept copy does not know is looked up once more before it is refused, so a term is
searchable as soon as its first record is.
"""

from time import monotonic
from typing import Final

from sqlalchemy import text

from db.sessions import SERVICE, Database
from search.criteria import OpenTerms

_KEPT_S: Final = 60.0
_LEAST_AGE_S: Final = 1.0


class TermStore:
    """Reads the terms when they are first needed, and again when they are old or may be."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._terms = OpenTerms({})
        self._read_at = float("-inf")

    async def current(self, *, at_most_s: float = _KEPT_S) -> OpenTerms:
        if monotonic() - self._read_at > at_most_s:
            async with self._database.transaction(SERVICE, read_only=True) as session:
                rows = await session.execute(
                    text("SELECT kind, code, display_name FROM app.vocabulary_terms ORDER BY kind, code")
                )
                terms: dict[str, dict[str, str]] = {}
                for kind, code, display_name in rows:
                    terms.setdefault(kind, {})[code] = display_name
            self._terms, self._read_at = OpenTerms(terms), monotonic()
        return self._terms

    async def fresh(self) -> OpenTerms:
        """As they are now; a flood of unknown values reads them once a second at the most."""
        return await self.current(at_most_s=_LEAST_AGE_S)
