"""The header `Prefer`: what a client would like. The unknown is passed over, unless it says strict."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from api.faces.rest import errors

Count = Literal["exact", "planned", "estimated"]
Return = Literal["representation", "minimal", "headers-only"]
Resolution = Literal["merge-duplicates", "ignore-duplicates"]

_KNOWN: Final[dict[str, frozenset[str]]] = {
    "return": frozenset({"representation", "minimal", "headers-only"}),
    "count": frozenset({"exact", "planned", "estimated"}),
    "resolution": frozenset({"merge-duplicates", "ignore-duplicates"}),
    "missing": frozenset({"default", "null"}),
    "handling": frozenset({"strict", "lenient"}),
    "tx": frozenset({"commit", "rollback"}),
}
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What was preferred of what is known, and the rest as it was said."""

    return_: Return | None = None
    count: Count | None = None
    resolution: Resolution | None = None
    missing: Literal["default", "null"] | None = None
    handling: Literal["strict", "lenient"] | None = None
    tx: Literal["commit", "rollback"] | None = None
    max_affected: int | None = None

    def applied(self, *names: str) -> str | None:
        """`Preference-Applied` for those of `names` that were preferred; None when none was."""
        said = {
            "resolution": self.resolution,
            "return": self.return_,
            "count": self.count,
            "tx": self.tx,
            "missing": self.missing,
            "handling": self.handling,
            "max-affected": self.max_affected,
        }
        return ", ".join(f"{name}={said[name]}" for name in names if said[name] is not None) or None


def read_preferences(headers: Sequence[str]) -> Preferences:
    """All `Prefer` headers together; of a preference said twice the first counts (RFC 7240)."""
    found: dict[str, str] = {}
    unknown: list[str] = []
    for said in ",".join(headers).split(","):
        name, _, value = (part.strip() for part in said.partition("="))
        if not name:
            continue
        is_number = name == "max-affected" and _NUMBER.fullmatch(value) is not None
        if is_number or value in _KNOWN.get(name, ()):
            found.setdefault(name, value)
        else:
            unknown.append(said.strip()[:100])
    if found.get("handling") == "strict" and unknown:
        raise errors.bad_preferences(unknown[:20])
    is_strict = found.get("handling") == "strict"
    return Preferences(
        return_=found.get("return"),  # type: ignore[arg-type]
        count=found.get("count"),  # type: ignore[arg-type]
        resolution=found.get("resolution"),  # type: ignore[arg-type]
        missing=found.get("missing"),  # type: ignore[arg-type]
        handling=found.get("handling"),  # type: ignore[arg-type]
        tx=found.get("tx"),  # type: ignore[arg-type]
        # Only who is strict about it is held to it.
        max_affected=int(found["max-affected"]) if is_strict and "max-affected" in found else None,
    )
