"""The ways in which companies put a name into an address, and what a name looks like in each."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from domain.finder.names import Form, Forms, forms

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


@lru_cache(maxsize=32_768)
def renderings(first: str, middle: str, last: str) -> Renderings:
    """All that a name may look like before the @; raises `BadName`."""
    name = forms(first, middle, last)
    given = tuple(_way(form) for form in name.first if form.way.startswith("plain|"))
    surname = tuple(_way(form) for form in name.last if form.way.startswith("plain|"))
    choices = Renderings({}, name.spellings, given, surname, name.name_class)
    found: dict[str, dict[Style, None]] = defaultdict(dict)
    for template, pattern in TEMPLATES.items():
        for first_form, last_form in _pairs(pattern, name):
            fields = {"first": first_form.text, "last": last_form.text, "m": name.middle}
            local = pattern.format(f=first_form.text[:1], l=last_form.text[:1], **fields)
            if 0 < len(local) <= MAX_LOCAL:
                found[local][_style(template, pattern, first_form, last_form, choices)] = None
    by_local = {local: tuple(styles) for local, styles in found.items()}
    return Renderings(by_local, name.spellings, given, surname, name.name_class)


def _pairs(pattern: str, name: Forms) -> Iterator[tuple[Form, Form]]:
    """The forms that fill a pattern, both of one spelling; none when the name lacks a part of it."""
    nothing = (Form("", ""),)
    has_first, has_last = "{f" in pattern, "{l" in pattern
    if "{m}" in pattern and not name.middle:
        return
    firsts = name.first if has_first else nothing
    if has_first and "{first" not in pattern:  # of one letter there is one form
        firsts = tuple(form for form in name.first if _way(form) == "first")
    for first_form in firsts:
        for last_form in name.last if has_last else nothing:
            spellings = {form.way.partition("|")[0] for form in (first_form, last_form) if form.way}
            if len(spellings) == 1:
                yield first_form, last_form


def _style(template: str, pattern: str, first_form: Form, last_form: Form, choices: Renderings) -> Style:
    spelling = (first_form.way or last_form.way).partition("|")[0]
    sees_given = "{first" in pattern and len(choices.given) > 1
    return Style(
        template,
        spelling if len(choices.spellings) > 1 else "",
        _way(first_form) if sees_given else "",
        _way(last_form) if len(choices.surname) > 1 and last_form.way else "",
    )


def _way(form: Form) -> str:
    return form.way.partition("|")[2]
