"""Columns to fields: by names of several languages and exports, by a mapping file; the rest is kept aside."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.imports import columns, tables
from domain.imports.column_names import WORDS
from domain.imports.columns import BadMapping, Overrides, UnknownField
from domain.imports.values import DateHabit, NumberHabit

SHARED_DATA = Path(__file__).parents[4] / "shared" / "data"


def fields(entity, header, overrides=None):
    """header -> field, of the columns that have one."""
    plan = columns.map_columns(entity, header.split(","), overrides)
    return {c.header: c.field for c in plan.columns if c.field}


CONTACTS = (
    "id,first_name,middle_name,last_name,title,company_id,company,company_domain,email,email_status,phone,"
    "linkedin_url,city,region,country,position_started_on,last_refreshed"
)
ORGANIZATIONS = (
    "id,name,aliases,website,linkedin_url,phone,industry,naics,employees,revenue,technologies,keywords,"
    "funding_stage,funding_amount,funding_date,founded,city,region,country,description,last_refreshed"
)


@pytest.mark.parametrize(
    "entity, header",
    [
        ("contacts", CONTACTS),
        ("organizations", ORGANIZATIONS),
        ("employment", "contact_id,company,title,start_date,end_date"),
    ],
)
def test_our_own_columns_are_what_they_are_called(entity, header):
    assert fields(entity, header) == {name: name for name in header.split(",")}


@pytest.mark.parametrize(
    "entity, header, expected",
    [
        (
            "contacts",
            "Anrede,Titel,Vorname,Name,Firma,Position,E-Mail,Telefon,Ort,Land",
            {
                "Vorname": "first_name",
                "Name": "last_name",
                "Firma": "company",
                "Position": "title",
                "E-Mail": "email",
                "Telefon": "phone",
                "Ort": "city",
                "Land": "country",
            },
        ),
        (
            "contacts",
            "Prénom,Nom,Société,Fonction,Courriel,Téléphone,Ville,Pays",
            {
                "Prénom": "first_name",
                "Nom": "last_name",
                "Société": "company",
                "Fonction": "title",
                "Courriel": "email",
                "Téléphone": "phone",
                "Ville": "city",
                "Pays": "country",
            },
        ),
        (
            "contacts",
            "Nombre,Apellidos,Empresa,Cargo,Correo electrónico,Ciudad,País",
            {
                "Nombre": "first_name",
                "Apellidos": "last_name",
                "Empresa": "company",
                "Cargo": "title",
                "Correo electrónico": "email",
                "Ciudad": "city",
                "País": "country",
            },
        ),
        ("contacts", "Name,Email", {"Name": "full_name", "Email": "email"}),
        ("contacts", "Nombre,Empresa", {"Nombre": "full_name", "Empresa": "company"}),
        ("contacts", "Given Name,Family Name", {"Given Name": "first_name", "Family Name": "last_name"}),
        (
            "contacts",
            "First Name,Last Name,URL,Email Address,Company,Position,Connected On",
            {
                "First Name": "first_name",
                "Last Name": "last_name",
                "URL": "linkedin_url",
                "Email Address": "email",
                "Company": "company",
                "Position": "title",
            },
        ),
        (
            "contacts",
            (
                "First Name,Title,Account Name,Mailing City,Mailing State/Province,Mailing Country,"
                "Contact ID,Account ID"
            ),
            {
                "First Name": "first_name",
                "Title": "title",
                "Account Name": "company",
                "Mailing City": "city",
                "Mailing State/Province": "region",
                "Mailing Country": "country",
                "Contact ID": "id",
                "Account ID": "company_id",
            },
        ),
        (
            "organizations",
            (
                "Organization Name,Founded Date,Industries,Headquarters Location,Number of Employees,"
                "Estimated Revenue Range,Last Funding Type,Last Funding Date,Total Funding Amount (in USD)"
            ),
            {
                "Organization Name": "name",
                "Founded Date": "founded",
                "Industries": "industry",
                "Headquarters Location": "location",
                "Number of Employees": "employees",
                "Estimated Revenue Range": "revenue",
                "Last Funding Type": "funding_stage",
                "Last Funding Date": "funding_date",
                "Total Funding Amount (in USD)": "funding_amount",
            },
        ),
        (
            "organizations",
            "Firma,Webseite,Branche,Mitarbeiter,Umsatz in TEUR,Ort,Bundesland,Gründungsjahr",
            {
                "Firma": "name",
                "Webseite": "website",
                "Branche": "industry",
                "Mitarbeiter": "employees",
                "Umsatz in TEUR": "revenue",
                "Ort": "city",
                "Bundesland": "region",
                "Gründungsjahr": "founded",
            },
        ),
        ("organizations", "Company,Address", {"Company": "name", "Address": "location"}),
        (
            "employment",
            "Bioguide ID,Company,Von,Bis",
            {"Bioguide ID": "contact_id", "Company": "company", "Von": "start_date", "Bis": "end_date"},
        ),
    ],
)
def test_the_columns_of_people_and_their_tools_are_known(entity, header, expected):
    assert fields(entity, header) == expected


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real files are not beside this checkout")
@pytest.mark.parametrize(
    "name, entity, expected, kept",
    [
        (
            "sp500.csv",
            "organizations",
            {
                "Symbol": "id",
                "Security": "name",
                "GICS Sector": "industry",
                "GICS Sub-Industry": "industry",
                "Headquarters Location": "location",
                "Founded": "founded",
            },
            ["Date added", "CIK"],
        ),
        (
            "equities-asx.csv.gz",
            "organizations",
            {
                "symbol": "id",
                "name": "name",
                "sector": "industry",
                "industry_group": "industry",
                "industry": "industry",
                "country": "country",
                "state": "region",
                "city": "city",
                "website": "website",
            },
            [
                "currency",
                "exchange",
                "mic",
                "market",
                "zipcode",
                "market_cap",
                "isin",
                "cusip",
                "figi",
                "composite_figi",
                "shareclass_figi",
                "delisted",
            ],
        ),
        (
            "congress-people.csv",
            "contacts",
            {
                "Bioguide ID": "id",
                "First Name": "first_name",
                "Middle Name": "middle_name",
                "Last Name": "last_name",
                "Suffix": "suffix",
                "Title": "title",
                "Company": "company",
                "Company Website": "company_website",
                "State": "region",
                "Phone": "phone",
            },
            ["Nickname", "Address", "Personal Website"],
        ),
        (
            "congress-terms.csv",
            "employment",
            {
                "Bioguide ID": "contact_id",
                "Company": "company",
                "Title": "title",
                "Start Date": "start_date",
                "End Date": "end_date",
            },
            ["State"],
        ),
    ],
)
def test_the_real_files_are_mapped_as_a_person_would(name, entity, expected, kept):
    with tables.open_table(SHARED_DATA / name) as table:
        plan = columns.map_columns(entity, table.header)
    assert {c.header: c.field for c in plan.columns if c.field} == expected
    assert [header for header, _ in plan.enrichment] == kept


def test_lists_are_joined_and_other_second_columns_stand_in():
    plan = columns.map_columns(
        "organizations", ["Company", "GICS Sector", "GICS Sub-Industry", "Phone", "Main Phone"]
    )
    row = ["Acme", "Industrials", "Machinery", "", "+1 202 555 0101"]
    assert plan.cells(row) == {
        "name": "Acme",
        "industry": "Machinery; Industrials",
        "phone": "+1 202 555 0101",
    }
    assert plan.extras(["Acme", "", "", "1", "2"]) == {"Main Phone": "2"}
    assert plan.cells(["Acme", "", "n/a", "-", ""]) == {"name": "Acme"}


def test_what_is_no_field_is_kept_under_its_own_header():
    plan = columns.map_columns("contacts", ["Email", "Shoe size", "", "Shoe size"])
    assert plan.extras(["a@b.de", "44", "x", " 45 "]) == {
        "Shoe size": "44",
        "Column 3": "x",
        "Shoe size (2)": "45",
    }
    assert [c.how for c in plan.columns] == ["name", "enrichment", "enrichment", "enrichment"]


def test_a_file_of_which_nothing_is_known_is_refused():
    with pytest.raises(BadMapping, match="No column is known for contacts: Foo, Bar"):
        columns.map_columns("contacts", ["Foo", "Bar"])


def test_headers_tell_currency_and_scale():
    plan = columns.map_columns(
        "organizations", ["Company", "Revenue (in 000s USD)", "Revenue Range (in USD)"]
    )
    assert plan.unit("revenue") == ("USD", 1000)
    assert len(plan.fields["revenue"]) == 1  # another unit cannot stand in
    plan = columns.map_columns("organizations", ["Firma", "Umsatz in TEUR"])
    assert plan.unit("revenue") == ("EUR", 1000)
    plan = columns.map_columns("organizations", ["Company", "Annual Revenue ($M)"])
    assert plan.unit("revenue") == ("USD", 1_000_000)
    plan = columns.map_columns("organizations", ["Company", "Revenue"])
    assert plan.unit("revenue") == (None, 1)


MAPPING = """
[columns]
"Kürzel" = "id"
"Betrieb" = "name"
"Geheim" = "ignore"
"Umsatz" = "enrichment"

