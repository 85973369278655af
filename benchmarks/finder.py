"""How often the finder is right, how sure it may be, and how fast it is: `python -m benchmarks.finder`.

On the market of `benchmarks.market`: learned from one half of the companies, tried on the other. Each trial
seeks one person from none, one, three or all of the colleagues who are listed. The baselines are `first.last`
always, and the most frequent of ten patterns among the listed addresses, accents folded; of equally frequent
ones that which is more frequent in this market.

An answer is shown by the known addresses alone, and as it is given when the mail server tells its mailboxes
apart (three candidates are asked for at most, of the finder and of the baselines alike), takes every name, or
says nothing. The demo's market, with one pattern for each company, stands beside it.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks.market import COMMON, PATTERNS, Firm, Person, best_guesses, letters, market
from domain.demo import generate
from domain.finder.evidence import Case
from domain.finder.find import MAX_VERIFIED, find
from domain.finder.learning import Company, Trial, confidence, figures, learn, leave_one_out
from domain.finder.model import Candidate, Model, Name, Sample, believe, candidates, explanation
from domain.finder.templates import renderings
from domain.validator.verdict import Reachable, Status, Verdict

# How many listed colleagues the first trials of a company are given.
_GIVEN: Final = (0, 1, 3, 12)
_DOMAIN: Final = "somewhere.com"
_SURE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Quest:
    """Somebody to be found, and those who are listed at the same company."""

    firm: Firm
    who: Person
    known: tuple[Person, ...]

    @property
    def group(self) -> str:
        count = len(self.known)
        return "none" if not count else "1" if count == 1 else "2-4" if count < 5 else "5 and more"

    @property
    def name(self) -> Name:
        return Name(self.who.first, "", self.who.last)

    @property
    def name_class(self) -> str:
        name = explanation(_sample(self.who)).name
        return name.name_class if name else "none"


def quests(firms: Iterable[Firm]) -> list[Quest]:
    """The trials of some companies: four at most of each."""
    found = []
    for firm in firms:
        for place, given in zip(range(len(firm.people)), _GIVEN, strict=False):
            others = (*firm.people[:place], *firm.people[place + 1 :])
            found.append(Quest(firm, firm.people[place], others[:given]))
    return found


def listed(firm: Firm) -> Company:
    """What a catalogue has of a company."""
    return Company(firm.country, tuple(_sample(person) for person in firm.people))


def _sample(person: Person) -> Sample:
    # An address loses half of its weight in three years, as in `domain.finder.evidence`.
    return Sample(Name(person.first, "", person.last), person.listed, max(0.5 ** (person.years / 3), 0.1))


# ---- baselines: candidates in the order in which they would be tried ----


def always_first_last(quest: Quest) -> list[str]:
    return [_plain(quest.who, "first.last")]


def majority(quest: Quest) -> list[str]:
    votes = {
        pattern: sum(_plain(person, pattern) == person.listed for person in quest.known) for pattern in COMMON
    }
    ranked = sorted(COMMON, key=lambda pattern: (-votes[pattern], -PATTERNS[pattern][0]))
    return list(dict.fromkeys(_plain(quest.who, pattern) for pattern in ranked))[:MAX_VERIFIED]


def _plain(person: Person, pattern: str) -> str:
    f = letters(person.first, written_out=False).replace(" ", "").replace("-", "") or "x"
    s = letters(person.last, written_out=False).replace(" ", "").replace("-", "") or "x"
    return str(PATTERNS[pattern][1](f, s))


def foreseen(quest: Quest) -> list[str]:
    """What nobody can do better: the market's own odds."""
    return best_guesses(quest.firm.country, quest.known, quest.who.first, quest.who.last)


# ---- what comes of candidates ----


def confirmed(quest: Quest, ranked: Sequence[str]) -> str | None:
    """The first of three that an honest server knows; it may be somebody else's who is not listed."""
    return next((local for local in ranked[:MAX_VERIFIED] if local in quest.firm.mailboxes), None)


