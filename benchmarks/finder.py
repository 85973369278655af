"""How often the finder is right, how sure it may be, and how fast it is: `python -m benchmarks.finder`.

Two markets, each split into companies to learn from and companies to be tried on. The demo market has one
pattern per company. The hidden market is made here, without a line of the finder: companies with mixtures
and switches of patterns, five patterns that the finder has no template for, five languages, namesakes,
particles, double names and 3 % noise. The baselines are `first.last` always, and the most frequent of ten
patterns among the known addresses.
"""

import argparse
import json
import random
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import product
from typing import Any

from domain.demo import generate
from domain.finder.learning import Company, confidence, figures, learn, leave_one_out
from domain.finder.model import Model, Name, Sample, believe, candidates
from domain.finder.templates import renderings


def demo_market(seed: int, organizations: int, contacts: int) -> list[Company]:
    """The demo's people by the domain of their address, as its files have them."""
    market = generate.market(seed=seed, organizations=organizations)
    rows: Iterable[Any] = generate.people(market, contacts)
    by_domain: dict[str, list[Sample]] = defaultdict(list)
    country: dict[str, str] = {}
    for person in rows:
        if person.email and person.email_status != "webmail":
            local, _, domain = person.email.partition("@")
            name = Name(person.first_name, "", person.last_name)
            by_domain[domain].append(Sample(name, local.lower()))
    return [Company(country.get(domain), tuple(some)) for domain, some in sorted(by_domain.items())]


# ---- the hidden market ----

_GIVEN = {
    "DE": ["Jürgen", "Käthe", "Anna", "Lukas", "Björn", "Sören", "Heike", "Uwe", "Günther", "Jörg",
           "Karl-Heinz", "Marie-Luise", "Ute", "Dirk", "Nele"],
    "FR": ["Jean-Pierre", "Éloïse", "François", "Chloé", "Anne-Marie", "Luc", "Zoé", "Hélène", "René",
           "Mathis", "Inès", "Benoît", "Agnès"],
    "ES": ["José", "María", "Íñigo", "Lucía", "Ángel", "Nuria", "Jesús", "Begoña", "Raúl", "Sofía", "Martín",
           "Inés", "Juan-Carlos", "Óscar"],
    "SE": ["Åsa", "Björn", "Örjan", "Maja", "Göran", "Linnéa", "Håkan", "Jonas", "Ebba", "Søren", "Åke",
           "Märta", "Nils", "Kjell"],
    "US": ["William", "James", "Emily", "Olivia", "Robert", "Elizabeth", "Michael", "Jessica", "Thomas",
           "Grace", "Noah", "Ethan", "Mia", "Ava"],
}  # fmt: skip
_SURNAMES = {
    "DE": ["Müller", "Schröder", "Groß", "Weiß", "Krämer", "von der Heide", "Meyer-Köhler", "Schulz",
           "Becker", "Hoffmann", "Köhler", "Jäger", "zu Guttenberg", "Böhm", "Vogel",
           "Fuchs", "Lange", "Krüger"],
    "FR": ["Lefèvre", "Dubois", "de La Tour", "Garçon", "Béranger", "D'Angelo", "Petit", "Moreau", "Fournier",
           "Le Goff", "Saint-Martin", "Girard", "Roussel", "Perrin", "Chevalier", "Noël"],
    "ES": ["García López", "Núñez", "Muñoz Pérez", "de la Fuente", "Ibáñez", "Torres", "Ortega Ruiz", "Vidal",
           "Peña", "Castro", "Gómez Díaz", "Serrano", "Blanco", "Marín Soto"],
    "SE": ["Sjöström", "Åkesson", "Lindqvist", "Nyström", "af Klint", "Bergström", "Ekström", "Holm",
           "Östlund", "Sandberg", "Wallin", "Hägg", "Norén", "Dahl"],
    "US": ["Smith", "O'Brien", "Johnson", "Van Buren", "Carter", "McDonald", "Taylor-Reed", "Nguyen", "Clark",
           "Walker", "Allen", "Young", "Wright", "Scott", "Baker", "Adams"],
}  # fmt: skip
# The first ten are known to the second baseline; the last five to nobody.
_PATTERNS: dict[str, tuple[float, Any]] = {
    "first.last": (38, lambda f, s: f"{f}.{s}"),
    "flast": (18, lambda f, s: f"{f[0]}{s}"),
    "first": (8, lambda f, _: f),
    "firstlast": (6, lambda f, s: f"{f}{s}"),
    "f.last": (8, lambda f, s: f"{f[0]}.{s}"),
    "first_last": (4, lambda f, s: f"{f}_{s}"),
    "last": (3, lambda _, s: s),
    "last.first": (4, lambda f, s: f"{s}.{f}"),
    "lastf": (3, lambda f, s: f"{s}{f[0]}"),
    "first-last": (3, lambda f, s: f"{f}-{s}"),
    "reversed": (1, lambda f, s: f"{s[::-1]}.{f}"),
    "x-first": (1, lambda f, s: f"x-{f}.{s}"),
    "initials.code": (1, lambda f, s: f"{f[0]}{s[0]}.{(len(f) * 37 + len(s)) % 89}"),
    "dropped vowels": (1, lambda f, s: f"{f}." + "".join(c for c in s if c not in "aeiou")),
    "first.last.ext": (1, lambda f, s: f"{f}.{s}.ext"),
}
_WRITTEN_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"}


