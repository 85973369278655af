"""What there is to ask for, as the database's own catalogue has it: relations, columns, keys, functions.

A view of `public` has the keys of the table of `app` that bears its name, for as far as it shows their
columns: that is how the exposed schema is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Cardinality = Literal["many-to-one", "one-to-many", "one-to-one", "many-to-many"]
TO_ONE: Final = frozenset({"many-to-one", "one-to-one"})


@dataclass(frozen=True, slots=True)
class ColumnOf:
    """A column: its type as SQL writes it, and what a row has there that says nothing (an SQL expression)."""

    name: str
    type: str
    default: str | None = None

    @property
    def is_json(self) -> bool:
        return self.type in ("json", "jsonb")


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A constraint of `relation` whose columns stand for those of `target`, pair by pair."""

    name: str
    relation: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relationship:
    """A way from one relation to another. `near` and `far` are the columns that meet, pair by pair; over a
    junction they meet its own columns instead.
    """

    origin: str
    target: str
    cardinality: Cardinality
    constraint: str
    near: tuple[str, ...]
    far: tuple[str, ...]
    junction: str | None = None
    junction_near: tuple[str, ...] = ()
    junction_far: tuple[str, ...] = ()
    far_constraint: str = ""

    @property
    def is_to_one(self) -> bool:
        return self.cardinality in TO_ONE

    def described(self) -> dict[str, str]:
        """For who has to choose between several."""
        if self.junction is not None:
            relationship = (
                f"{self.junction} using {self.constraint}({', '.join(self.junction_near)})"
                f" and {self.far_constraint}({', '.join(self.junction_far)})"
            )
        else:
            relationship = (
                f"{self.constraint} using {self.origin}({', '.join(self.near)})"
                f" and {self.target}({', '.join(self.far)})"
            )
        return {
            "cardinality": self.cardinality,
            "embedding": f"{self.origin} with {self.target}",
            "relationship": relationship,
        }


@dataclass(frozen=True, slots=True)
class Relation:
    """A view, or the rows that a function returns."""

    name: str
    columns: Mapping[str, ColumnOf]
    primary_key: tuple[str, ...] = ()
    relationships: tuple[Relationship, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    type: str
    has_default: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function; `rows` is what it returns when that is rows, None when it is one value or nothing."""

    name: str
    arguments: tuple[Argument, ...]
    returns_set: bool
    returns_void: bool
    rows: Relation | None


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """One reading of it, which is equal to itself alone."""

    relations: Mapping[str, Relation] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)


def relationships(
    keys: Mapping[str, tuple[tuple[str, ...], ...]],
    primary_keys: Mapping[str, tuple[str, ...]],
    foreign_keys: tuple[ForeignKey, ...],
) -> dict[str, tuple[Relationship, ...]]:
    """Every way from each relation to another; `keys` are its unique ones, the primary one included."""
    found: dict[str, list[Relationship]] = {}
    for key in foreign_keys:
        is_unique = any(set(columns) == set(key.columns) for columns in keys.get(key.relation, ()))
        forth: Cardinality = "one-to-one" if is_unique else "many-to-one"
        back: Cardinality = "one-to-one" if is_unique else "one-to-many"
        found.setdefault(key.relation, []).append(
            Relationship(key.relation, key.target, forth, key.name, key.columns, key.target_columns)
        )
        found.setdefault(key.target, []).append(
            Relationship(key.target, key.relation, back, key.name, key.target_columns, key.columns)
        )
    for near in foreign_keys:
        for far in foreign_keys:
            whole = set(primary_keys.get(near.relation, ()))
            if (
                near.relation == far.relation
                and near.name != far.name
                and near.target != far.target
                and {*near.columns, *far.columns} <= whole
            ):
                found.setdefault(near.target, []).append(
                    Relationship(
                        near.target,
                        far.target,
                        "many-to-many",
                        near.name,
                        near.target_columns,
                        far.target_columns,
                        near.relation,
                        near.columns,
                        far.columns,
                        far.name,
                    )
                )
    return {name: tuple(ways) for name, ways in found.items()}
