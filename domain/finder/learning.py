"""What all companies together teach: the priors, how much they weigh, and how far belief may be believed.

Companies are split into folds; belief about one is formed with priors that its own addresses had no part
in, and the shares of right answers found so are what calibrates confidence.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Any, Final

from domain.finder.model import (
    FEATURES,
    Belief,
    Explained,
    Model,
    Odds,
    Prior,
    Sample,
    believe,
    candidates,
    explanations,
    flat_prior,
    shares,
)
from domain.finder.names import BadName
from domain.finder.templates import OTHER, TEMPLATES

# More of one company teach nothing about companies in general.
PER_COMPANY: Final = 12
_FOLDS: Final = 4
_ROUNDS: Final = 4
_WEIGHTS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_LEAST_COMPANIES_OF_A_COUNTRY: Final = 50
_SMOOTHING: Final = 0.3
_LEFT_OUT_PER_COMPANY: Final = 4


@dataclass(frozen=True, slots=True)
class Company:
    """The known addresses of a company."""

    country: str | None
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """One address held back: how much was believed in the answer, and what was right."""

    belief: float
    is_right: bool
    is_among_three: bool
    samples: int
    name_class: str


@dataclass(frozen=True, slots=True)
class Figures:
    """How good answers were on addresses that were held back."""

    trials: int
    accuracy_at_1: float
    accuracy_at_3: float
    brier: float
    ece: float
    covered: float
    reliability: list[dict[str, float]] = field(default_factory=list)
    by_samples: dict[str, dict[str, float]] = field(default_factory=dict)
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def learn(companies: Sequence[Company], *, version: int = 0) -> tuple[Model, Figures]:
    """A model, and its figures on companies it had not seen."""
    folds = [companies[place::_FOLDS] for place in range(_FOLDS)]
    trials: list[Trial] = []
    for place, fold in enumerate(folds):
        others = [company for at, other in enumerate(folds) if at != place for company in other]
        if others and fold:
            trials += leave_one_out(fit(others), fold)
    model = replace(fit(companies), calibration=isotonic(trials), version=version)
    out_of_fold = [replace(trial, belief=confidence(model, trial.belief)) for trial in trials]
    return model, figures(out_of_fold)


def fit(companies: Sequence[Company]) -> Model:
    """Priors and their weight, without calibration."""
    prepared = [
        (
            company.country,
            [(sample.weight, *explanations(sample)) for sample in company.samples[:PER_COMPANY]],
        )
        for company in companies
        if company.samples
    ]
    if not prepared:
        return Model()
    overall = _prior(flat_prior(), [explained for _, explained in prepared])
    by_country: dict[str, list[list[Explained]]] = defaultdict(list)
    for country, explained in prepared:
        if country:
            by_country[country].append(explained)
    countries = {
        country: _prior(overall, some)
        for country, some in by_country.items()
        if len(some) >= _LEAST_COMPANIES_OF_A_COUNTRY
    }
    draft = Model(prior=overall, by_country=countries)
    weight = max(_WEIGHTS, key=lambda weight: _likelihood(replace(draft, concentration=weight), companies))
    return replace(draft, concentration=weight)


def leave_one_out(model: Model, companies: Iterable[Company]) -> list[Trial]:
    """Each of some addresses of each company, sought from the company's others."""
    trials = []
    for company in companies:
        for place in range(min(len(company.samples), _LEFT_OUT_PER_COMPANY)):
            held = company.samples[place]
            # From none, one, several and all of the others, so that little evidence is tried as well.
            others = (company.samples[:place] + company.samples[place + 1 :])[
                : (0, 1, 3, PER_COMPANY)[place % 4]
            ]
            trial = _try(model, held, others, company.country)
            if trial is not None:
                trials.append(trial)
    return trials


def _try(model: Model, held: Sample, others: Sequence[Sample], country: str | None) -> Trial | None:
    known = {sample.local for sample in others}
    try:
        free = candidates(believe(model, others, country), held.name, but=known, limit=3)
    except BadName:
        return None
    if not free:
        return None
    name, _ = explanations(held)
    return Trial(
        free[0].belief,
        free[0].local == held.local,
        any(candidate.local == held.local for candidate in free),
        len(others),
        name.name_class if name else "none",
    )


def confidence(model: Model, belief: float) -> float:
    """Belief as a share of right answers, between the points that were measured."""
    points = model.calibration
    if not points:
        return belief
    place = bisect_right([point[0] for point in points], belief)
    if place == 0:
        return points[0][1] * belief / points[0][0] if points[0][0] else points[0][1]
    if place == len(points):
        return points[-1][1]
    (left, low), (right, high) = points[place - 1], points[place]
    return low if right == left else low + (high - low) * (belief - left) / (right - left)


