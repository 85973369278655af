"""What all companies together teach: the priors, how much they weigh, and how far belief may be believed.

Companies are split into folds; belief about one is formed with priors that its own addresses had no part
in, and the shares of right answers found so are what calibrates confidence.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Any, Final

from domain.finder import baselines
from domain.finder.model import (
    FEATURES,
    PLAIN,
    Belief,
    Explained,
    Explanation,
    Model,
    Odds,
    Prior,
    Sample,
    believe,
    candidates,
    explain,
    explanation,
    settle,
    shares,
)
from domain.finder.names import BadName
from domain.finder.templates import OTHER, TEMPLATES

# More of one company teach nothing about companies in general.
PER_COMPANY: Final = 12
_FOLDS: Final = 4
_ROUNDS: Final = 4
_WEIGHTS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_LEAST_COMPANIES_OF_A_GROUP: Final = 50
_SMOOTHING: Final = 0.3
_LEFT_OUT_PER_COMPANY: Final = 4
# So many companies are enough to choose weights by.
_WEIGHED_BY: Final = 150
# What was learned before never counts as more than so many companies, or trials.
_REMEMBERED: Final = 4_000.0


@dataclass(frozen=True, slots=True)
class Company:
    """The known addresses of a company."""

    country: str | None
    samples: tuple[Sample, ...]
    # One of `size_of`.
    size: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One address held back: how much was believed in the answer, and what was right."""

    belief: float
    is_right: bool
    is_among_three: bool
    samples: int
    name_class: str
    # Whether a simple rule was right; see `baselines`.
    first_last: bool = False
    majority: bool = False


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
    # How often two simple rules were right on the same addresses.
    baselines: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


_SIZES: Final = ((10, "1-10"), (50, "11-50"), (500, "51-500"))


def size_of(employees: int | None) -> str | None:
    """The kinds of size that patterns go by: small companies use given names alone, large ones cannot."""
    if employees is None:
        return None
    return next((name for most, name in _SIZES if employees <= most), "501+")


def learn(companies: Sequence[Company], *, version: int = 0) -> tuple[Model, Figures]:
    """A model, and its figures on companies it had not seen."""
    folds, weights = _crossed(companies)
    trials = [trial for fold in folds for trial in fold]
    model = _weighed_as(fit(companies), weights or Model())
    model = replace(model, calibration=isotonic(trials), version=version)
    return model, _told(model, trials)


def crossed(companies: Sequence[Company]) -> Figures:
    """How good a model is on companies that had no part in it, nor in the confidence it tells."""
    folds, _ = _crossed(companies)
    told: list[Trial] = []
    for place, fold in enumerate(folds):
        others = [trial for at, other in enumerate(folds) if at != place for trial in other]
        measured = Model(calibration=isotonic(others))
        told += [replace(trial, belief=confidence(measured, trial.belief)) for trial in fold]
    return figures(told)


def _crossed(companies: Sequence[Company]) -> tuple[list[list[Trial]], Model | None]:
    """Addresses of each fold of companies, sought by a model of the others; and the weights it had."""
    folds = [companies[place::_FOLDS] for place in range(_FOLDS)]
    trials: list[list[Trial]] = []
    weights: Model | None = None
    for place, fold in enumerate(folds):
        others = [company for at, other in enumerate(folds) if at != place for company in other]
        if others and fold:
            weights = weights or weighed(fit(others), others)
            trials.append(leave_one_out(_weighed_as(fit(others), weights), fold))
    return trials, weights


def refine(model: Model, companies: Sequence[Company]) -> tuple[Model, Figures]:
    """The model moved on by companies that are new or have changed; its figures are on these, unseen.

    What was learned before counts as so many companies, up to a number: habits change.
    """
    trials = leave_one_out(model, companies)
    moved = fit(companies, before=model)
    moved = replace(moved, calibration=isotonic(trials, before=model.calibration), version=model.version)
    return moved, _told(model, trials)


def _told(model: Model, trials: Sequence[Trial]) -> Figures:
    return figures([replace(trial, belief=confidence(model, trial.belief)) for trial in trials])


