"""The public files that lie beside the project, where they are: every row that a person would take is taken.

The expected counts come from the files themselves, by a few lines that know nothing of the importer.
"""

import csv
import gzip
import re
from pathlib import Path

import pytest

from domain.imports import runs
from tests.domain.imports.support import fetch

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"

pytestmark = [
    pytest.mark.usefixtures("clean_database"),
    pytest.mark.skipif(not DATA.is_dir(), reason="the public files are not beside the project"),
]


@pytest.fixture
def importing(db, settings):
    async def run(entity, name, **options):
        rejects = []
        source = options.pop("source", name.partition(".")[0])
        summary = await runs.run_import(
            db,
            settings.privacy,
            DATA / name,
            runs.Options(entity=entity, source=source, **options),
            rejects=rejects.extend,
        )
        return summary, rejects

    return run


def records(name):
    opened = gzip.open if name.endswith(".gz") else open
    with opened(DATA / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def test_every_security_of_the_index_is_an_organization(db, importing):
    summary, rejects = await importing("organizations", "sp500.csv")
    assert len(records("sp500.csv")) == 503
    assert (summary.counts["created"], rejects) == (503, [])
    again, _ = await importing("organizations", "sp500.csv")
    assert again.changed_nothing
    [texas] = await fetch(
        db,
        "SELECT count(*) AS n FROM organizations"
        " WHERE region = 'US-TX' AND 'semiconductors' = ANY (industries)",
    )
    in_texas = [r for r in records("sp500.csv") if r["Headquarters Location"].endswith(", Texas")]
    assert texas["n"] == sum(r["GICS Sub-Industry"] == "Semiconductors" for r in in_texas) > 0


async def test_congress_comes_with_every_term(db, importing):
    people, terms = records("congress-people.csv"), records("congress-terms.csv")
    assert (len(people), len(terms)) == (537, 2792)
    summary, rejects = await importing("contacts", "congress-people.csv")
    assert rejects == []
    assert (summary.counts["created"], summary.counts["organizations_created"]) == (537, 2)
    # Imported under the file's own name, it still finds the people of the other file.
    summary, rejects = await importing("employment", "congress-terms.csv")
    assert (summary.counts["created"], rejects) == (2792, [])
    assert summary.notes == ["People are known by the keys of the source 'congress-people'."]
    linked = await fetch(
        db,
        "SELECT s.source_key AS key, count(*) AS n FROM employment_history e"
        " JOIN contact_sources s USING (contact_id) WHERE organization_id IS NOT NULL GROUP BY 1",
    )
    expected = {}
    for term in terms:
        expected[term["Bioguide ID"]] = expected.get(term["Bioguide ID"], 0) + 1
    assert {row["key"]: row["n"] for row in linked} == expected
    again, _ = await importing("employment", "congress-terms.csv")
    assert again.changed_nothing


@pytest.mark.parametrize("name, expected", [("equities-lse.csv.gz", 3181), ("equities-asx.csv.gz", 1966)])
async def test_a_company_with_many_listings_is_one_organization(importing, name, expected):
    rows = records(name)
    # A company is a name without its legal form; one name with two websites is two companies.
    websites = {}
    for row in rows:
        words = re.sub(r"[^a-z0-9 ]", " ", row["name"].lower().replace("&", " and ")).split()
        while len(words) > 1 and words[-1] in {"plc", "ltd", "limited", "inc", "sa", "company", "public"}:
            words.pop()
        if words:
            websites.setdefault(" ".join(word for word in words if word != "the"), set()).add(row["website"])
    companies = sum(max(len(sites - {""}), 1) for sites in websites.values())
    nameless = sum(not row["name"].strip() for row in rows)
    summary, rejects = await importing("organizations", name)
    assert (summary.counts["created"], summary.counts["rejected"]) == (companies, nameless)
    assert companies == expected
    assert all("identifies nobody" in reject.reason for reject in rejects if reject.is_row)
    again, _ = await importing("organizations", name)
    assert again.changed_nothing