def isotonic(trials: Sequence[Trial]) -> tuple[tuple[float, float], ...]:
    """Pooled neighbours: the rising shares of right answers by belief, a few at the least in each."""
    least = max(1, min(40, len(trials) // 25))
    ordered = sorted((trial.belief, trial.is_right) for trial in trials)
    blocks: list[list[float]] = []  # sum of beliefs, right ones, number
    for belief, is_right in ordered:
        if blocks and blocks[-1][2] < least:
            block = blocks[-1]
            block[0], block[1], block[2] = block[0] + belief, block[1] + is_right, block[2] + 1
        else:
            blocks.append([belief, float(is_right), 1.0])
        _pool(blocks, least)
    return tuple((total / number, (right + 0.5) / (number + 1)) for total, right, number in blocks)


def _pool(blocks: list[list[float]], least: int) -> None:
    while len(blocks) > 1 and blocks[-1][2] >= least:
        before, last = blocks[-2], blocks[-1]
        if before[1] / before[2] < last[1] / last[2]:
            return
        blocks[-2:] = [[a + b for a, b in zip(before, last, strict=True)]]


def figures(trials: Sequence[Trial]) -> Figures:
    """Accuracy, Brier score and expected calibration error; `belief` is taken as the confidence given."""
    if not trials:
        return Figures(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    count = len(trials)
    bins: dict[int, list[Trial]] = defaultdict(list)
    for trial in trials:
        bins[min(int(trial.belief * 10), 9)].append(trial)
    table = [
        {
            "from": place / 10,
            "count": float(len(some)),
            "confidence": _mean(trial.belief for trial in some),
            "right": _mean(trial.is_right for trial in some),
        }
        for place, some in sorted(bins.items())
    ]
    return Figures(
        trials=count,
        accuracy_at_1=_mean(trial.is_right for trial in trials),
        accuracy_at_3=_mean(trial.is_among_three for trial in trials),
        brier=_mean((trial.belief - trial.is_right) ** 2 for trial in trials),
        ece=sum(row["count"] / count * abs(row["confidence"] - row["right"]) for row in table),
        covered=_mean(trial.belief >= 0.8 for trial in trials),
        reliability=table,
        by_samples=_grouped((_sample_group(trial.samples), trial) for trial in trials),
        by_class=_grouped((trial.name_class, trial) for trial in trials),
    )


def _grouped(pairs: Iterable[tuple[str, Trial]]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[Trial]] = defaultdict(list)
    for name, trial in pairs:
        groups[name].append(trial)
    return {
        name: {
            "trials": float(len(some)),
            "accuracy_at_1": _mean(trial.is_right for trial in some),
            "accuracy_at_3": _mean(trial.is_among_three for trial in some),
        }
        for name, some in sorted(groups.items())
    }


def _sample_group(samples: int) -> str:
    return "0" if samples == 0 else "1" if samples == 1 else "2-4" if samples < 5 else "5+"


def _mean(values: Iterable[float]) -> float:
    all_values = list(values)
    return sum(all_values) / len(all_values) if all_values else 0.0


def _prior(base: Prior, companies: Sequence[Sequence[Explained]]) -> Prior:
    """What companies have in common: each counts once, whatever the number of its addresses."""
    prior = base
    for _ in range(_ROUNDS):
        templates: dict[str, float] = defaultdict(float)
        features: dict[str, dict[str, float]] = {feature: defaultdict(float) for feature in FEATURES}
        for explained in companies:
            belief = Belief(prior, 0.5, {}, {}, len(explained))
            for _ in range(2):
                found, forms = shares(belief, explained)
                belief = Belief(prior, 0.5, found, forms, len(explained))
            _add(templates, found)
            for feature in FEATURES:
                _add(features[feature], forms[feature])
        prior = Prior(
            _smoothed(templates, base.templates, [*TEMPLATES, OTHER]),
            {
                feature: _smoothed(features[feature], base.features[feature], list(base.features[feature]))
                for feature in FEATURES
            },
        )
    return prior


def _add(to: dict[str, float], counts: Mapping[str, float]) -> None:
    total = sum(counts.values())
    for name, count in counts.items():
        to[name] += count / total


def _smoothed(
    counts: Mapping[str, float], base: Mapping[str, float], names: Sequence[str]
) -> dict[str, float]:
    """Shares, with what was believed before counting as a few companies."""
    weight = _SMOOTHING * len(names)
    total = sum(counts.values()) + weight
    scale = sum(base.get(name, 0.0) for name in names) or 1.0
    return {name: (counts.get(name, 0.0) + weight * base.get(name, 0.0) / scale) / total for name in names}


def _likelihood(model: Model, companies: Sequence[Company]) -> float:
    """How likely held-back addresses were, over a part of the companies: enough to choose a weight by."""
    step = max(1, len(companies) // 300)
    total = 0.0
    for company in companies[::step]:
        samples = company.samples[:5]
        for place in range(min(len(samples), 3)):
            held = samples[place]
            name, styles = explanations(held)
            others = samples[:place] + samples[place + 1 :]
            belief = believe(model, others[: place + 1], company.country)
            if name is not None and styles:
                total += log(max(sum(map(Odds(belief).of(name), styles)), 1e-9))
            else:
                total += log(belief.other())
    return total
