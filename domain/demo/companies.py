"""Invented companies: how they are named in each country, and everything a list says about one.

A company is drawn in two steps. Its `Seat` (name, domain, place, size: what its people need to know) is
drawn once and kept; the rest is drawn anew from the company's own sequence whenever a row is written, so
that a million contacts cost no memory per company beyond the seat.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp
from typing import NamedTuple

from domain.demo import company_names
from domain.demo.draws import Uniform, Weighted, normal, pairs, pick, stream
from domain.demo.places import City, all_cities
from domain.demo.spelling import words
from domain.demo.trades import Industry, industries, technologies_for

# The market's last day. Fixed, because the same seed must give the same bytes next year too.
LAST_DAY = date(2026, 10, 31)

# Measured on real lists: headcount is log-normal, with a Pareto tail of 7 %.
_HEADCOUNT_MEAN = 3.2
_HEADCOUNT_DEVIATION = 1.5
_TAIL_SHARE = 0.07
_TAIL_START = 400
_LARGEST = 400_000

EMAIL_PATTERNS = pairs(
    {
        "first.last": 46, "flast": 17, "first": 8, "firstlast": 7, "f.last": 9, "first_last": 4, "last": 3,
        "last.first": 3, "first-last": 3,
    }
)  # fmt: skip


class Seat(NamedTuple):
    """What the people of a company need to know of it."""

    number: int
    name: str
    short_name: str
    domain: str
    city: City
    industry: Industry
    headcount: int
    email_pattern: str
    aliases: tuple[str, ...]

    @property
    def size(self) -> str:
        return "small" if self.headcount <= 15 else "medium" if self.headcount <= 400 else "large"


@dataclass(frozen=True, slots=True)
class Company:
    """A company as the generator knows it; the fields of its CSV row that may be absent are in `row`."""

    id: str
    seat: Seat
    founded: int
    technologies: tuple[str, ...]
    keywords: tuple[str, ...]
    revenue: int
    funding_stage: str
    row: tuple[str, ...]


def seats(seed: int, count: int) -> Iterator[Seat]:
    """Draw the companies' names and places; no two have the same domain."""
    uniform = stream(seed, 1)
    taken: set[str] = set()
    for index in range(count):
        city = all_cities().draw(uniform)
        industry = industries().draw(uniform)
        short_name, long_name, domain = _unclaimed(uniform, city, industry, taken)
        taken.add(domain)
        yield Seat(
            number=index,
            name=company_names.with_legal_form(short_name, uniform, city),
            short_name=short_name,
            domain=domain,
            city=city,
            industry=industry,
            headcount=_headcount(uniform),
            email_pattern=EMAIL_PATTERNS.draw(uniform),
            aliases=company_names.aliases(uniform, short_name, long_name, city, industry),
        )


def _unclaimed(uniform: Uniform, city: City, industry: Industry, taken: set[str]) -> tuple[str, str, str]:
    """Name, long form and domain of a company whose domain nobody has."""
    while True:
        short_name, long_name = company_names.draw(uniform, city, industry)
        domain = company_names.domain(short_name, city)
        if domain in taken and uniform() < 0.15:  # two companies of one name in two cities do happen
            domain = company_names.domain(short_name, city, beside=True)
        if domain not in taken:
            return short_name, long_name, domain


def _headcount(uniform: Uniform) -> int:
    if uniform() < _TAIL_SHARE:
        return min(_LARGEST, round(_TAIL_START / (1.0 - uniform())))
    return max(1, round(exp(_HEADCOUNT_MEAN + _HEADCOUNT_DEVIATION * normal(uniform))))


ORGANIZATION_COLUMNS = words("""
    id name aliases website linkedin_url phone industry naics employees revenue technologies keywords
    funding_stage funding_amount funding_date founded city region country description last_refreshed
""")

_BANDS = (
    (10, "1-10"),
    (50, "11-50"),
    (200, "51-200"),
    (500, "201-500"),
    (1_000, "501-1,000"),
    (5_000, "1,001-5,000"),
    (10_000, "5,001-10,000"),
    (_LARGEST, "10,001+"),
)
# Stage: years a company has at least been there, usual amount in dollars.
_STAGES: dict[str, tuple[int, int]] = {
    "Pre-Seed": (0, 400_000),
    "Seed": (1, 2_000_000),
    "Series A": (2, 10_000_000),
    "Series B": (4, 28_000_000),
    "Series C": (6, 60_000_000),
    "Series D": (8, 120_000_000),
    "Private Equity": (7, 90_000_000),
    "Debt Financing": (5, 12_000_000),
}
_NATIVE_COUNTRY = {
    "DE": "Deutschland",
    "ES": "España",
    "US": "USA",
    "GB": "UK",
    "CH": "Schweiz",
    "AT": "Österreich",
}
_PURPOSE: dict[str, tuple[str, ...]] = {
    "en": ("{name} offers {first} and {second} from {city}.",
           "{industry} from {city}: {first}, {second}.",
           "Since {founded}, {name} has stood for {first} and {second}."),
    "de": ("{name} aus {city} steht für {first} und {second}.",
           "Seit {founded} Ihr Partner für {first} und {second} in {city}."),
    "fr": ("{name}, à {city}, accompagne ses clients : {first}, {second}.",
           "Depuis {founded}, {name} est spécialiste de {first} et {second}."),
    "es": ("{name} ofrece {first} y {second} desde {city}.",
           "Desde {founded}, especialistas en {first} y {second}."),
}  # fmt: skip


def company_key(seed: int, index: int) -> str:
    """The id a company bears in its file."""
    return f"s{seed}-o{index + 1}"


