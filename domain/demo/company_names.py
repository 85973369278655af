"""How companies are called in each country: naming schemes, legal forms, former names. All of it invented."""

from collections.abc import Callable
from functools import cache

from domain.demo.draws import Uniform, Weighted, pairs, pick
from domain.demo.places import City
from domain.demo.spelling import ascii_name, words
from domain.demo.surnames import SURNAMES
from domain.demo.trades import Industry

_LEGAL_FORMS: dict[str, dict[str, float]] = {
    "US": {
        "Inc.": 30,
        "LLC": 24,
        ", Inc.": 10,
        "Inc": 6,
        "Corp.": 6,
        "Corporation": 3,
        "Co.": 2,
        "LP": 1,
        "": 18,
    },
    "GB": {"Ltd": 46, "Limited": 16, "Ltd.": 8, "plc": 5, "LLP": 5, "": 20},
    "DE": {"GmbH": 56, "AG": 12, "GmbH & Co. KG": 14, "SE": 2, "UG": 3, "e.K.": 2, "KG": 3, "": 8},
    "FR": {"SAS": 44, "SA": 16, "SARL": 22, "S.A.": 4, "": 14},
    "ES": {"S.L.": 46, "S.A.": 26, "SL": 8, "S.L.U.": 6, "": 14},
    "CA": {"Inc.": 50, "Ltd.": 24, "Corp.": 10, "": 16},
    "NL": {"B.V.": 60, "BV": 10, "N.V.": 10, "": 20},
    "IT": {"S.r.l.": 48, "S.p.A.": 34, "Srl": 6, "": 12},
    "AU": {"Pty Ltd": 64, "Limited": 12, "": 24},
    "CH": {"AG": 54, "GmbH": 18, "SA": 18, "": 10},
    "AT": {"GmbH": 66, "AG": 14, "KG": 6, "": 14},
    "IN": {"Pvt. Ltd.": 34, "Private Limited": 22, "Ltd.": 20, "LLP": 6, "": 18},
    "SE": {"AB": 80, "": 20},
    "PL": {"Sp. z o.o.": 62, "S.A.": 24, "": 14},
    "BE": {"NV": 34, "BV": 30, "SA": 16, "SRL": 10, "": 10},
    "DK": {"A/S": 46, "ApS": 38, "": 16},
    "NO": {"AS": 76, "ASA": 6, "": 18},
    "FI": {"Oy": 70, "Oyj": 10, "": 20},
    "IE": {"Ltd": 56, "DAC": 10, "plc": 6, "": 28},
    "PT": {"Lda.": 54, "S.A.": 28, "": 18},
    "BR": {"Ltda.": 54, "S.A.": 26, "": 20},
    "MX": {"S.A. de C.V.": 56, "S. de R.L. de C.V.": 20, "": 24},
    "AR": {"S.A.": 46, "S.R.L.": 34, "": 20},
    "SG": {"Pte. Ltd.": 70, "Ltd": 10, "": 20},
}

