"""What is believed of a company's addresses: a prior over styles, and what its known addresses make of it.

The style of an address is its template and its features (how marks are spelled, which form each part of
the name takes). The prior of each is learned over all companies, by country and by size where there is
enough; a company's own addresses weigh against it as Dirichlet counts. An address that several styles
explain is shared among them by their probability, until the shares no longer move.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from heapq import nsmallest
from itertools import count
from typing import Any, Final, NamedTuple

from domain.finder.names import BadName
from domain.finder.templates import (
    AS_GIVEN,
    MAX_LOCAL,
    NICKNAME,
    OTHER,
    TEMPLATES,
    Renderings,
    Style,
    renderings,
)

MAX_CANDIDATES: Final = 20
_ROUNDS: Final = 12
_SETTLED: Final = 1e-10
FEATURES: Final = ("spelling", "given", "surname", "short")
# What holds before anything was learned: every template about as likely, the plain forms likelier.
_FLAT_FEATURES: Final[dict[str, dict[str, float]]] = {
    "spelling": {"plain": 0.6, "written out": 0.4},
    "given": {"first": 0.8, "joined": 0.09, "hyphen": 0.08, "last": 0.02, "initials": 0.01},
    "surname": {
        "joined": 0.5, "bare": 0.1, "first": 0.1, "last": 0.08, "first word": 0.06, "hyphen": 0.12,
        "dot": 0.04,
    },
    "short": {AS_GIVEN: 0.97, NICKNAME: 0.03},
}  # fmt: skip
_LEAST: Final = 1e-5
_SAME: Final = 1e-12
# How often a namesake of somebody at the company is told apart by a number.
_NUMBERED: Final = 0.5
# What a company adds to names is short.
_LONGEST_ADDED: Final = 8
_SEPARATOR: Final = re.compile(r"[._-]")


@dataclass(frozen=True, slots=True)
class Name:
    """Whose address is sought or known."""

    first: str
    middle: str
    last: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A known address at a company: whose, and what stands before the @; older ones weigh less."""

    name: Name
    local: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Prior:
    """Probabilities of templates and of the forms of each feature."""

    templates: Mapping[str, float]
    features: Mapping[str, Mapping[str, float]]


def flat_prior() -> Prior:
    share = 0.9 / len(TEMPLATES)
    return Prior({**dict.fromkeys(TEMPLATES, share), OTHER: 0.1}, _FLAT_FEATURES)


@dataclass(frozen=True, slots=True)
class Model:
    """The learned: priors, how much they weigh against samples, and the way from belief to confidence."""

    prior: Prior = field(default_factory=flat_prior)
    by_country: Mapping[str, Prior] = field(default_factory=dict)
    by_size: Mapping[str, Prior] = field(default_factory=dict)
    # So many samples weigh as much as the prior: of templates, of the forms of a feature, and of that nothing
    # is added to names. With 1.0 a single addition is not believed to be the company's.
    concentration: float = 1.0
    of_features: float = 1.0
    of_additions: float = 1.0
    # Belief, share of the right, number of trials, ascending; without any, belief is taken as it is.
    calibration: tuple[tuple[float, float, float], ...] = ()
    # From how many companies it was learned, in all ("") and by country and size.
    companies: Mapping[str, float] = field(default_factory=dict)
    version: int = 0

    def prior_for(self, country: str | None, size: str | None = None) -> Prior:
        """Size tells which templates are usual, as far as it does, on top of what the country tells."""
        prior, sized = self.by_country.get(country or "", self.prior), self.by_size.get(size or "")
        if sized is None:
            return prior
        # As if size and country told of a template independently of each other.
        odds = {
            template: share
            * sized.templates.get(template, _LEAST)
            / self.prior.templates.get(template, _LEAST)
            for template, share in prior.templates.items()
        }
        total = sum(odds.values())
        return Prior({template: share / total for template, share in odds.items()}, prior.features)

    def as_json(self) -> dict[str, Any]:
        return {
            "prior": _plain(self.prior),
            "by_country": {country: _plain(prior) for country, prior in self.by_country.items()},
            "by_size": {size: _plain(prior) for size, prior in self.by_size.items()},
            "concentration": self.concentration,
            "of_features": self.of_features,
            "of_additions": self.of_additions,
            "calibration": [list(point) for point in self.calibration],
            "companies": dict(self.companies),
        }


def model_from_json(plain: Mapping[str, Any], *, version: int) -> Model:
    return Model(
        prior=_prior_from(plain["prior"]),
        by_country={country: _prior_from(prior) for country, prior in plain["by_country"].items()},
        by_size={size: _prior_from(prior) for size, prior in plain.get("by_size", {}).items()},
        concentration=plain["concentration"],
        of_features=plain.get("of_features", plain["concentration"]),
        of_additions=plain.get("of_additions", 1.0),
        calibration=tuple(
            (point[0], point[1], point[2] if len(point) > 2 else 1.0) for point in plain["calibration"]
        ),
        companies=plain.get("companies", {}),
        version=version,
    )


