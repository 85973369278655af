"""The ways in which companies put a name into an address, and what a name looks like in each."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

from domain.finder.names import Form, forms

MAX_LOCAL: Final = 64
# What no template explains; it has a probability, and renders nothing.
OTHER: Final = "other"

TEMPLATES: Final[dict[str, str]] = {
    "first.last": "{first}.{last}",
    "firstlast": "{first}{last}",
    "first_last": "{first}_{last}",
    "first-last": "{first}-{last}",
    "last.first": "{last}.{first}",
    "lastfirst": "{last}{first}",
    "last_first": "{last}_{first}",
    "last-first": "{last}-{first}",
    "flast": "{f}{last}",
    "f.last": "{f}.{last}",
    "f_last": "{f}_{last}",
    "f-last": "{f}-{last}",
    "lastf": "{last}{f}",
    "last.f": "{last}.{f}",
    "last_f": "{last}_{f}",
    "firstl": "{first}{l}",
    "first.l": "{first}.{l}",
    "first_l": "{first}_{l}",
    "lfirst": "{l}{first}",
    "l.first": "{l}.{first}",
    "fl": "{f}{l}",
    "lf": "{l}{f}",
    "first": "{first}",
    "last": "{last}",
    "flast to 8 letters": "{f}{last:.7}",
    "lastf to 8 letters": "{last:.7}{f}",
    "two letters and last": "{first:.2}{last}",
    "three letters each": "{first:.3}{last:.3}",
    "first.m.last": "{first}.{m}.{last}",
    "fmlast": "{f}{m}{last}",
    "firstmlast": "{first}{m}{last}",
}


class Style(NamedTuple):
    """One complete way of writing a name. A feature that the name leaves no choice of is empty."""

    template: str
    spelling: str
    given: str
    surname: str


@dataclass(frozen=True, slots=True)
class Renderings:
    """Every local part that a name may have with the styles that make it, and the choices the name leaves."""

    by_local: dict[str, tuple[Style, ...]]
    spellings: tuple[str, ...]
    given: tuple[str, ...]
    surname: tuple[str, ...]
    name_class: str


class _Shape(NamedTuple):
    """What a pattern takes of a name."""

    pattern: str
    sees_given: bool
    sees_surname: bool
    # Of a given name shown by its initial alone there is one form.
    is_initial: bool
    needs_middle: bool


_SHAPES: Final = {
    template: _Shape(pattern, "{f" in pattern, "{l" in pattern, "{first" not in pattern, "{m}" in pattern)
    for template, pattern in TEMPLATES.items()
}
_NOTHING: Final = Form("", "", "")


@lru_cache(maxsize=32_768)
def renderings(first: str, middle: str, last: str) -> Renderings:
    """All that a name may look like before the @; raises `BadName`."""
    name = forms(first, middle, last)
    given = tuple(form.way for form in name.first if form.spelling == "plain")
    surname = tuple(form.way for form in name.last if form.spelling == "plain")
    found: dict[str, dict[Style, None]] = defaultdict(dict)
    for spelling in name.spellings:
        shown = spelling if len(name.spellings) > 1 else ""
        firsts = [form for form in name.first if form.spelling == spelling]
        lasts = [form for form in name.last if form.spelling == spelling]
        for template, shape in _SHAPES.items():
            if shape.needs_middle and not name.middle:
                continue
            for first_form, last_form in _pairs(shape, firsts, lasts):
                f, s = first_form.text, last_form.text
                local = shape.pattern.format(first=f, last=s, f=f[:1], l=s[:1], m=name.middle)
                if 0 < len(local) <= MAX_LOCAL:
                    given_way = first_form.way if len(given) > 1 and not shape.is_initial else ""
                    surname_way = last_form.way if len(surname) > 1 else ""
                    found[local][Style(template, shown, given_way, surname_way)] = None
    by_local = {local: tuple(styles) for local, styles in found.items()}
    return Renderings(by_local, name.spellings, given, surname, name.name_class)


def _pairs(shape: _Shape, firsts: list[Form], lasts: list[Form]) -> Iterator[tuple[Form, Form]]:
    """The forms that fill a pattern; none when the name lacks a part of it."""
    if not shape.sees_given:
        firsts = [_NOTHING]
    elif shape.is_initial:
        firsts = [form for form in firsts if form.way == "first"]
    return product(firsts, lasts if shape.sees_surname else [_NOTHING])