def ranked(model: Model, quest: Quest) -> list[Candidate]:
    samples = [_sample(person) for person in quest.known]
    taken = {person.listed for person in quest.known}
    return candidates(
        believe(model, samples, quest.firm.country), quest.name, taken=taken, limit=MAX_VERIFIED
    )


async def shipped(
    model: Model, quest: Quest, ask: Callable[[Quest, str], tuple[Reachable, Status]]
) -> tuple[str | None, float, int]:
    """The product's answer with a kind of server: local part, confidence told, and how many were asked."""
    case = Case(
        name=quest.name,
        domain=_DOMAIN,
        country=quest.firm.country,
        samples=tuple(_sample(person) for person in quest.known),
        taken=frozenset(person.listed for person in quest.known),
    )

    async def validate(email: str) -> Verdict:
        reachable, status = ask(quest, email.partition("@")[0])
        now = datetime.now(UTC)
        return Verdict(
            input=email, is_reachable=reachable, status=status, sub_status=None, score=50, checked_at=now
        )

    answer = await find(case, model, validate)
    local = answer.email.partition("@")[0] if answer.email else None
    return local, answer.confidence, len(answer.tried)


def honest(quest: Quest, local: str) -> tuple[Reachable, Status]:
    return ("safe", "valid") if local in quest.firm.mailboxes else ("invalid", "invalid")


def takes_all(_: Quest, __: str) -> tuple[Reachable, Status]:
    return "risky", "accept_all"


def silent(_: Quest, __: str) -> tuple[Reachable, Status]:
    return "unknown", "unknown"


# ---- figures ----


async def measure(companies: int, seed: int, step: int) -> dict[str, Any]:
    firms = market(seed, companies)
    half = len(firms) // 2
    started = time.process_time()
    model, _ = learn([listed(firm) for firm in firms[:half]])
    learned_s = time.process_time() - started
    tried = quests(firms[half:])
    found = _by_evidence(model, tried)
    found |= {
        "companies": companies,
        "seed": seed,
        "learning_addresses_per_s": sum(len(firm.people) for firm in firms[:half]) / learned_s,
        "candidates_per_s": _speed(model, firms[half:]),
        "answers": {
            "tells its mailboxes apart": await _answers(model, tried, honest),
            "takes every name": await _answers(model, tried, takes_all),
            "says nothing": await _answers(model, tried, silent),
        },
    }
    if step:
        some = quests(firms[half::step])
        found["ceiling"] = {"step": step, "rows": _shares(_of_some(model, some))}
    return found


Marks = dict[str, bool]


def _by_evidence(model: Model, tried: Sequence[Quest]) -> dict[str, Any]:
    """The finder beside the baselines, by the known addresses and with an honest server, in groups."""
    rows: list[tuple[list[str], Marks]] = []
    trials: list[Trial] = []
    for quest in tried:
        best = ranked(model, quest)
        locals_ = [candidate.local for candidate in best]
        today, usual, plain = quest.who.today, majority(quest), always_first_last(quest)
        marks = {
            "first": locals_[0] == today,
            "three": today in locals_,
            "majority": usual[0] == today,
            "majority three": today in usual,
            "first.last": plain[0] == today,
            "confirmed": confirmed(quest, locals_) == today,
            "majority confirmed": confirmed(quest, usual) == today,
            "first.last confirmed": confirmed(quest, plain) == today,
        }
        rows.append((_groups(quest), marks))
        sure = confidence(model, best[0].belief)
        trials.append(Trial(sure, marks["first"], marks["three"], len(quest.known), quest.name_class))
    told = figures(trials).as_json()
    kept = ("trials", "brier", "ece", "covered", "reliability")
    return {"groups": _shares(rows), **{name: told[name] for name in kept}}


def _of_some(model: Model, tried: Sequence[Quest]) -> list[tuple[list[str], Marks]]:
    """The finder beside what is the most that can be reached."""
    rows = []
    for quest in tried:
        ours = [candidate.local for candidate in ranked(model, quest)]
        best, today = foreseen(quest), quest.who.today
        marks = {
            "first": ours[0] == today,
            "ceiling": best[0] == today,
            "confirmed": confirmed(quest, ours) == today,
            "ceiling confirmed": confirmed(quest, best) == today,
            "majority": majority(quest)[0] == today,
            "majority confirmed": confirmed(quest, majority(quest)) == today,
        }
        rows.append((_groups(quest), marks))
    return rows