class Added(NamedTuple):
    """What a company puts before or after the name of some of its people, as in `ext.first.last`."""

    before: str = ""
    after: str = ""

    def to(self, text: str) -> str:
        return f"{self.before}{text}{self.after}"


PLAIN: Final = Added()


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one company: probabilities of templates and features, and from how much."""

    prior: Prior
    weight: float
    feature_weight: float
    # How much of the samples each template and each form of a feature explains.
    templates: Mapping[str, float]
    features: Mapping[str, Mapping[str, float]]
    samples: int
    # What is added to names here, with its probability; the first is nothing.
    additions: Mapping[Added, float] = field(default_factory=lambda: {PLAIN: 1.0})

    def other(self) -> float:
        """The probability that no template explains an address."""
        return _Weighed(self.prior.templates, self.templates, self.weight)[OTHER]


class Odds:
    """The probabilities of a belief, worked out once, for the styles of any name."""

    def __init__(self, belief: Belief) -> None:
        prior, weight = belief.prior, belief.weight
        self._templates = _Weighed(prior.templates, belief.templates, weight)
        self._features = [
            _Shares(
                _Weighed(
                    prior.features.get(feature, {}), belief.features.get(feature, {}), belief.feature_weight
                )
            )
            for feature in FEATURES
        ]

    def of(self, name: Renderings) -> Callable[[Style], float]:
        """The probability of a style of this name; the forms of a feature share among those it leaves."""
        templates = self._templates
        spellings, givens, surnames, shorts = self._features
        spelling, given, surname = spellings[name.spellings], givens[name.given], surnames[name.surname]
        short = shorts[AS_GIVEN, NICKNAME]
        if name.nicknames > 1:
            short = {**short, NICKNAME: short[NICKNAME] / name.nicknames}

        def chance(style: Style) -> float:
            return (
                templates[style[0]]
                * spelling[style[1]]
                * given[style[2]]
                * surname[style[3]]
                * short[style[4]]
            )

        return chance


class _Weighed(dict[str, float]):
    """Prior and counts together, as a Dirichlet distribution has them; worked out where it is looked at."""

    def __init__(self, prior: Mapping[str, float], counts: Mapping[str, float], weight: float) -> None:
        self._prior, self._counts, self._weight = prior, counts, weight
        self._total = weight + sum(counts.values())

    def __missing__(self, name: str) -> float:
        prior, count = self._prior.get(name, _LEAST), self._counts.get(name, 0.0)
        self[name] = odds = (self._weight * prior + count) / self._total
        return odds


class _Shares(dict[tuple[str, ...], Mapping[str, float]]):
    """The odds of some forms among themselves; a feature without a choice weighs nothing."""

    def __init__(self, odds: _Weighed) -> None:
        self._odds = odds

    def __missing__(self, forms: tuple[str, ...]) -> Mapping[str, float]:
        odds = self._odds
        total = sum(odds[form] for form in forms)
        self[forms] = shared = {"": 1.0, **{form: odds[form] / total for form in forms}}
        return shared


def believe(
    model: Model, samples: Sequence[Sample], country: str | None = None, size: str | None = None
) -> Belief:
    """What samples make of the prior; their order does not matter."""
    return settle(model, explain(samples), country, size)


class Explanation(NamedTuple):
    """Of an address: the name, the styles that make the address of it, and what is added to that."""

    name: Renderings | None = None
    styles: tuple[Style, ...] = ()
    added: Added = PLAIN

    def patterns(self) -> set[str]:
        return {self.added.to(style.template) for style in self.styles}


Explained = tuple[float, Explanation]


def explain(samples: Sequence[Sample]) -> list[Explained]:
    """Each sample's weight and explanation, in an order of their own."""
    ordered = sorted(samples, key=lambda s: (s.local, s.name.last, s.name.first, s.name.middle, s.weight))
    return [(sample.weight, explanation(sample)) for sample in ordered]


def settle(
    model: Model, explained: Sequence[Explained], country: str | None, size: str | None = None
) -> Belief:
    """Share the samples among their styles until nothing moves any more."""
    prior, additions = model.prior_for(country, size), _additions(model, explained)
    belief = Belief(prior, model.concentration, model.of_features, {}, {}, len(explained), additions)
    for _ in range(_ROUNDS if explained else 0):
        templates, features = shares(Odds(belief), explained)
        moved = max(abs(templates[key] - belief.templates.get(key, 0.0)) for key in templates)
        belief = replace(belief, templates=templates, features=features)
        if moved < _SETTLED:
            break
    return belief


