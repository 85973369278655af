"""Job titles as a market has them: what a person does (the truth) and the many ways a card says it.

A concept is (level, function): ("vp", "sales"). Its phrasings in English, German, French and Spanish are
built here for the generator alone; the search has its own rules and never reads this module, so that the
judged searches measure something.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from domain.demo.draws import Weighted
from domain.demo.spelling import words

# A pyramid: how many people stand on each step, before the size of the company has its say.
LEVELS: dict[str, float] = {
    "owner": 20,
    "founder": 30,
    "c_suite": 4.5,
    "partner": 12,
    "vp": 9,
    "head": 7,
    "director": 15,
    "manager": 24,
    "senior": 15,
    "entry": 22,
    "intern": 2,
}

# The ladder a career climbs; the four steps above it are reached sideways.
LADDER = ("intern", "entry", "senior", "manager", "head", "director", "vp", "c_suite")


@dataclass(frozen=True, slots=True)
class Function:
    """A line of work and its words by language; forms for men and women are divided by a stroke."""

    code: str
    department: str
    weight: float
    names: dict[str, tuple[str, ...]]
    roles: dict[str, tuple[str, ...]]
    chiefs: dict[str, tuple[str, ...]]


class Concept(NamedTuple):
    """What the generator knows a person to be, whatever the card says."""

    level: str
    function: str
    department: str


_STROKE = re.compile(r"<([^|>]*)\|([^>]*)>")

# Patterns of each language: {of} the function after a preposition, {attribute} before a noun, {compound}
# as the first half of a German compound, {role} who does it, {chief} the top title; <his|hers>.
_PATTERNS: dict[str, dict[str, dict[str, float]]] = {
    "en": {
        "c_suite": {"{chief}": 92, "Group {chief}": 4, "Deputy {chief}": 2, "Interim {chief}": 2},
        "vp": {
            "VP {of}": 22,
            "VP of {of}": 18,
            "Vice President of {of}": 16,
            "Vice President, {of}": 12,
            "VP, {of}": 10,
            "Vice President {of}": 6,
            "SVP {of}": 4,
            "SVP, {of}": 3,
            "Senior Vice President, {of}": 3,
            "V.P. of {of}": 2,
            "EVP {of}": 2,
            "AVP {of}": 2,
        },
        "head": {
            "Head of {of}": 72,
            "Global Head of {of}": 9,
            "{of} Lead": 10,
            "Head, {of}": 5,
            "{of} Head": 4,
        },
        "director": {
            "Director of {of}": 38,
            "{attribute} Director": 22,
            "Director, {of}": 18,
            "Director {of}": 6,
            "Senior Director of {of}": 5,
            "Sr. Director, {of}": 4,
            "Associate Director, {of}": 4,
            "Dir. {of}": 2,
            "Managing Director, {of}": 1,
        },
        "manager": {
            "{attribute} Manager": 58,
            "Senior {attribute} Manager": 10,
            "Manager, {of}": 9,
            "Regional {attribute} Manager": 5,
            "Manager of {of}": 4,
            "Sr. {attribute} Manager": 4,
            "Assistant {attribute} Manager": 3,
            "{attribute} Team Lead": 3,
            "Supervisor, {of}": 2,
            "{attribute} Mgr": 2,
        },
        "senior": {
            "Senior {role}": 60,
            "Sr. {role}": 14,
            "Lead {role}": 12,
            "Principal {role}": 6,
            "Sr {role}": 4,
            "Staff {role}": 4,
        },
        "entry": {"{role}": 80, "Junior {role}": 8, "{role} II": 4, "Associate {role}": 4, "Jr. {role}": 4},
        "intern": {"{of} Intern": 60, "Intern, {of}": 15, "{attribute} Trainee": 10, "{of} Internship": 15},
    },
    "de": {
        "c_suite": {"{chief}": 95, "Stellv. {chief}": 5},
        "vp": {"<Bereichsleiter|Bereichsleiterin> {of}": 50, "Vice President {of}": 30, "VP {of}": 20},
        "head": {
            "<Leiter|Leiterin> {of}": 50,
            "{compound}<leiter|leiterin>": 25,
            "Leitung {of}": 12,
            "Head of {of}": 13,
        },
        "director": {
            "<Direktor|Direktorin> {of}": 45,
            "{compound}<direktor|direktorin>": 25,
            "Director {of}": 30,
        },
        "manager": {
            "<Teamleiter|Teamleiterin> {of}": 42,
            "<Abteilungsleiter|Abteilungsleiterin> {of}": 28,
            "<Manager|Managerin> {of}": 15,
            "<Gruppenleiter|Gruppenleiterin> {of}": 15,
        },
        "senior": {"Senior {role}": 100},
        "entry": {"{role}": 90, "Junior {role}": 10},
        "intern": {"<Praktikant|Praktikantin> {of}": 50, "<Werkstudent|Werkstudentin> {of}": 50},
    },
    "fr": {
        "c_suite": {"{chief}": 100},
        "vp": {"<Vice-président|Vice-présidente> {of}": 70, "VP {of}": 30},
        "head": {"<Chef|Cheffe> du service {of}": 60, "Responsable du service {of}": 40},
        "director": {"<Directeur|Directrice> {of}": 88, "<Directeur adjoint|Directrice adjointe> {of}": 12},
        "manager": {"Responsable {of}": 80, "Manager {of}": 12, "<Coordinateur|Coordinatrice> {of}": 8},
        "senior": {"{role} senior": 70, "{role} principal": 30},
        "entry": {"{role}": 90, "{role} junior": 10},
        "intern": {"Stagiaire {of}": 60, "<Alternant|Alternante> {of}": 40},
    },
    "es": {
        "c_suite": {"{chief}": 100},
        "vp": {"<Vicepresidente|Vicepresidenta> de {of}": 80, "VP de {of}": 20},
        "head": {"<Jefe|Jefa> de {of}": 75, "Responsable de {of}": 25},
        "director": {"<Director|Directora> de {of}": 90, "<Subdirector|Subdirectora> de {of}": 10},
        "manager": {"Gerente de {of}": 80, "<Encargado|Encargada> de {of}": 20},
        "senior": {"{role} Senior": 100},
        "entry": {"{role}": 90, "{role} Junior": 10},
        "intern": {"<Becario|Becaria> de {of}": 70, "Practicante de {of}": 30},
    },
}

# Those who lead or own the whole; their function is "general".
_GENERAL: dict[str, dict[str, dict[str, float]]] = {
    "owner": {
        "en": {
            "Owner": 60,
            "Business Owner": 15,
            "Owner/Operator": 8,
            "Owner & President": 10,
            "Proprietor": 7,
        },
        "de": {"<Inhaber|Inhaberin>": 80, "<Geschäftsinhaber|Geschäftsinhaberin>": 20},
        "fr": {"Propriétaire": 55, "<Gérant|Gérante>": 45},
        "es": {"<Propietario|Propietaria>": 75, "<Dueño|Dueña>": 25},
    },
    "founder": {
        "en": {
            "Founder": 25,
            "Co-Founder": 27,
            "Founder & CEO": 24,
            "Founder and CEO": 8,
            "Co-Founder & CTO": 8,
            "Cofounder": 5,
            "Founding Partner": 3,
        },
        "de": {
            "<Gründer|Gründerin>": 45,
            "<Gründer und Geschäftsführer|Gründerin und Geschäftsführerin>": 35,
            "<Mitgründer|Mitgründerin>": 20,
        },
        "fr": {
            "<Fondateur|Fondatrice>": 50,
            "<Cofondateur|Cofondatrice>": 35,
            "<Président fondateur|Présidente fondatrice>": 15,
        },
        "es": {
            "<Fundador|Fundadora>": 50,
            "<Cofundador|Cofundadora>": 30,
            "<Socio fundador|Socia fundadora>": 20,
        },
    },
    "partner": {
        "en": {"Partner": 55, "Managing Partner": 25, "Senior Partner": 10, "Equity Partner": 10},
        "de": {
            "<Partner|Partnerin>": 60,
            "<Geschäftsführender Gesellschafter|Geschäftsführende Gesellschafterin>": 40,
        },
        "fr": {"<Associé|Associée>": 70, "<Associé gérant|Associée gérante>": 30},
        "es": {"<Socio|Socia>": 70, "<Socio director|Socia directora>": 30},
    },
    "c_suite": {
        "en": {
            "CEO": 34,
            "Chief Executive Officer": 20,
            "Managing Director": 20,
            "President": 12,
            "President & CEO": 8,
            "General Manager": 6,
        },
        "de": {
            "<Geschäftsführer|Geschäftsführerin>": 70,
            "CEO": 15,
            "<Vorstandsvorsitzender|Vorstandsvorsitzende>": 8,
            "Vorstand": 7,
        },
        "fr": {
            "<Directeur général|Directrice générale>": 55,
            "PDG": 25,
            "<Président|Présidente>": 12,
            "<Président-directeur général|Présidente-directrice générale>": 8,
        },
        "es": {
            "<Director General|Directora General>": 55,
            "CEO": 20,
            "Gerente General": 15,
            "<Consejero Delegado|Consejera Delegada>": 10,
        },
    },
}

# How much more often a line of work is met in a group of industries than elsewhere.
_AFFINITY: dict[str, dict[str, float]] = {
    "tech": {
        "engineering": 2.6,
        "devops": 2.4,
        "testing": 2,
        "product": 2,
        "data": 1.7,
        "success": 2,
        "production": 0.1,
        "mechanical": 0.15,
        "electrical": 0.3,
        "quality": 0.3,
        "medical": 0.05,
    },
    "making": {
        "production": 3,
        "mechanical": 3,
        "electrical": 3,
        "quality": 2.5,
        "purchasing": 1.6,
        "engineering": 0.4,
        "devops": 0.3,
        "success": 0.2,
        "medical": 0.1,
    },
    "finance": {
        "finance": 2.2,
        "compliance": 3,
        "accounting": 1.6,
        "controlling": 1.5,
        "production": 0.05,
        "mechanical": 0.05,
        "medical": 0.05,
    },
    "health": {"medical": 9, "research": 2, "quality": 1.4, "engineering": 0.4},
    "services": {
        "consulting": 4,
        "legal": 1.6,
        "training": 1.6,
        "production": 0.2,
        "mechanical": 0.3,
        "medical": 0.2,
    },
    "commerce": {
        "logistics": 2.2,
        "purchasing": 1.8,
        "brand": 2,
        "support": 1.6,
        "mechanical": 0.2,
        "medical": 0.1,
    },
}
GROUPS = tuple(_AFFINITY)

# Owners and chiefs are many among small companies, and few among the contacts one has in a large one.
_TOP_BY_SIZE = {"small": 5.0, "medium": 1.0, "large": 0.12}
_TOPS = frozenset({"owner", "founder", "partner", "c_suite"})

# What one meets most, in this order.
_FREQUENT = words("""
    manager:sales c_suite:general entry:engineering entry:sales manager:projects owner:general founder:general
    manager:marketing director:sales manager:operations c_suite:finance senior:engineering entry:consulting
    manager:accounts vp:sales manager:product c_suite:engineering entry:finance director:marketing manager:hr
    entry:office head:sales entry:accounting manager:it senior:sales director:operations c_suite:operations
    partner:general entry:hr manager:purchasing entry:marketing manager:engineering director:engineering
    vp:marketing entry:data director:finance senior:consulting head:marketing manager:production
    entry:support manager:support c_suite:marketing vp:engineering entry:operations manager:finance
    entry:recruiting director:hr manager:success entry:it manager:quality head:engineering director:it
    entry:legal vp:operations senior:data manager:bizdev entry:purchasing c_suite:it entry:design
    director:product senior:finance entry:projects vp:finance manager:logistics entry:mechanical entry:bizdev
    head:hr senior:accounting vp:product entry:product manager:consulting head:product entry:medical
    director:bizdev senior:marketing manager:compliance head:it c_suite:sales vp:hr director:projects