def fit(companies: Sequence[Company], *, before: Model | None = None) -> Model:
    """Priors without calibration, moved on from those of `before`."""
    prepared = [(company, explain(company.samples[:PER_COMPANY])) for company in companies if company.samples]
    old = before or Model()
    if not prepared:
        return old
    known = {name: min(number, _REMEMBERED) for name, number in old.companies.items()}
    everybody = [explained for _, explained in prepared]
    overall = _prior(old.prior, everybody, seen=known.get("", 0.0))
    countries: dict[str, list[list[Explained]]] = defaultdict(list)
    sizes: dict[str, list[list[Explained]]] = defaultdict(list)
    for company, explained in prepared:
        if company.country:
            countries[company.country].append(explained)
        if company.size:
            sizes[company.size].append(explained)
    counted = {name: float(len(some)) for name, some in {"": everybody, **countries, **sizes}.items()}
    return replace(
        old,
        prior=overall,
        by_country=_of_groups(old.by_country, countries, overall, known),
        by_size=_of_groups(old.by_size, sizes, overall, known),
        companies={name: counted.get(name, 0.0) + known.get(name, 0.0) for name in {*counted, *known}},
    )


def _of_groups(
    before: Mapping[str, Prior],
    groups: Mapping[str, Sequence[Sequence[Explained]]],
    overall: Prior,
    known: Mapping[str, float],
) -> dict[str, Prior]:
    """The priors of groups of companies, of those that are large enough."""
    found = dict(before)
    for group, some in groups.items():
        if len(some) + known.get(group, 0.0) >= _LEAST_COMPANIES_OF_A_GROUP:
            seen = known.get(group, 0.0) if group in found else 0.0
            found[group] = _prior(found.get(group, overall), some, seen=seen)
    return found


