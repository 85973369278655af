"""What somebody may do with what is shared with them; each role may do all that those before it may."""

from typing import Final, Literal, get_args

Role = Literal["viewer", "editor", "owner"]
_ORDER: Final[tuple[Role, ...]] = get_args(Role)


def reaches(role: Role, needed: Role) -> bool:
    """Whether a role may do what another is needed for."""
    return _ORDER.index(role) >= _ORDER.index(needed)
