"""Where the market lives: countries with their share, cities with theirs, and how phones are numbered there.

The cities are real, so that the gazetteer resolves them; what stands in them is invented.
"""

from dataclasses import dataclass
from functools import cache

from domain.demo.draws import Weighted


@dataclass(frozen=True, slots=True)
class City:
    """A city with its region and country as a list would write them, and the digits before a phone number."""

    name: str
    region: str
    region_code: str
    country: "Country"
    area_code: str
    weight: float


@dataclass(frozen=True, slots=True)
class Country:
    """`languages` are those of people's names there; `titles` those that business cards are written in."""

    code: str
    name: str
    share: float
    currency: str
    units_per_dollar: float
    dial: str
    languages: dict[str, float]
    titles: dict[str, float]


COUNTRIES: dict[str, Country] = {
    country.code: country
    for country in (
        Country(
            "US", "United States", 34, "USD", 1, "1",
            {"en": 0.7, "es": 0.09, "de": 0.05, "in": 0.05, "zh": 0.03, "it": 0.03, "world": 0.05},
            {"en": 1},
        ),
        Country(
            "GB", "United Kingdom", 11, "GBP", 0.8, "44",
            {"en": 0.84, "in": 0.06, "pl": 0.03, "world": 0.04, "zh": 0.01, "it": 0.02}, {"en": 1},
        ),
        Country(
            "DE", "Germany", 12, "EUR", 0.9, "49",
            {"de": 0.85, "world": 0.06, "pl": 0.04, "it": 0.02, "en": 0.03}, {"de": 0.66, "en": 0.34},
        ),
        Country(
            "FR", "France", 8, "EUR", 0.9, "33",
            {"fr": 0.87, "pt": 0.04, "es": 0.03, "it": 0.03, "world": 0.03}, {"fr": 0.78, "en": 0.22},
        ),
        Country(
            "ES", "Spain", 5, "EUR", 0.9, "34",
            {"es": 0.94, "en": 0.02, "fr": 0.02, "it": 0.02}, {"es": 0.75, "en": 0.25},
        ),
        Country(
            "CA", "Canada", 4, "CAD", 1.35, "1",
            {"en": 0.64, "fr": 0.16, "in": 0.08, "zh": 0.08, "world": 0.04}, {"en": 0.88, "fr": 0.12},
        ),
        Country(
            "NL", "Netherlands", 4, "EUR", 0.9, "31",
            {"nl": 0.86, "de": 0.04, "en": 0.04, "world": 0.06}, {"en": 1},
        ),
        Country(
            "IT", "Italy", 4, "EUR", 0.9, "39", {"it": 0.96, "de": 0.02, "en": 0.02}, {"en": 1},
        ),
        Country(
            "AU", "Australia", 3, "AUD", 1.5, "61",
            {"en": 0.82, "it": 0.04, "zh": 0.06, "in": 0.05, "world": 0.03}, {"en": 1},
        ),
        Country(
            "CH", "Switzerland", 2.5, "CHF", 0.88, "41",
            {"de": 0.66, "fr": 0.20, "it": 0.10, "world": 0.04}, {"de": 0.5, "fr": 0.14, "en": 0.36},
        ),
        Country(
            "AT", "Austria", 1.6, "EUR", 0.9, "43",
            {"de": 0.92, "world": 0.06, "pl": 0.02}, {"de": 0.7, "en": 0.3},
        ),
        Country("IN", "India", 2.6, "INR", 84, "91", {"in": 1}, {"en": 1}),
        Country("SE", "Sweden", 1.8, "SEK", 10.5, "46", {"nordic": 0.94, "world": 0.06}, {"en": 1}),
        Country("PL", "Poland", 1.6, "PLN", 4, "48", {"pl": 0.98, "en": 0.02}, {"en": 1}),
        Country(
            "BE", "Belgium", 1.5, "EUR", 0.9, "32",
            {"nl": 0.55, "fr": 0.40, "it": 0.05}, {"en": 0.7, "fr": 0.3},
        ),
        Country("DK", "Denmark", 1, "DKK", 6.8, "45", {"nordic": 0.96, "en": 0.04}, {"en": 1}),
        Country("NO", "Norway", 0.9, "NOK", 10.5, "47", {"nordic": 0.96, "en": 0.04}, {"en": 1}),
        Country("FI", "Finland", 0.7, "EUR", 0.9, "358", {"nordic": 1}, {"en": 1}),
        Country("IE", "Ireland", 1.2, "EUR", 0.9, "353", {"en": 0.94, "pl": 0.06}, {"en": 1}),
        Country("PT", "Portugal", 0.8, "EUR", 0.9, "351", {"pt": 0.97, "fr": 0.03}, {"en": 1}),
        Country("BR", "Brazil", 1.6, "BRL", 5.4, "55", {"pt": 0.9, "it": 0.07, "de": 0.03}, {"en": 1}),
        Country("MX", "Mexico", 1.4, "MXN", 18, "52", {"es": 1}, {"es": 0.8, "en": 0.2}),
        Country("AR", "Argentina", 0.5, "ARS", 1000, "54", {"es": 0.75, "it": 0.25}, {"es": 0.8, "en": 0.2}),
        Country(
            "SG", "Singapore", 0.8, "SGD", 1.33, "65",
            {"zh": 0.7, "in": 0.15, "en": 0.1, "world": 0.05}, {"en": 1},
        ),
    )
}  # fmt: skip

