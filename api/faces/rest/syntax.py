"""A request's parts as values, as they were said: no name in them has been looked up yet."""

from dataclasses import dataclass
from typing import Final, Literal

# What a request may have of each. Nothing an honest client sends comes near; each bounds what one request
# can cost before the database's own time-out does.
MAX_URL_BYTES: Final = 65_536
MAX_PARAMETERS: Final = 300
MAX_FILTERS: Final = 200
MAX_LOGIC_DEPTH: Final = 16
MAX_SELECTED: Final = 300
MAX_EMBEDS: Final = 32
MAX_EMBED_DEPTH: Final = 8
MAX_ORDER_TERMS: Final = 32
MAX_PATH_STEPS: Final = 16
MAX_COLUMNS: Final = 200
MAX_NAME: Final = 200
MAX_PAYLOAD_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow into JSON: a key or an index, and whether it yields text (`->>`)."""

    key: str | int
    as_text: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A column, or a way into one that holds JSON."""

    name: str
    path: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A field that is asked for. `*` is all of them."""

    field: Field
    alias: str | None = None
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """Another relation's rows inside this one's."""

    target: str
    selected: "tuple[Column | Embed, ...]"
    alias: str | None = None
    hint: str | None = None
    is_inner: bool = False
    is_spread: bool = False

    @property
    def name(self) -> str:
        """What filters on it are addressed to."""
        return self.alias or self.target


Selected = tuple[Column | Embed, ...]
ALL: Final[Selected] = (Column(Field("*")),)

Quantifier = Literal["any", "all"]
Truth = Literal["null", "not_null", "true", "false", "unknown"]


@dataclass(frozen=True, slots=True)
class Compare:
    """An operator with one value, or with an array literal of which any or all must fit."""

    operator: str
    value: str
    quantifier: Quantifier | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Is:
    value: Truth


@dataclass(frozen=True, slots=True)
class Matches:
    """Full text search, in the language of a configuration or the default one."""

    operator: str
    language: str | None
    value: str


Operation = Compare | OneOf | Is | Matches


@dataclass(frozen=True, slots=True)
class Filter:
    field: Field
    operation: Operation
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by one word."""

    word: Literal["and", "or"]
    conditions: "tuple[Filter | Logic, ...]"
    is_negated: bool = False


Condition = Filter | Logic


@dataclass(frozen=True, slots=True)
class Order:
    """A term of an order; with `relation`, by a field of that embedded relation."""

    field: Field
    is_descending: bool = False
    nulls_first: bool | None = None
    relation: str | None = None


EmbedPath = tuple[str, ...]