[options]
dayfirst = true
decimal = ","
country = "Deutschland"
currency = "EUR"
list_separator = ","
"""


def test_a_mapping_file_has_the_last_word(tmp_path):
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING, "utf-8")
    plan = columns.map_columns(
        "organizations", ["Name", "Kürzel", "Betrieb", "Geheim", "Umsatz", "Ort"], columns.read_mapping(path)
    )
    assert {c.header: (c.field, c.how) for c in plan.columns} == {
        "Name": (None, "enrichment"),
        "Kürzel": ("id", "mapping"),
        "Betrieb": ("name", "mapping"),
        "Geheim": (None, "ignored"),
        "Umsatz": (None, "mapping"),
        "Ort": ("city", "name"),
    }
    assert plan.extras(["n", "k", "b", "g", "u", "o"]) == {"Name": "n", "Umsatz": "u"}
    assert plan.options.country == "DE"
    assert plan.options.currency == "EUR"
    habits = columns.find_habits(plan, [])
    assert habits.numbers == NumberHabit(",", sure=True)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("[columns", "not TOML"),
        ("[colums]\n", r"not \[colums\]"),
        ("[columns]\nName = 1\n", "of the form"),
        ("[options]\nfoo = 1\n", "no option 'foo'"),
        ("[options]\ndayfirst = 'yes'\n", "cannot be 'yes'"),
        ("[options]\ndecimal = ';'\n", "decimal"),
        ("[options]\ncountry = 'Narnia'\n", "not a known country"),
        ("[options]\ncurrency = 'beads'\n", "not a known currency"),
        ("options = 1\n", "must be a table"),
    ],
)
def test_a_wrong_mapping_file_is_refused_with_its_reason(text, reason):
    with pytest.raises(BadMapping, match=reason):
        columns.parse_mapping(text)


def test_unknown_names_in_a_mapping_come_with_the_nearest():
    with pytest.raises(UnknownField, match="no field 'naem'; the nearest are name"):
        columns.map_columns("organizations", ["Company"], Overrides({"Company": "naem"}))
    with pytest.raises(BadMapping, match="no column 'Compny'; the nearest are Company"):
        columns.map_columns("organizations", ["Company"], Overrides({"Compny": "name"}))
    with pytest.raises(BadMapping, match="cannot be read"):
        columns.read_mapping("/no/such/mapping.toml")


def test_a_table_has_one_habit_of_numbers_and_dates():
    plan = columns.map_columns(
        "organizations", ["Firma", "Mitarbeiter", "Umsatz", "Funding date", "Updated at"]
    )
    rows = [["a", "1.500", "2,5 Mio", "03/04/2021", "03/04/2021"], ["b", "12", "", "25/12/2020", ""]]
    habits = columns.find_habits(plan, rows)
    assert habits.numbers == NumberHabit(",", sure=True)
    assert habits.date("funding_date") == DateHabit(day_first=True, sure=True)
    assert habits.date("last_refreshed") == DateHabit(day_first=True, sure=True)
    assert plan.language == "de"
    english = columns.map_columns("organizations", ["Company", "Employees"])
    assert columns.find_habits(english, [["a", "1.500"]]).numbers == NumberHabit(".", sure=False)
    assert columns.find_habits(english, [["a", "1.500"]], delimiter=";").numbers.sure is False


def test_a_word_stands_for_one_field_or_for_the_likelier_one():
    for entity, table in WORDS.items():
        for name, words in table.items():
            plan = columns.map_columns(entity, [words[0]])
            assert plan.fields.keys() == {name}


@given(
    st.lists(st.text(max_size=15), min_size=1, max_size=8),
    st.sampled_from(["contacts", "organizations", "employment"]),
)
def test_no_column_is_lost(header, entity):
    try:
        plan = columns.map_columns(entity, header)
    except BadMapping:
        return
    labels = [column.header for column in plan.columns]
    assert len(set(labels)) == len(header)
    assert {i for _, i in plan.enrichment} | {i for ids in plan.fields.values() for i in ids} == set(
        range(len(header))
    )
