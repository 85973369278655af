"""What one run remembers from batch to batch: little, so that a million rows need no more than a thousand."""

from collections import Counter
from dataclasses import dataclass, field

from domain.imports.rows import Context
from domain.imports.seen import SeenKeys


@dataclass(slots=True)
class Run:
    """A run of rows from one source into the catalogue."""

    context: Context
    manual_id: int | None = None
    seen: SeenKeys = field(default_factory=SeenKeys)
    # Codes of industries, technologies and keywords that are stored already.
    terms: set[tuple[str, str]] = field(default_factory=set)
    # How many companies of other names claimed a domain that somebody has, and the domains given up.
    claims: Counter[str] = field(default_factory=Counter)
    doubtful: set[str] = field(default_factory=set)
    # The sources whose keys the rows use for companies and for people; None where no source knows them.
    companies_source: int | None = None
    contacts_source: int | None = None
    # Nothing is kept: records are not made, and the transaction is rolled back.
    dry_run: bool = False
    # Companies that a dry run would have made in earlier batches.
    imagined: SeenKeys = field(default_factory=SeenKeys)

    def batch_done(self) -> None:
        self.seen.keep()
        self.imagined.keep()

    def batch_failed(self) -> None:
        """Nothing of the batch has happened; the terms it stored are not there."""
        self.seen.forget()
        self.imagined.forget()
        self.terms.clear()

    @property
    def source_id(self) -> int:
        return self.context.source_id

    @property
    def hash_key(self) -> bytes:
        return self.context.hash_key
