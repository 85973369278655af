"""Changes in words: "title became VP Sales", "company grew to 201–500"."""

from collections.abc import Callable
from typing import Any, Final

from domain.alerts.states import Change
from search import vocabulary
from search.criteria import OpenTerms
from search.request import Entity

REMOVED: Final = "removed from the catalogue"
NO_LONGER: Final = "no longer fits"
_KINDS: Final = {"industries": "industry", "technologies": "technology", "keywords": "keyword"}


def say(entity: Entity, change: Change, terms: OpenTerms) -> str:
    """A change as the reader of an alert is told it."""
    name = change.field.removeprefix("company_")
    whose = "company" if entity == "contacts" and change.field != name else ""
    told = _TOLD.get(name)
    if told is not None:
        return told(whose, change)
    if name in _KINDS:
        return _set_changed(f"{whose} {name}".strip(), change, lambda code: terms.display(_KINDS[name], code))
    if name == "departments":
        return _set_changed(name, change, lambda code: vocabulary.DEPARTMENTS.get(code, code))
    return _became(f"{whose} {name}".strip(), change)


def _became(label: str, change: Change) -> str:
    if change.new is None:
        return f"{label} is no longer known (was {change.old})"
    return f"{label} became {change.new}"


def _set_changed(label: str, change: Change, display: Callable[[str], str]) -> str:
    old, new = set(change.old or ()), set(change.new or ())
    parts = []
    if added := sorted(display(code) for code in new - old):
        parts.append(f"added {', '.join(added)}")
    if removed := sorted(display(code) for code in old - new):
        parts.append(f"lost {', '.join(removed)}")
    return f"{label}: {'; '.join(parts)}"


def _employees(whose: str, change: Change) -> str:
    if change.new is None:
        return f"{whose or 'its'} headcount is no longer known"
    size = _range(change.new)
    before = _middle(change.old) if change.old else None
    now = _middle(change.new)
    if before is None or before == now:
        return f"{whose} headcount became {size}".strip()
    return f"{whose} {'grew' if now > before else 'shrank'} to {size}".strip()


def _middle(ends: list[Any]) -> float:
    low, high = ends
    return float((low or 0) + (low if high is None else high)) / 2


def _range(ends: list[Any]) -> str:
    low, high = ends
    if low is not None and high is not None:
        return f"{low:,}" if low == high else f"{low:,}–{high:,}"
    return f"{low:,}+" if high is None else f"up to {high:,}"


def _revenue(whose: str, change: Change) -> str:
    label = f"{whose} revenue".strip()
    if change.new is None:
        return f"{label} is no longer known"
    low, high, currency = change.new
    return f"{label} became {_range([low, high])} {currency or ''}".strip()


def _funding(whose: str, change: Change) -> str:
    label = f"{whose} funding".strip()
    if change.new is None:
        return f"{label} is no longer known"
    stage, amount, currency, day = change.new
    parts = [vocabulary.FUNDING_STAGES.get(stage, stage)] if stage else []
    if amount is not None:
        parts.append(f"{amount:,} {currency or ''}".strip())
    return f"{label} became {', '.join(parts)}" + (f" ({day})" if day else "")


def _flag(what: str) -> Callable[[str, Change], str]:
    return lambda _, change: f"{what} is known now" if change.new else f"{what} is no longer known"


def _location(whose: str, change: Change) -> str:
    if change.new is None:
        return f"{whose} location is no longer known".strip()
    return f"{whose} moved to {change.new}".strip()


def _coded(label: str, words: Any) -> Callable[[str, Change], str]:
    def told(_: str, change: Change) -> str:
        return _became(
            label, Change(change.field, words.get(change.old, change.old), words.get(change.new, change.new))
        )

    return told


_TOLD: Final[dict[str, Callable[[str, Change], str]]] = {
    "employees": _employees,
    "revenue": _revenue,
    "funding": _funding,
    "location": _location,
    "has_email": _flag("an e-mail address"),
    "has_phone": _flag("a phone number"),
    "seniority": _coded("seniority", vocabulary.SENIORITIES),
    "email_status": _coded("e-mail address", vocabulary.EMAIL_STATUSES),
}