def company(seed: int, seat: Seat) -> Company:
    """All about a company, drawn from its own sequence: the same however often it is asked."""
    uniform = stream(seed, 1_000_000_000 + seat.number)
    country = seat.city.country
    age = int(uniform() * uniform() * (30 if seat.industry.group == "tech" else 110))
    founded = LAST_DAY.year - 1 - age
    revenue = round(seat.headcount * seat.industry.revenue_per_head * exp(0.6 * normal(uniform)))
    technologies = _technologies(uniform, seat)
    keywords = _keywords(uniform, seat.industry)
    stage, amount, funded = _funding(uniform, seat, age)
    city, region, country_name = written_place(uniform, seat.city)

    def kept(value: str, missing: float) -> str:
        return "" if uniform() < missing else value

    row = (
        company_key(seed, seat.number),
        seat.name,
        ";".join(seat.aliases),
        kept(f"https://{'www.' if uniform() < 0.3 else ''}{seat.domain}", 0.03),
        "",
        kept(phone(uniform, seat.city), 0.35),
        kept(seat.industry.name, 0.08),
        kept(seat.industry.naics, 0.45),
        kept(_written_headcount(uniform, seat.headcount), 0.06),
        kept(_written_money(uniform, revenue, country.units_per_dollar, country.currency), 0.4),
        ";".join(technologies),
        kept(";".join(keywords), 0.2),
        stage,
        _plain_money(amount, country.units_per_dollar, country.currency)
        if amount and uniform() < 0.85
        else "",
        funded,
        kept(str(founded), 0.2),
        kept(city, 0.06),
        kept(region, 0.12),
        kept(country_name, 0.03),
        kept(_description(uniform, seat, founded, keywords), 0.3),
        (LAST_DAY - timedelta(days=int(uniform() * uniform() * 730))).isoformat(),
    )
    return Company(
        id=row[0],
        seat=seat,
        founded=founded,
        technologies=technologies,
        keywords=keywords,
        revenue=revenue,
        funding_stage=stage,
        row=row,
    )


def phone(uniform: Uniform, city: City) -> str:
    """A number that nobody has: 555-01xx behind the city's digits."""
    last = int(uniform() * 100)
    return f"+{city.country.dial} {city.area_code} 555-01{last:02}"


def _technologies(uniform: Uniform, seat: Seat) -> tuple[str, ...]:
    if uniform() < 0.15:
        return ()
    size = seat.size
    number = 1 + int(uniform() * {"small": 5, "medium": 9, "large": 16}[size])
    table = technologies_for(seat.industry.group, size)
    return tuple(dict.fromkeys(table.draw(uniform) for _ in range(number)))


def _keywords(uniform: Uniform, industry: Industry) -> tuple[str, ...]:
    number = 1 + int(uniform() * 4)
    found = [pick(industry.keywords, uniform) for _ in range(number)]
    if uniform() < 0.3:
        found.append(pick(industries().draw(uniform).keywords, uniform))
    return tuple(dict.fromkeys(found))


def _funding(uniform: Uniform, seat: Seat, age: int) -> tuple[str, int, str]:
    """Stage, amount in dollars and date of the last round, for the young and some of the others."""
    likely = 0.45 if seat.industry.group in {"tech", "health"} and age <= 14 else 0.04
    if uniform() >= likely:
        return "", 0, ""
    stages = [stage for stage, (years, _) in _STAGES.items() if years <= age]
    weights = [2.0 ** -abs(rank - min(age / 2, len(stages))) for rank in range(len(stages))]
    stage = Weighted(stages, weights).draw(uniform)
    amount = 10_000 * round(_STAGES[stage][1] * exp(0.7 * normal(uniform)) / 10_000)
    return stage, max(amount, 50_000), (LAST_DAY - timedelta(days=int(uniform() * 1_500))).isoformat()


def _written_headcount(uniform: Uniform, headcount: int) -> str:
    if uniform() < 0.4:
        return next(band for most, band in _BANDS if headcount <= most)
    return f"{headcount:,}" if uniform() < 0.15 else str(headcount)


def _written_money(uniform: Uniform, dollars: int, units_per_dollar: float, currency: str) -> str:
    kind = uniform()
    if kind < 0.5:
        return _plain_money(dollars, units_per_dollar, currency)
    millions = dollars * units_per_dollar / 1_000_000
    if kind < 0.8 or millions < 2:
        return f"{currency} {millions:.1f}M"
    low = next((step for step in (500, 100, 50, 10, 5, 1) if step <= millions), 1)
    return f"{currency} {low}M-{low * 5}M"


def _plain_money(dollars: int, units_per_dollar: float, currency: str) -> str:
    return f"{max(1, round(dollars * units_per_dollar, -3)):.0f} {currency}"


def written_place(uniform: Uniform, city: City) -> tuple[str, str, str]:
    """City, region and country as a list writes them: mostly in full, at times as a code or in its tongue."""
    code = city.country.code
    chance = uniform()
    country = (
        city.country.name if chance < 0.8 else code if chance < 0.93 else _NATIVE_COUNTRY.get(code, code)
    )
    region = city.region_code if city.region_code and uniform() < 0.5 else city.region
    return city.name, region, country


def _description(uniform: Uniform, seat: Seat, founded: int, keywords: tuple[str, ...]) -> str:
    speaks = company_names.language_of(seat.city)
    first = keywords[0]
    second = keywords[1] if len(keywords) > 1 else seat.industry.words[speaks][0].lower()
    return pick(_PURPOSE[speaks], uniform).format(
        name=seat.short_name,
        city=seat.city.name,
        industry=seat.industry.name,
        founded=founded,
        first=first,
        second=second,
    )
