"""Bugs to be planted, by what they are planted in: `tests.chaos.mutants` does it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One safeguard taken away."""

    name: str
    file: str
    before: str
    after: str
    # What is run for it; empty is all that its area has.
    tests: tuple[str, ...] = ()