def _letters(text: str, *, written_out: bool) -> str:
    text = text.lower().replace("ß", "ss").replace("ø", "oe" if written_out else "o")
    if written_out:
        text = "".join(_WRITTEN_OUT.get(c, c) for c in text)
    plain = unicodedata.normalize("NFD", text)
    return "".join(c for c in plain if "a" <= c <= "z" or c in " -")


def hidden_market(
    seed: int, companies: int, sizes: Sequence[int] = (1, 1, 2, 2, 3, 4, 5, 7, 9, 12)
) -> list[Company]:
    """Companies with habits of their own, and what is known of so many of their people."""
    draw = random.Random(seed)
    weights = [weight for weight, _ in _PATTERNS.values()]
    made = []
    for _ in range(companies):
        country = draw.choice(list(_GIVEN))
        habits = draw.choices(list(_PATTERNS), weights, k=2)
        mixture = draw.choice([1.0, 1.0, 1.0, 1.0, 0.85, 0.6])
        written_out = draw.random() < {"DE": 0.8, "SE": 0.2}.get(country, 0.05)
        surname_way = draw.choice(["joined", "joined", "hyphen", "last", "bare"])
        given_way = draw.choice(["first", "first", "joined", "hyphen"])
        taken: Counter[str] = Counter()
        samples = []
        for _ in range(draw.choice(sizes)):
            from_where = country if draw.random() < 0.8 else draw.choice(list(_GIVEN))
            first, last = draw.choice(_GIVEN[from_where]), draw.choice(_SURNAMES[from_where])
            f = _part(first, given_way, written_out=written_out)
            s = _part(last, surname_way, written_out=written_out)
            pattern = habits[0] if draw.random() < mixture else habits[1]
            local = _PATTERNS[pattern][1](f, s)
            if draw.random() < 0.03:
                local = draw.choice(
                    [
                        local[1:] or "x",
                        local + "x",
                        f"{s}{draw.randrange(99)}",
                        f"{f[0]}{draw.randrange(9999)}",
                    ]
                )
            taken[local] += 1
            if taken[local] > 1:
                local += str(taken[local])
            samples.append(Sample(Name(first, "", last), local))
        made.append(Company(country, tuple(samples)))
    return made


def _part(text: str, way: str, *, written_out: bool) -> str:
    words = _letters(text, written_out=written_out).replace("-", " ").split()
    particles = {"von", "der", "de", "la", "zu", "af", "van", "le", "d"}
    if way == "hyphen":
        return "-".join(words)
    if way == "bare":
        return "".join([word for word in words if word not in particles] or words)
    if way in {"first", "last"}:
        return words[0 if way == "first" else -1]
    return "".join(words)