def _additions(model: Model, explained: Sequence[Explained]) -> dict[Added, float]:
    counts = defaultdict(float, {PLAIN: model.of_additions})
    for weight, found in explained:
        if found.styles:
            counts[found.added] += weight
    total = sum(counts.values())
    return {added: number / total for added, number in counts.items()}


def explanation(sample: Sample) -> Explanation:
    """How the sample's address is made of its name; a namesake's number is looked past."""
    return _explanation(sample.name, sample.local.lower().partition("+")[0])


@lru_cache(maxsize=65_536)
def _explanation(known: Name, local: str) -> Explanation:
    try:
        name = renderings(known.first, known.middle, known.last)
    except BadName:
        return Explanation()
    for bare in (local, local.rstrip("0123456789")):
        styles = name.styles_of(bare)
        if styles:
            return Explanation(name, styles)
    for added, rest in _taken_apart(local):
        # A part of a name may be in it by accident; given name and surname together are not.
        styles = tuple(style for style in name.styles_of(rest) if style.template in _OF_BOTH)
        if styles:
            return Explanation(name, styles, added)
    return Explanation(name)


_OF_BOTH: Final = frozenset(
    template
    for template, pattern in TEMPLATES.items()
    if "{last}" in pattern and ("{first}" in pattern or "{f}" in pattern)
)


def _taken_apart(local: str) -> Iterator[tuple[Added, str]]:
    """An address without what may be added to a name before or after it, up to a separator."""
    for found in _SEPARATOR.finditer(local):
        if found.end() <= _LONGEST_ADDED:
            yield Added(before=local[: found.end()]), local[found.end() :]
        if len(local) - found.start() <= _LONGEST_ADDED:
            yield Added(after=local[found.start() :]), local[: found.start()]


def shares(
    odds: Odds, explained: Sequence[Explained]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """How much of the samples goes to each template and form, by the present belief."""
    templates: dict[str, float] = defaultdict(float)
    features: dict[str, dict[str, float]] = {feature: defaultdict(float) for feature in FEATURES}
    for weight, (name, styles, _) in explained:
        if name is None or not styles:
            templates[OTHER] += weight
            continue
        chances = list(map(odds.of(name), styles))
        total = sum(chances)
        for style, chance in zip(styles, chances, strict=True):
            share = weight * chance / total
            templates[style.template] += share
            for feature, form in zip(FEATURES, style[1:], strict=True):
                if form:
                    features[feature][form] += share
    return dict(templates), {feature: dict(counts) for feature, counts in features.items()}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A local part, how much is believed in it, and the style that contributes most."""

    local: str
    belief: float
    template: str


def candidates(
    belief: Belief,
    name: Name,
    *,
    taken: Container[str] = (),
    bounced: Container[str] = (),
    limit: int = MAX_CANDIDATES,
) -> list[Candidate]:
    """The most believed local parts the name may have, the first first; raises `BadName`.

    One that is somebody else's leaves half of its probability to the same with a number behind.
    """
    made = renderings(name.first, name.middle, name.last)
    chance = Odds(belief).of(made)
    total: dict[str, float] = {}
    best: dict[str, tuple[float, str]] = {}
    for local, style in made:
        odds = chance(style)
        if local not in total:
            total[local] = odds
            best[local] = odds, style.template
            continue
        total[local] += odds
        most, named = best[local]
        # Of styles as likely as each other, the plainer one is named: the templates come in that order.
        if odds > most + _SAME and style.template != named:
            best[local] = odds, style.template
    ranked = []
    for place, (added, share) in enumerate(belief.additions.items()):
        for bare, odds in total.items():
            local = added.to(bare) if place else bare
            believed = odds * share
            if local in taken:
                local = next(f"{local}{n}" for n in count(2) if f"{local}{n}" not in taken)
                believed *= _NUMBERED
            if local not in bounced and len(local) <= MAX_LOCAL:
                ranked.append((-believed, place, local, bare))
    additions = list(belief.additions)
    return [
        Candidate(local, -odds, additions[place].to(best[bare][1]))
        for odds, place, local, bare in nsmallest(limit, ranked)
    ]


def _plain(prior: Prior) -> dict[str, Any]:
    return {
        "templates": dict(prior.templates),
        "features": {feature: dict(forms) for feature, forms in prior.features.items()},
    }


def _prior_from(plain: Mapping[str, Any]) -> Prior:
    """A kept prior; a feature that it was learned without is as before anything was learned."""
    return Prior(plain["templates"], {**_FLAT_FEATURES, **plain["features"]})