_SYLLABLES_FIRST = words("""
    Ac Al An Ar As Av Bel Bri Cal Cen Cor Cy Dal Den Dy El Em En Ev Fal Fen Flo Gal Gen Hal Hex In Ja Kal
    Ken Kor Lan Lex Lu Mar Mer Mi Mon Na Nex No Nu Ob Om Or Pa Per Pro Qua Ra Rel Sal Sen Si Sol Ste Syn
    Ta Tal Ter Tri Ul Va Vel Ver Vi Vol Xe Za Zen Zy
""")
_SYLLABLES_MIDDLE = words("a e i o u ta ri lo ve ni mo qui der tra li ba ro sto ga di na po ka se")
_SYLLABLES_LAST = words("""
    bis cor dex dia don fin gen gis ion lar lis lux lytics mark max met mira nar net nia nix nova on ora
    ra ris rix ro ron sis sol son star tec tek ter tis ton tor tra tum va vant vel vera via vio vis vo
    wave well zen zon
""")
_FIRST_WORDS: dict[str, tuple[str, ...]] = {
    "en": words("""
        Blue Red Silver Golden Green White Black Bright Clear North South East West Northern Western Summit
        Harbor River Stone Iron Copper Cedar Oak Maple Pine Willow Falcon Eagle Raven Fox Lion Bear Granite
        Crystal Prime First United Allied Pioneer Liberty Heritage Cardinal Beacon Anchor Bridge Keystone
        Horizon Evergreen Redwood Pacific Atlantic Alpine Coastal Lakeside Sunrise Crescent Apex Vertex
    """),
    "de": words("""
        Nord Süd West Ost Rhein Elbe Donau Isar Neckar Weser Alpen Hanse Küsten Berg Wald Stein Silber Gold
        Eisen Adler Falken Sonnen Stern Deutsche Bayerische Rheinische Hanseatische Allgemeine Erste Neue
        Ober Unter Mittel Schwarzwald Havel Spree
    """),
    "fr": words("""
        Générale Européenne Française Nouvelle Atlantique Méditerranée Rhône Loire Alpes Océan Horizon Étoile
        Soleil Lumière Azur Grand Premier Nord Sud Ouest Montagne Rivière Pierre Chêne Aigle Faucon Alliance
        Union Avenir Confluence
    """),
    "es": words("""
        Ibérica Nueva General Norte Sur Este Atlántica Mediterránea Sierra Costa Río Monte Sol Luna Estrella
        Águila Halcón Roble Olivo Piedra Plata Oro Hispana Europea Unión Alianza Primera Horizonte Andina
        Cóndor Pacífico
    """),
}  # fmt: skip
_SECOND_WORDS = words("""
    Bridge Point Field Gate Stone Path Works Craft Forge Peak Crest Ridge Grove Lane Port Line Loop Stack
    Leaf Wing Spring Light House Mill Yard Hill Valley Shore Rock Brook Wood Ford Grid Spark
""")

_SPEAKS: dict[str, str] = {
    "DE": "de", "AT": "de", "CH": "de", "FR": "fr", "ES": "es", "MX": "es", "AR": "es",
}  # fmt: skip
_FAMILY: dict[str, tuple[str, ...]] = {
    "en": ("& Sons", "& Co.", "Brothers"),
    "de": ("& Söhne", "& Partner", "Gruppe"),
    "fr": ("et Fils", "& Associés", "Frères"),
    "es": ("e Hijos", "y Asociados", "Hermanos"),
    "it": ("& Figli", "e Associati", "Fratelli"),
    "nl": ("& Zonen", "& Partners", "Groep"),
    "pt": ("& Filhos", "e Associados", "Irmãos"),
}
_CONNECTIVES = frozenset({"et", "y", "e", "and"})


def language_of(city: City) -> str:
    """The language a company of this city writes in, among the four the generator has words of."""
    return _SPEAKS.get(city.country.code, "en")


def draw(uniform: Uniform, city: City, industry: Industry) -> tuple[str, str]:
    """A name without its legal form, and the long form of an abbreviated one ("" for the others)."""
    speaks = language_of(city)
    if speaks != "en" and uniform() < 0.2:
        speaks = "en"
    trade = pick(industry.words[speaks], uniform)
    return _SCHEMES.draw(uniform)(uniform, city, speaks, trade)


def with_legal_form(name: str, uniform: Uniform, city: City) -> str:
    form = _legal_forms(city.country.code).draw(uniform)
    return f"{name}{form}" if form.startswith(",") else f"{name} {form}".rstrip()


def domain(short_name: str, city: City, *, beside: bool = False) -> str:
    """The domain a company would take; `beside` adds the city, for one whose name is taken."""
    joint = "-" if city.country.code in {"DE", "AT", "FR"} else ""
    slug = _slug(short_name, joint)
    return f"{slug}-{_slug(city.name, '')}.example" if beside else f"{slug}.example"