# ---- baselines ----


def _baseline_always(held: Sample, _: list[Sample]) -> str:
    return _plain(held.name, "first.last")


def _baseline_majority(held: Sample, others: list[Sample]) -> str:
    votes: Counter[str] = Counter()
    for sample in others:
        for pattern in list(_PATTERNS)[:10]:
            votes[pattern] += _plain(sample.name, pattern) == sample.local
    best = max(list(_PATTERNS)[:10], key=lambda pattern: (votes[pattern], _PATTERNS[pattern][0]))
    return _plain(held.name, best)


def _plain(name: Name, pattern: str) -> str:
    f = _letters(name.first, written_out=False).replace(" ", "").replace("-", "") or "x"
    s = _letters(name.last, written_out=False).replace(" ", "").replace("-", "") or "x"
    return str(_PATTERNS[pattern][1](f, s))


def _held(companies: Iterable[Company]) -> Iterator[tuple[Sample, list[Sample]]]:
    """The same trials that `leave_one_out` makes."""
    for company in companies:
        for place in range(min(len(company.samples), 4)):
            others = [*company.samples[:place], *company.samples[place + 1 :]]
            yield company.samples[place], others[: (0, 1, 3, 12)[place]]


# ---- what could be reached at all ----

_MIXTURES = ((1.0, 4 / 6), (0.85, 1 / 6), (0.6, 1 / 6))
_SURNAME_WAYS = (("joined", 0.4), ("hyphen", 0.2), ("last", 0.2), ("bare", 0.2))
_GIVEN_WAYS = (("first", 0.5), ("joined", 0.25), ("hyphen", 0.25))


def ceiling(companies: list[Company], step: int) -> dict[str, float]:
    """The accuracy of one who knows how the hidden market was made, five unknown patterns included, and sees
    the same known addresses: nobody can be better. On every `step`-th company, for it takes its time.
    """
    hits: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    for company in companies[::step]:
        for held, others in _held([company]):
            group = "0" if not others else "1" if len(others) == 1 else "2-4" if len(others) < 5 else "5+"
            is_right = _best_guess(company.country or "", others, held.name) == held.local
            for name in ("all", group):
                trials[name] += 1
                hits[name] += is_right
    return {name: hits[name] / trials[name] for name in sorted(trials)}


def _best_guess(country: str, others: list[Sample], name: Name) -> str | None:
    score: Counter[str] = Counter()
    patterns = list(_PATTERNS.values())
    total = sum(weight for weight, _ in patterns)
    shares = [weight / total for weight, _ in patterns]
    for chance, rendered in _habits(country):
        target = rendered(name)
        fits = [
            [made in (sample.local, sample.local.rstrip("0123456789")) for made in rendered(sample.name)]
            for sample in others
        ]
        for mixture, how_often in _MIXTURES:
            seconds = range(len(shares)) if mixture < 1 else (0,)
            for first, second in product(range(len(shares)), seconds):
                odds = chance * how_often * shares[first] * (shares[second] if mixture < 1 else 1.0)
                for fit in fits:
                    odds *= 0.97 * (mixture * fit[first] + (1 - mixture) * fit[second]) + 1e-3
                score[target[first]] += odds * mixture
                score[target[second]] += odds * (1 - mixture)
    taken = {sample.local for sample in others}
    for local, _ in score.most_common():
        for numbered in (local, f"{local}2"):
            if numbered not in taken:
                return numbered
    return None


def _habits(country: str) -> Iterator[tuple[float, Any]]:
    """How companies of a country spell names, each with its probability."""
    share = {"DE": 0.8, "SE": 0.2}.get(country, 0.05)
    spellings = ((True, share), (False, 1 - share))
    for (written_out, a), (surname, b), (given, c) in product(spellings, _SURNAME_WAYS, _GIVEN_WAYS):
        yield a * b * c, partial(_all_patterns, given_way=given, surname_way=surname, written_out=written_out)


