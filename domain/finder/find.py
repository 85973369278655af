"""A person's address: what the evidence makes likely, what a mail server confirms, and how sure that is.

`find` talks to mail servers through the validator it is given and touches no database.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from domain.finder.evidence import Case
from domain.finder.learning import confidence
from domain.finder.model import Candidate, Model, believe, candidates, explanation
from domain.validator.verdict import Verdict

# `searching` is an answer that is not there yet.
Status = Literal["known", "found", "not_found", "searching"]
Validate = Callable[[str], Awaitable[Verdict]]

MAX_VERIFIED: Final = 3
# What a server's word makes of a guess: an honest yes, and a yes to everything.
_CONFIRMED: Final = 0.97
_CATCH_ALL_CAP: Final = 0.85
_UNVERIFIED_CAP: Final = 0.95
_LEAST: Final = 0.2
_OF_STATUS: Final = {"valid": 0.98, "webmail": 0.95, "accept_all": 0.85, "disposable": 0.3}
_KNOWN: Final = 0.9


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate on the way to the answer."""

    email: str
    confidence: float
    pattern: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The address, how sure it is, and why; nothing found is an answer, too."""

    status: Status
    domain: str
    email: str | None = None
    confidence: float = 0.0
    email_status: str = "unknown"
    pattern: str | None = None
    samples: int = 0
    agreeing: int = 0
    accept_all: bool | None = None
    verification: Verdict | None = None
    tried: tuple[Tried, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def score(self) -> int:
        return round(100 * self.confidence)

    def as_json(self) -> dict[str, Any]:
        """Plain values; the tried ones without what was never asked."""
        verdict = self.verification
        return {
            "status": self.status,
            "email": self.email,
            "score": self.score,
            "confidence": round(self.confidence, 4),
            "email_status": self.email_status,
            "domain": self.domain,
            "pattern": self.pattern,
            "samples": self.samples,
            "agreeing": self.agreeing,
            "accept_all": self.accept_all,
            "verification": verdict.as_json() if verdict else None,
            "reasons": list(self.reasons),
        }


async def find(case: Case, model: Model, validate: Validate | None = None) -> Answer:
    """The best address of a case; without a validator nothing is asked, and evidence alone answers."""
    if case.known is not None:
        return _known(case)
    belief = believe(model, case.samples, case.country, case.size)
    ranked = candidates(belief, case.name, taken=case.taken, bounced=case.bounced, limit=MAX_VERIFIED)
    base = Answer(status="not_found", domain=case.domain, samples=len(case.samples))
    if not ranked:
        return replace(base, reasons=("Every likely address belongs to somebody else or bounces.",))
    if validate is None:
        sure = min(confidence(model, ranked[0].belief), _UNVERIFIED_CAP)
        return _weighed(base, case, ranked[0], sure, "unknown", "was not asked")
    return await _verified(base, case, model, ranked, validate)


async def _verified(
    base: Answer, case: Case, model: Model, ranked: list[Candidate], validate: Validate
) -> Answer:
    """Ask for the likeliest until one is confirmed or nothing more can be learned."""
    tried: list[Tried] = []
    refuted = 0.0
    doubtful: Verdict | None = None
    for candidate in ranked[:MAX_VERIFIED]:
        email = f"{candidate.local}@{case.domain}"
        # What the refused ones had is shared by the others.
        believed = min(candidate.belief / max(1.0 - refuted, candidate.belief, 1e-9), 1.0)
        sure = confidence(model, believed)
        verdict = await validate(email)
        tried.append(Tried(email, sure, candidate.template, verdict.is_reachable))
        now = replace(base, verification=verdict, tried=tuple(tried), accept_all=verdict.smtp.is_catch_all)
        if verdict.is_reachable == "invalid":
            if verdict.sub_status in {"domain_not_found", "no_mx", "null_mx", "invalid_syntax"}:
                return replace(now, reasons=(f"{case.domain} takes no mail ({verdict.sub_status}).",))
            refuted += candidate.belief
            continue
        if verdict.sub_status == "soft_unknown_user":
            # It may be meant for good: the next one is asked, and this one again when that was in vain.
            refuted += candidate.belief
            doubtful = doubtful or verdict
            continue
        if verdict.is_reachable == "safe" or verdict.sub_status == "role_account":
            return _found(now, case, candidate, max(sure, _CONFIRMED), "valid", "The mail server knows it.")
        if verdict.status == "accept_all":
            return _weighed(now, case, candidate, min(sure, _CATCH_ALL_CAP), "accept_all", "takes every name")
        why = f"could not be asked ({verdict.sub_status or verdict.is_reachable})"
        return _weighed(now, case, candidate, min(sure, _UNVERIFIED_CAP), "unknown", why)
    last = replace(base, tried=tuple(tried), verification=doubtful)
    return replace(last, reasons=(f"The mail server refused the {len(tried)} likeliest addresses.",))


def _weighed(
    base: Answer, case: Case, candidate: Candidate, sure: float, email_status: str, server: str
) -> Answer:
    """An answer that rests on the company's known addresses alone; without any there is none."""
    if not case.samples:
        why = f"No address of this company is known, and its mail server {server}."
        return replace(base, email_status=email_status, reasons=(why,))
    if sure < _LEAST:
        why = f"The known addresses of this company follow no common pattern; its mail server {server}."
        return replace(base, email_status=email_status, reasons=(why,))
    return _found(base, case, candidate, sure, email_status, f"The mail server {server}.")


def _found(
    base: Answer, case: Case, candidate: Candidate, sure: float, email_status: str, server: str
) -> Answer:
    agreeing = sum(candidate.template in explanation(sample).patterns() for sample in case.samples)
    evidence = (
        f"{agreeing} of {len(case.samples)} known addresses at {case.domain} follow {candidate.template}."
        if case.samples
        else f"No other address at {case.domain} is known; {candidate.template} is frequent in general."
    )
    return replace(
        base,
        status="found",
        email=f"{candidate.local}@{case.domain}",
        confidence=sure,
        email_status=email_status,
        pattern=candidate.template,
        agreeing=agreeing,
        reasons=(evidence, server),
    )


def _known(case: Case) -> Answer:
    known = case.known
    if known is None:
        raise ValueError("nothing is known")
    sure = _OF_STATUS.get(known.status or "", _KNOWN)
    return Answer(
        status="known",
        email=known.address,
        domain=known.address.rpartition("@")[2],
        confidence=sure,
        email_status=known.status or "unknown",
        samples=len(case.samples),
        reasons=("The catalogue has this person's address.",),
    )