def _groups(quest: Quest) -> list[str]:
    some = ["1 and more"] if quest.known else []
    return ["all", *some, f"known: {quest.group}", f"name: {quest.name_class}"]


def _shares(rows: Iterable[tuple[list[str], Marks]]) -> dict[str, dict[str, float]]:
    hits: dict[str, Counter[str]] = defaultdict(Counter)
    counts: Counter[str] = Counter()
    for groups, marks in rows:
        for group in groups:
            counts[group] += 1
            hits[group].update(name for name, is_so in marks.items() if is_so)
    names = list(rows[0][1]) if isinstance(rows, list) else []
    return {
        group: {"trials": count, **{name: hits[group][name] / count for name in names}}
        for group, count in counts.items()
    }


async def _answers(
    model: Model, tried: Sequence[Quest], ask: Callable[[Quest, str], tuple[Reachable, Status]]
) -> dict[str, float]:
    """How many answers the product gives, how many of them are right, and whether as many as it says."""
    trials, asked = [], 0
    for quest in tried:
        local, sure, count = await shipped(model, quest, ask)
        asked += count
        if local is not None:
            is_right = local == quest.who.today
            trials.append(Trial(sure, is_right, is_right, len(quest.known), quest.name_class))
    told = figures(trials)
    return {
        "answered": len(trials) / len(tried),
        "right_of_all": sum(trial.is_right for trial in trials) / len(tried),
        "right_of_answers": told.accuracy_at_1,
        "brier": told.brier,
        "ece": told.ece,
        "sure": sum(trial.belief >= _SURE for trial in trials) / len(tried),
        "right_of_sure": _mean(trial.is_right for trial in trials if trial.belief >= _SURE),
        "asked_for_each": asked / len(tried),
    }


def _mean(values: Iterable[bool]) -> float:
    some = list(values)
    return sum(some) / len(some) if some else 0.0


def _speed(model: Model, firms: Sequence[Firm]) -> float:
    """Searches a second of one core: one of a company's people sought from all the others."""
    companies = [listed(firm) for firm in firms]
    renderings.cache_clear()
    count, started = 0, time.process_time()
    for company in companies:
        candidates(believe(model, company.samples[1:], company.country), company.samples[0].name)
        count += 1
        if time.process_time() - started > 3:
            break
    return count / (time.process_time() - started)


def demo(companies: int, contacts: int) -> dict[str, float]:
    """Leave-one-out on the demo's people by the domain of their address, as its files have them."""
    made = generate.market(seed=1, organizations=companies)
    people: Iterator[Any] = generate.people(made, contacts)
    by_domain: dict[str, list[Sample]] = defaultdict(list)
    for person in people:
        if person.email and person.email_status != "webmail":
            local, _, domain = person.email.partition("@")
            by_domain[domain].append(Sample(Name(person.first_name, "", person.last_name), local.lower()))
    known = [Company(None, tuple(some)) for _, some in sorted(by_domain.items())]
    random.Random(7).shuffle(known)
    half = len(known) // 2
    model, _ = learn(known[:half])
    told = figures(leave_one_out(model, known[half:]))
    return {"trials": told.trials, "first": told.accuracy_at_1, "three": told.accuracy_at_3}


# ---- tables ----