@cache
def _all_patterns(name: Name, *, given_way: str, surname_way: str, written_out: bool) -> tuple[str, ...]:
    f = _part(name.first, given_way, written_out=written_out)
    s = _part(name.last, surname_way, written_out=written_out)
    return tuple(pattern(f, s) for _, pattern in _PATTERNS.values())


def measure(name: str, companies: list[Company], *, ceiling_step: int = 0) -> dict[str, Any]:
    random.Random(7).shuffle(companies)
    half = len(companies) // 2
    started = time.process_time()
    model, _ = learn(companies[:half])
    learned_s = time.process_time() - started
    raw = leave_one_out(model, companies[half:])
    trials = [
        type(t)(confidence(model, t.belief), t.is_right, t.is_among_three, t.samples, t.name_class)
        for t in raw
    ]
    found = figures(trials).as_json()
    held = list(_held(companies[half:]))
    found["baseline_first_last"] = sum(_baseline_always(h, o) == h.local for h, o in held) / len(held)
    found["baseline_majority"] = sum(_baseline_majority(h, o) == h.local for h, o in held) / len(held)
    some = [(h, o) for h, o in held if o]
    found["accuracy_with_samples"] = sum(t.is_right for t in trials if t.samples) / max(len(some), 1)
    found["majority_with_samples"] = sum(_baseline_majority(h, o) == h.local for h, o in some) / len(some)
    found |= {"market": name, "companies": len(companies), "concentration": model.concentration}
    found["learning_addresses_per_s"] = sum(len(c.samples) for c in companies[:half]) / learned_s
    found["candidates_per_s"] = _speed(model, companies[half:])
    found["baseline_by_samples"] = _by_samples(held)
    if ceiling_step:
        found["ceiling"] = ceiling(companies[half:], ceiling_step)
    return found


def _by_samples(held: list[tuple[Sample, list[Sample]]]) -> dict[str, float]:
    """The better baseline by the number of known addresses."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for sample, others in held:
        group = "0" if not others else "1" if len(others) == 1 else "2-4" if len(others) < 5 else "5+"
        groups[group].append(_baseline_majority(sample, others) == sample.local)
    return {name: sum(some) / len(some) for name, some in sorted(groups.items())}


def _speed(model: Model, companies: list[Company]) -> float:
    renderings.cache_clear()
    count, started = 0, time.process_time()
    for company in companies:
        belief = believe(model, company.samples[1:], company.country)
        candidates(belief, company.samples[0].name)
        count += 1
        if time.process_time() - started > 3:
            break
    return count / (time.process_time() - started)


_SHOWN = (
    "accuracy_at_1", "accuracy_at_3", "baseline_first_last", "baseline_majority", "accuracy_with_samples",
    "majority_with_samples", "brier", "ece", "covered", "concentration", "learning_addresses_per_s",
    "candidates_per_s",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--companies", type=int, default=2_000)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument(
        "--ceiling",
        type=int,
        default=0,
        help="also what could be reached, by every so many-th company",
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    results = [
        measure("demo", demo_market(1, args.companies, args.contacts)),
        measure("hidden", hidden_market(1, args.companies), ceiling_step=args.ceiling),
    ]
    if args.json:
        json.dump(results, sys.stdout, indent=1)
        return
    for found in results:
        print(f"\n{found['market']}: {found['trials']} trials, {found['companies']} companies")
        for key in _SHOWN:
            print(f"  {key:26} {found[key]:.3f}")
        for group, row in [*found["by_samples"].items(), *found["by_class"].items()]:
            first, three = row["accuracy_at_1"], row["accuracy_at_3"]
            print(f"    {group:14} {row['trials']:6.0f}  @1 {first:.3f}  @3 {three:.3f}")
        for group, first in found["baseline_by_samples"].items():
            print(f"    majority, {group:4} known     @1 {first:.3f}")
        for group, first in found.get("ceiling", {}).items():
            print(f"    ceiling, {group:4} known      @1 {first:.3f}")
        for row in found["reliability"]:
            said, right = row["confidence"], row["right"]
            print(f"    from {row['from']:.1f} {row['count']:6.0f}  said {said:.3f}  right {right:.3f}")


if __name__ == "__main__":
    main()