def aliases(
    uniform: Uniform, short_name: str, long_name: str, city: City, industry: Industry
) -> tuple[str, ...]:
    """Former names, long forms and brands, for one company in six or so."""
    found = [long_name] if long_name else []
    chance = uniform()
    if chance < 0.06:
        found.append(with_legal_form(draw(uniform, city, industry)[0], uniform, city))
    elif chance < 0.10:
        initials = [word[0] for word in short_name.split() if word[0].isalpha()]
        if len(initials) >= 3:
            found.append("".join(initials).upper())
    elif chance < 0.14:
        found.append(f"{short_name} {'Gruppe' if city.country.code == 'DE' else 'Group'}")
    return tuple(name for name in found if name != short_name)


@cache
def _legal_forms(country: str) -> Weighted[str]:
    return pairs(_LEGAL_FORMS[country])


def _slug(name: str, joint: str) -> str:
    parts = (word for word in name.replace("-", " ").split() if word not in _CONNECTIVES)
    return joint.join(filter(None, (ascii_name(word, umlauts=True) for word in parts)))


def _coined(uniform: Uniform, _city: City, _speaks: str, _trade: str) -> tuple[str, str]:
    middle = pick(_SYLLABLES_MIDDLE, uniform) if uniform() < 0.75 else ""
    return pick(_SYLLABLES_FIRST, uniform) + middle + pick(_SYLLABLES_LAST, uniform), ""


def _coined_trade(uniform: Uniform, city: City, speaks: str, trade: str) -> tuple[str, str]:
    return f"{_coined(uniform, city, speaks, trade)[0]} {trade}", ""


def _worded(uniform: Uniform, _city: City, speaks: str, trade: str) -> tuple[str, str]:
    first = pick(_FIRST_WORDS[speaks], uniform)
    if speaks == "en":
        second = pick(_SECOND_WORDS, uniform)
        kind = uniform()
        if kind < 0.4:
            return f"{first}{second.lower()} {trade}", ""
        return (f"{first} {second} {trade}" if kind < 0.75 else f"{first} {trade}"), ""
    if speaks == "de":
        return (f"{first} {trade}" if first.endswith("e") else f"{first}{trade.lower()}"), ""
    return f"{trade} {first}", ""


def _place(_uniform: Uniform, city: City, speaks: str, trade: str) -> tuple[str, str]:
    return (f"{trade} {city.name}" if speaks in {"fr", "es"} else f"{city.name} {trade}"), ""


def _surname(uniform: Uniform, city: City, speaks: str, trade: str) -> tuple[str, str]:
    name = _family_name(uniform, city)
    if uniform() < 0.25:
        native = next(iter(city.country.languages))
        return f"{name} {pick(_FAMILY.get(native, _FAMILY[speaks]), uniform)}", ""
    return (f"{trade} {name}" if speaks in {"fr", "es"} else f"{name} {trade}"), ""


def _two_surnames(uniform: Uniform, city: City, speaks: str, _trade: str) -> tuple[str, str]:
    joint = "y" if speaks == "es" else "and" if speaks == "en" and uniform() < 0.3 else "&"
    return f"{_family_name(uniform, city)} {joint} {_family_name(uniform, city)}", ""


def _acronym(uniform: Uniform, city: City, _speaks: str, trade: str) -> tuple[str, str]:
    long_name = f"{_family_name(uniform, city)} {_family_name(uniform, city)} {trade}"
    letters = "".join(word[0] for word in long_name.split()[:3]).upper()
    return f"{letters} {trade.rpartition(' ')[2]}", long_name


def _family_name(uniform: Uniform, city: City) -> str:
    family = SURNAMES[next(iter(city.country.languages))]
    return family[int(uniform() * uniform() * len(family))]


_Scheme = Callable[[Uniform, City, str, str], tuple[str, str]]
_SCHEMES: Weighted[_Scheme] = pairs(
    {_surname: 22, _coined: 20, _worded: 20, _coined_trade: 14, _two_surnames: 8, _place: 8, _acronym: 8}
)