def weighed(model: Model, companies: Sequence[Company]) -> Model:
    """The model with the weights of its priors under which held-back addresses were likeliest."""
    held = list(_held_back(companies[:: max(1, len(companies) // _WEIGHED_BY)]))
    names = ["of_features", "concentration", "of_features"]
    if any(explained.added != PLAIN for _, explained, _ in held):
        names.append("of_additions")
    for name in names:
        tried = [replace(model, **{name: weight}) for weight in _WEIGHTS]  # type: ignore[arg-type]
        model = max(tried, key=lambda one: _likelihood(one, held))
    return model


def _weighed_as(model: Model, other: Model) -> Model:
    return replace(
        model,
        concentration=other.concentration,
        of_features=other.of_features,
        of_additions=other.of_additions,
    )


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
            trial = _try(model, held, others, company)
            if trial is not None:
                trials.append(trial)
    return trials


def _try(model: Model, held: Sample, others: Sequence[Sample], company: Company) -> Trial | None:
    known = {sample.local for sample in others}
    try:
        belief = believe(model, others, company.country, company.size)
        free = candidates(belief, held.name, taken=known, limit=3)
    except BadName:
        return None
    if not free:
        return None
    name = explanation(held).name
    return Trial(
        free[0].belief,
        free[0].local == held.local,
        any(candidate.local == held.local for candidate in free),
        len(others),
        name.name_class if name else "none",
        first_last=baselines.first_last(held.name) == held.local,
        majority=baselines.majority(held.name, others) == held.local,
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
    (left, low, _), (right, high, _) = points[place - 1], points[place]
    return low if right == left else low + (high - low) * (belief - left) / (right - left)


def isotonic(
    trials: Sequence[Trial], *, before: Sequence[tuple[float, float, float]] = ()
) -> tuple[tuple[float, float, float], ...]:
    """Pooled neighbours: the rising shares of right answers by belief, a few at the least in each.

    What was measured `before` counts as the trials it rests on, up to a number.
    """
    kept = sum(number for *_, number in before)
    scale = min(1.0, _REMEMBERED / kept) if kept else 1.0
    # Trials of the same belief are one point: they cannot be told apart, whatever came of them.
    points: dict[float, list[float]] = {}  # sum of beliefs, right ones, number
    for belief, share, number in before:
        _count(points, belief, share * number * scale, number * scale)
    for trial in trials:
        _count(points, trial.belief, float(trial.is_right), 1.0)
    least = max(1.0, min(40.0, sum(number for *_, number in points.values()) / 25))
    blocks: list[list[float]] = []
    for _, point in sorted(points.items()):
        if blocks and blocks[-1][2] < least:
            blocks[-1] = [a + b for a, b in zip(blocks[-1], point, strict=True)]
        else:
            blocks.append(point)
        _pool(blocks, least)
    return tuple((total / number, (right + 0.5) / (number + 1), number) for total, right, number in blocks)


def _count(points: dict[float, list[float]], belief: float, right: float, number: float) -> None:
    point = points.setdefault(round(belief, 6), [0.0, 0.0, 0.0])
    point[:] = [a + b for a, b in zip(point, (belief * number, right, number), strict=True)]


def _pool(blocks: list[list[float]], least: float) -> None:
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
        baselines=_simple(trials),
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
            **_simple(some),
        }
        for name, some in sorted(groups.items())
    }


def _simple(trials: Sequence[Trial]) -> dict[str, float]:
    return {
        "first_last": _mean(trial.first_last for trial in trials),
        "majority": _mean(trial.majority for trial in trials),
    }


def _sample_group(samples: int) -> str:
    return "0" if samples == 0 else "1" if samples == 1 else "2-4" if samples < 5 else "5+"


def _mean(values: Iterable[float]) -> float:
    all_values = list(values)
    return sum(all_values) / len(all_values) if all_values else 0.0


def _prior(base: Prior, companies: Sequence[Sequence[Explained]], *, seen: float = 0.0) -> Prior:
    """What companies have in common: each counts once, whatever the number of its addresses.

    The base counts as the companies it was learned from, or as a few.
    """
    prior = base
    for _ in range(_ROUNDS):
        templates: dict[str, float] = defaultdict(float)
        features: dict[str, dict[str, float]] = {feature: defaultdict(float) for feature in FEATURES}
        at_first = Odds(Belief(prior, 0.5, 0.5, {}, {}, 0))
        for explained in companies:
            found, forms = shares(at_first, explained)
            found, forms = shares(Odds(Belief(prior, 0.5, 0.5, found, forms, len(explained))), explained)
            _add(templates, found)
            for feature in FEATURES:
                _add(features[feature], forms[feature])
        prior = Prior(
            _smoothed(templates, base.templates, [*TEMPLATES, OTHER], seen),
            {
                feature: _smoothed(
                    features[feature], base.features[feature], list(base.features[feature]), seen
                )
                for feature in FEATURES
            },
        )
    return prior


def _add(to: dict[str, float], counts: Mapping[str, float]) -> None:
    total = sum(counts.values())
    for name, count in counts.items():
        to[name] += count / total


def _smoothed(
    counts: Mapping[str, float], base: Mapping[str, float], names: Sequence[str], seen: float
) -> dict[str, float]:
    """Shares, with what was believed before counting as so many companies, a few at the least."""
    weight = max(_SMOOTHING * len(names), seen)
    total = sum(counts.values()) + weight
    scale = sum(base.get(name, 0.0) for name in names) or 1.0
    return {name: (counts.get(name, 0.0) + weight * base.get(name, 0.0) / scale) / total for name in names}


Held = tuple[Company, Explanation, list[Explained]]


def _held_back(companies: Sequence[Company]) -> Iterator[Held]:
    """Some addresses of each company, each with a few of the others to be sought from."""
    for company in companies:
        samples = company.samples[:5]
        for place in range(min(len(samples), 3)):
            others = samples[:place] + samples[place + 1 :]
            yield company, explanation(samples[place]), explain(others[: place + 1])


def _likelihood(model: Model, held: Sequence[Held]) -> float:
    """How likely held-back addresses were."""
    total = 0.0
    for company, (name, styles, added), others in held:
        belief = settle(model, others, company.country, company.size)
        if name is not None and styles:
            share = belief.additions.get(added, 0.0)
            total += log(max(share * sum(map(Odds(belief).of(name), styles)), 1e-9))
        else:
            total += log(belief.other())
    return total