_HEADS: Final = {
    "first": "finder",
    "three": "among 3",
    "majority": "majority",
    "first.last": "first.last",
    "ceiling": "ceiling",
    "confirmed": "finder, confirmed",
    "majority confirmed": "majority, confirmed",
    "ceiling confirmed": "ceiling, confirmed",
    "answered": "answered",
    "right_of_all": "right of all",
    "right_of_answers": "right of the answers",
    "ece": "ECE",
    "sure": "at 0.8 or more",
    "right_of_sure": "right of these",
    "asked_for_each": "asked for each",
    "confidence": "said",
    "right": "right",
}
_ABOUT: Final = """\
{companies:,} companies of seed {seed}, learned from one half, {trials:,} trials on the other. *Majority*
is the better baseline: the most frequent of ten patterns among the known addresses. By these alone:
"""
_CONFIRMED: Final = """
*Confirmed*: three candidates at most were put to a mail server that tells its mailboxes apart, of the finder
and of the majority alike.
"""
_ANSWERS: Final = """
The answers as the product gives them, by what the mail server does. Without a known address and without a
server's word there is no answer, and no charge.
"""
_CONFIDENCE: Final = """
By the known addresses alone, whatever the confidence: Brier {brier:.3f}, expected calibration error
{ece:.3f}, {covered:.0%} of the trials at 0.8 or more.
"""
_CEILING: Final = """
The *ceiling* is somebody who knows how the market was made, its five unknown patterns included, and sees the
same addresses; the columns are of the same trials, on one company of every {step}.
"""
_SPEED: Final = """
Candidates without verification: {candidates_per_s:,.0f} a second of one core. Learning:
{learning_addresses_per_s:,.0f} addresses a second of one core."""
_DEMO: Final = """
The demo's market, where a company has one pattern, {trials:,} trials: {first:.3f} at 1, {three:.3f} among
3."""


def lines(found: dict[str, Any]) -> list[str]:
    """The report's paragraphs and tables."""
    groups, answers = found["groups"], found["answers"]
    sure = {f"from {row['from']:.1f}": row | {"trials": row["count"]} for row in found["reliability"]}
    told = [
        _ABOUT.format(**found),
        *_table(groups, ("majority", "first", "+", "first.last", "three")),
        _CONFIRMED,
        *_table(groups, ("majority confirmed", "confirmed", "+")),
        _ANSWERS,
        *_table(answers, tuple(name for name in _HEADS if name in answers["says nothing"])),
        _CONFIDENCE.format(**found),
        *_table(sure, ("confidence", "right")),
    ]
    if "ceiling" in found:
        rows = {name: row for name, row in found["ceiling"]["rows"].items() if not name.startswith("name")}
        told.append(_CEILING.format(**found["ceiling"]).replace(", on one company of every 1.", "."))
        told += _table(rows, ("majority", "first", "ceiling", *(f"{one}confirmed" for one in _THREE)))
    told.append(_SPEED.format(**found))
    if "demo" in found:
        told.append(_DEMO.format(**found["demo"]))
    return told


_THREE: Final = ("majority ", "", "ceiling ")


def _table(rows: dict[str, dict[str, float]], names: Sequence[str]) -> list[str]:
    """Shares by group; `+` is what the column before it has more than the one before that, in points."""
    counted = any("trials" in row for row in rows.values())
    heads = [*(["trials"] if counted else []), *(_HEADS.get(name, "points") for name in names)]
    told = [f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for group in sorted(rows, key=_order):
        row = rows[group]
        cells = [f"{row['trials']:,.0f}"] if counted else []
        for place, name in enumerate(names):
            if name == "+":
                cells.append(f"{100 * (row[names[place - 1]] - row[names[place - 2]]):+.1f}")
            else:
                cells.append(f"{row[name]:.3f}")
        told.append(f"| {group} | {' | '.join(cells)} |")
    return told


_FIRST: Final = ("known: none", "known: 1", "known: 2-4", "known: 5 and more", "1 and more", "all")


def _order(group: str) -> tuple[int, str]:
    return (_FIRST.index(group), "") if group in _FIRST else (len(_FIRST), group)


async def run(companies: int, seed: int, step: int, contacts: int) -> dict[str, Any]:
    found = await measure(companies, seed, step)
    return found | ({"demo": demo(companies, contacts)} if contacts else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--companies", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--contacts", type=int, default=20_000, help="of the demo's market; 0 leaves it out")
    parser.add_argument(
        "--ceiling",
        type=int,
        default=0,
        help="also the most that can be reached, on one company of so many",
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = asyncio.run(run(args.companies, args.seed, args.ceiling, args.contacts))
    if args.json:
        json.dump(found, sys.stdout, indent=1)
    else:
        print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
