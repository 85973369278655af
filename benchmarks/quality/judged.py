"""One judged search."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Judged:
    """A search and its grades by record key; whatever is not named has grade 0."""

    kind: str
    entity: Literal["contacts", "organizations"]
    q: str
    grades: Mapping[str, int]
    filters: Mapping[str, Any] = field(default_factory=dict)

    def request(self) -> dict[str, Any]:
        """The body of the search, as the API takes it."""
        body: dict[str, Any] = {"limit": 10}
        if self.q:
            body["q"] = self.q
        if self.filters:
            body["filters"] = self.filters
        return body