""")

# The measured fall of titles with rank, and how far the head of the real curve lies below a pure power law.
_SLOPE = 1.75
_SHIFT = 4.0
_HABIT = 2.4


@cache
def functions() -> dict[str, Function]:
    """The lines of work, from the table beside this module."""
    text = (files("domain.demo") / "functions.csv").read_text(encoding="utf-8")
    return {row["code"]: _function(row) for row in csv.DictReader(text.splitlines())}


def _function(row: dict[str, str]) -> Function:
    columns = {"en": "english", "de": "german", "fr": "french", "es": "spanish"}

    def words(suffix: str) -> dict[str, tuple[str, ...]]:
        return {code: tuple(filter(None, row[name + suffix].split(";"))) for code, name in columns.items()}

    return Function(
        row["code"], row["department"], float(row["weight"]), words(""), words("_role"), words("_chief")
    )


@cache
def concepts() -> tuple[Concept, ...]:
    """All that a person can be, the frequent first: the known ones, then by level and function."""
    first = {tuple(known.split(":")): rank for rank, known in enumerate(_FREQUENT)}
    weights: dict[Concept, float] = {
        Concept(level, "general", "management"): LEVELS[level] for level in _GENERAL
    }
    for function in functions().values():
        for level in LADDER:
            if level != "c_suite" or function.chiefs["en"]:
                weights[Concept(level, function.code, function.department)] = LEVELS[level] * function.weight
    return tuple(sorted(weights, key=lambda one: (first.get(one[:2], len(first)), -weights[one], one)))


@cache
def concepts_for(group: str, size: str) -> Weighted[Concept]:
    """What people of a company are: by rank, bent by its trade and its size ("small", "medium", "large")."""
    affinity = _AFFINITY[group]
    return Weighted(
        concepts(),
        (
            (rank + _SHIFT) ** -_SLOPE
            * affinity.get(concept.function, 1)
            * (_TOP_BY_SIZE[size] if concept.level in _TOPS else 1)
            for rank, concept in enumerate(concepts(), start=1)
        ),
    )


@cache
def concept(level: str, function: str) -> Concept | None:
    """The concept of these two, if there is one."""
    return next((one for one in concepts() if one[:2] == (level, function)), None)


@cache
def phrasings(concept: Concept, language: str, gender: str) -> Weighted[str]:
    """How cards in a language say it; languages without words of their own for it say it in English."""
    if concept.function == "general":
        table = _GENERAL[concept.level][language]
        return _habitual({_gendered(text, gender): weight for text, weight in table.items()})
    function = functions()[concept.function]
    chiefs = function.chiefs[language]
    if concept.level == "c_suite" and not chiefs:
        return phrasings(concept, "en", gender)
    names = function.names[language]
    words = {
        "of": names[1:] or names if language == "en" else names[:1] if language == "de" else names,
        "attribute": names[:1],
        "compound": names[1:2] if language == "de" else (),
        "role": function.roles[language],
        "chief": chiefs,
    }
    weights: dict[str, float] = {}
    for pattern, weight in _PATTERNS[language][concept.level].items():
        frame = _gendered(pattern, gender)
        slot = frame[frame.index("{") + 1 : frame.index("}")]
        for rank, word in enumerate(words[slot], start=1):
            him, _, her = word.partition("/")
            text = frame.replace("{" + slot + "}", her if her and gender == "f" else him)
            weights[text] = weights.get(text, 0) + weight / rank
    return _habitual(weights)


def _habitual(weights: dict[str, float]) -> Weighted[str]:
    """Sharpen the weights: the usual wording is much more usual than the others."""
    return Weighted(weights, ((weight / 100) ** _HABIT for weight in weights.values()))


def _gendered(text: str, gender: str) -> str:
    """Read "<Leiter|Leiterin> Vertrieb" for him or for her."""
    return _STROKE.sub(r"\2" if gender == "f" else r"\1", text)
