"""The keyed hashes by which suppressed people and companies are recognised: HMAC-SHA256 under our own key."""

import hmac
from typing import Final, Literal, get_args

Kind = Literal["email", "domain", "phone", "linkedin"]
# Kind and hash, as the suppression list has them.
Mark = tuple[str, bytes]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


def keyed_hash(key: bytes, *, kind: Kind, value: str) -> bytes:
    """The hash of a value that is normalised already (spelled as a record stores it)."""
    return hmac.digest(key, f"{kind}:{value}".encode(), "sha256")
