"""The ways in which companies put a name into an address, and what a name looks like in each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

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
    short: str


AS_GIVEN: Final = "as given"
NICKNAME: Final = "nickname"
Part = Literal["given", "surname", ""]
# How many letters of a part are shown; 0 is all.
Cut = int
# How a part was formed, and whether it is a nickname.
Way = tuple[str, str]
# What a part may look like -> the ways in which it came to look so.
Pieces = Mapping[str, tuple[Way, ...]]


class _Shape(NamedTuple):
    """A template taken apart: one part of the name, what stands between, and perhaps another part."""

    template: str
    head: Part
    head_cut: Cut
    between: str
    tail: Part
    tail_cut: Cut
    needs_middle: bool


_FIELD: Final = re.compile(r"\{(first|last|f|l)(?::\.(\d))?\}")
_PARTS: Final[Mapping[str, Part]] = {"first": "given", "f": "given", "last": "surname", "l": "surname"}
_NOTHING: Final[Pieces] = {"": (("", ""),)}


def _shape(template: str, pattern: str) -> _Shape:
    fields = [
        (_PARTS[found[1]], int(found[2] or (1 if len(found[1]) == 1 else 0)))
        for found in _FIELD.finditer(pattern)
    ]
    (head, head_cut), (tail, tail_cut) = (*fields, ("", 0))[:2]
    between = _FIELD.sub("", pattern)
    return _Shape(template, head, head_cut, between, tail, tail_cut, "{m}" in pattern)


_SHAPES: Final = tuple(_shape(template, pattern) for template, pattern in TEMPLATES.items())


@dataclass(frozen=True, slots=True)
class Renderings:
    """What a name may look like before the @, and the choices that the name leaves."""

    spellings: tuple[str, ...]
    given: tuple[str, ...]
    surname: tuple[str, ...]
    nicknames: int
    middle: str
    name_class: str
    # By the spelling as it shows in a style, then by part and cut.
    pieces: Mapping[str, Mapping[tuple[Part, Cut], Pieces]]

    def __iter__(self) -> Iterator[tuple[str, Style]]:
        """Every local part with every style that makes it."""
        for spelling, pieces in self.pieces.items():
            for shape in self._shapes():
                between = shape.between.replace("{m}", self.middle)
                tails = pieces[shape.tail, shape.tail_cut]
                for head, head_ways in pieces[shape.head, shape.head_cut].items():
                    for tail, tail_ways in tails.items():
                        local = f"{head}{between}{tail}"
                        if 0 < len(local) <= MAX_LOCAL:
                            for style in _styles(shape, spelling, head_ways, tail_ways):
                                yield local, style

    def styles_of(self, local: str) -> tuple[Style, ...]:
        """The styles that make this local part, without making all the others."""
        found: dict[Style, None] = {}
        if not 0 < len(local) <= MAX_LOCAL:
            return ()
        for spelling, pieces in self.pieces.items():
            for shape in self._shapes():
                between = shape.between.replace("{m}", self.middle)
                if between not in local:
                    continue
                tails = pieces[shape.tail, shape.tail_cut]
                for head, head_ways in pieces[shape.head, shape.head_cut].items():
                    start = f"{head}{between}"
                    if not local.startswith(start):
                        continue
                    tail_ways = tails.get(local[len(start) :])
                    if tail_ways is not None:
                        found.update(dict.fromkeys(_styles(shape, spelling, head_ways, tail_ways)))
        return tuple(found)

    def locals(self, limit: int) -> list[str]:
        """Some of the local parts, the plainest templates first."""
        found: dict[str, None] = {}
        for local, _ in self:
            found[local] = None
            if len(found) == limit:
                break
        return list(found)

    def _shapes(self) -> Iterator[_Shape]:
        return (shape for shape in _SHAPES if self.middle or not shape.needs_middle)


def _styles(
    shape: _Shape, spelling: str, head_ways: tuple[Way, ...], tail_ways: tuple[Way, ...]
) -> Iterator[Style]:
    for head, head_short in head_ways:
        for tail, tail_short in tail_ways:
            if shape.head == "given":
                yield Style(shape.template, spelling, head, tail, head_short)
            else:
                yield Style(shape.template, spelling, tail, head, tail_short)


@lru_cache(maxsize=32_768)
def renderings(first: str, middle: str, last: str) -> Renderings:
    """All that a name may look like before the @; raises `BadName`."""
    name = forms(first, middle, last)
    given = tuple(form.way for form in name.first if form.spelling == "plain" and not form.is_nickname)
    nicknames = sum(form.is_nickname for form in name.first)
    surname = tuple(form.way for form in name.last if form.spelling == "plain")
    pieces = {}
    for spelling in name.spellings:
        shown = spelling if len(name.spellings) > 1 else ""
        firsts = [form for form in name.first if form.spelling == spelling]
        lasts = [form for form in name.last if form.spelling == spelling]
        cuts: dict[tuple[Part, Cut], Pieces] = {("", 0): _NOTHING}
        for shape in _SHAPES:
            for part, cut in ((shape.head, shape.head_cut), (shape.tail, shape.tail_cut)):
                if part == "given" and (part, cut) not in cuts:
                    # Of a given name shown by its initial alone there is one form.
                    some = [form for form in firsts if form.way == "first"] if cut == 1 else firsts
                    cuts[part, cut] = _cut(
                        some,
                        cut,
                        has_choice=len(given) > 1 and cut != 1,
                        has_short=bool(nicknames) and cut != 1,
                    )
                elif part == "surname" and (part, cut) not in cuts:
                    cuts[part, cut] = _cut(lasts, cut, has_choice=len(surname) > 1)
        pieces[shown] = cuts
    return Renderings(name.spellings, given, surname, nicknames, name.middle, name.name_class, pieces)


def _cut(forms_of_part: list[Form], cut: Cut, *, has_choice: bool, has_short: bool = False) -> Pieces:
    """The forms of a part, cut to so many letters, each with the ways that lead to it."""
    found: dict[str, tuple[Way, ...]] = {}
    for form in forms_of_part:
        piece = form.text[:cut] if cut else form.text
        short = (NICKNAME if form.is_nickname else AS_GIVEN) if has_short else ""
        way = (form.way if has_choice else "", short)
        known = found.get(piece, ())
        if way not in known:
            found[piece] = (*known, way)
    return found