# country: city | region | state's code | digits before the subscriber's number | weight in its country
_CITIES = """
US: New York City|New York|NY|212|14; Los Angeles|California|CA|213|7; Chicago|Illinois|IL|312|7
US: San Francisco|California|CA|415|9; Houston|Texas|TX|713|4; Austin|Texas|TX|512|5; Dallas|Texas|TX|214|4
US: Boston|Massachusetts|MA|617|5; Seattle|Washington|WA|206|5; Atlanta|Georgia|GA|404|4
US: Denver|Colorado|CO|303|3; San Diego|California|CA|619|2.5; San Jose|California|CA|408|3
US: Philadelphia|Pennsylvania|PA|215|2.5; Washington|District of Columbia|DC|202|3.5; Miami|Florida|FL|305|3
US: Phoenix|Arizona|AZ|602|2; Minneapolis|Minnesota|MN|612|2; Saint Paul|Minnesota|MN|651|1
US: Portland|Oregon|OR|503|1.5; Portland|Maine|ME|207|0.4; Detroit|Michigan|MI|313|1.5
US: Charlotte|North Carolina|NC|704|1.5; Raleigh|North Carolina|NC|919|1.5; Nashville|Tennessee|TN|615|1.5
US: Salt Lake City|Utah|UT|801|1.5; Pittsburgh|Pennsylvania|PA|412|1; Columbus|Ohio|OH|614|1.2
US: Cincinnati|Ohio|OH|513|0.8; Kansas City|Missouri|MO|816|0.8; Saint Louis|Missouri|MO|314|0.9
US: Tampa|Florida|FL|813|1; Orlando|Florida|FL|407|0.8; Milwaukee|Wisconsin|WI|414|0.7
US: Indianapolis|Indiana|IN|317|0.8; Baltimore|Maryland|MD|410|0.7; San Antonio|Texas|TX|210|0.8
US: Las Vegas|Nevada|NV|702|0.8; Richmond|Virginia|VA|804|0.5; Boulder|Colorado|CO|720|0.6
US: Birmingham|Alabama|AL|205|0.4; Cambridge|Massachusetts|MA|857|0.7
GB: London|England||20 3|48; Manchester|England||161|9; Birmingham|England||121|6
GB: Leeds|England||113|5; Bristol|England||20 3|5; Edinburgh|Scotland||131|5; Glasgow|Scotland||141|4
GB: Cambridge|England||20 3|4; Oxford|England||20 3|3; Cardiff|Wales||29 2|2; Belfast|Northern Ireland||28 3|2
GB: Liverpool|England||151|3; Sheffield|England||114|2; Newcastle upon Tyne|England||191|2
DE: Berlin|Berlin||30|20; Munich|Bavaria||89|17; Hamburg|Hamburg||40|12
DE: Frankfurt am Main|Hesse||69|9; Köln|North Rhine-Westphalia||221|8
DE: Düsseldorf|North Rhine-Westphalia||211|7; Stuttgart|Baden-Württemberg||711|7
DE: Leipzig|Saxony||341|3; Dresden|Saxony||351|2; Hannover|Lower Saxony||511|3
DE: Nürnberg|Bavaria||911|3; Bremen|Bremen||421|2; Essen|North Rhine-Westphalia||201|2
DE: Karlsruhe|Baden-Württemberg||721|2; Mannheim|Baden-Württemberg||621|2
DE: Dortmund|North Rhine-Westphalia||231|2; Münster|North Rhine-Westphalia||251|1; Augsburg|Bavaria||821|1
FR: Paris|Île-de-France||1 5|52; Lyon|Auvergne-Rhône-Alpes||4 5|11
FR: Marseille|Provence-Alpes-Côte d'Azur||4 5|6
FR: Toulouse|Occitanie||5 5|6; Lille|Hauts-de-France||3 5|6; Nantes|Pays de la Loire||2 5|5
FR: Bordeaux|Nouvelle-Aquitaine||5 5|5; Strasbourg|Grand Est||3 5|3; Rennes|Brittany||2 5|3
FR: Grenoble|Auvergne-Rhône-Alpes||4 5|2; Montpellier|Occitanie||4 5|2
FR: Nice|Provence-Alpes-Côte d'Azur||4 5|2
ES: Madrid|Madrid||91|42; Barcelona|Catalonia||93|30; Valencia|Valencia||96|8; Sevilla|Andalusia||95|5
ES: Bilbao|Basque Country||94|5; Málaga|Andalusia||95|4; Zaragoza|Aragon||97|3
CA: Toronto|Ontario||416|40; Montréal|Quebec||514|18; Vancouver|British Columbia||604|16
CA: Calgary|Alberta||403|8; Ottawa|Ontario||613|7; Québec|Quebec||418|4; Waterloo|Ontario||519|2
NL: Amsterdam|North Holland||20|40; Rotterdam|South Holland||10|16; Utrecht|Utrecht||30|14
NL: Eindhoven|North Brabant||40|9; The Hague|South Holland||70|8; Groningen|Groningen||50|3
IT: Milano|Lombardy||02|40; Roma|Lazio||06|22; Torino|Piedmont||011|10; Bologna|Emilia-Romagna||051|8
IT: Firenze|Tuscany||055|5; Napoli|Campania||081|5
AU: Sydney|New South Wales||2 5|42; Melbourne|Victoria||3 5|32; Brisbane|Queensland||7 5|12
AU: Perth|Western Australia||8 5|7; Adelaide|South Australia||8 5|4
CH: Zürich|Zurich||44|42; Genève|Geneva||22|18; Basel|Basel-City||61|12; Bern|Bern||31|8
CH: Lausanne|Vaud||21|8; Lugano|Ticino||91|3
AT: Vienna|Vienna||1|60; Graz|Styria||316|12; Linz|Upper Austria||732|10; Salzburg|Salzburg||662|8
IN: Bengaluru|Karnataka||80 5|30; Mumbai|Maharashtra||22 5|24; New Delhi|Delhi||11 5|12
IN: Hyderabad|Telangana||40 5|13; Pune|Maharashtra||20 5|10; Chennai|Tamil Nadu||44 5|9
SE: Stockholm|Stockholm||8|60; Göteborg|Västra Götaland||31|22; Malmö|Skåne||40|13
PL: Warsaw|Mazovia||22|42; Kraków|Lesser Poland||12|18; Wrocław|Lower Silesia||71|14; Gdańsk|Pomerania||58|8
PL: Poznań|Wielkopolskie||61|8; Łódź|Łódź||42|5
BE: Brussels|Brussels Capital||2|50; Antwerpen|Flanders||3|25; Gent|Flanders||2|12; Liège|Wallonia||4 5|8
DK: Copenhagen|Hovedstaden||3|70; Aarhus|Central Jutland||3|20
NO: Oslo|Oslo||5|65; Bergen|Vestland||5|15; Trondheim|Trøndelag||7|10
FI: Helsinki|Uusimaa||9|65; Tampere|Pirkanmaa||3|15; Oulu|Northern Ostrobothnia||8|8
IE: Dublin|Leinster||1|75; Cork|Munster||21|14; Galway|Connacht||1|6
PT: Lisbon|Lisbon||21|60; Porto|Porto||22|30
BR: São Paulo|São Paulo||11 5|55; Rio de Janeiro|Rio de Janeiro||21 5|18; Belo Horizonte|Minas Gerais||31 5|9
BR: Curitiba|Paraná||41 5|7; Florianópolis|Santa Catarina||48 5|5
MX: Mexico City|Mexico City||55 5|52; Monterrey|Nuevo León||81 5|22; Guadalajara|Jalisco||33 5|16
AR: Buenos Aires|Buenos Aires F.D.||11 5|75; Córdoba|Cordoba||351|15
SG: Singapore|||6|100
"""


def _read() -> dict[str, tuple[City, ...]]:
    cities: dict[str, list[City]] = {code: [] for code in COUNTRIES}
    for line in _CITIES.strip().splitlines():
        code, row = line.split(": ", 1)
        for entry in row.split("; "):
            name, region, region_code, area_code, weight = entry.split("|")
            cities[code].append(City(name, region, region_code, COUNTRIES[code], area_code, float(weight)))
    return {code: tuple(entries) for code, entries in cities.items()}


CITIES: dict[str, tuple[City, ...]] = _read()


@cache
def cities_of(code: str) -> Weighted[City]:
    return Weighted(CITIES[code], (city.weight for city in CITIES[code]))


@cache
def all_cities() -> Weighted[City]:
    """Every city, by its country's share and its own within the country."""
    cities, weights = [], []
    for code, country in COUNTRIES.items():
        total = sum(city.weight for city in CITIES[code])
        for city in CITIES[code]:
            cities.append(city)
            weights.append(country.share * city.weight / total)
    return Weighted(cities, weights)
