"""One or two: the judgement on names, companies and places, as a person would give it."""

import pytest

from domain.imports.identity import (
    Location,
    domains_differ,
    fits_domain,
    is_shared_mailbox,
    locations_agree,
    may_share,
    people_agree,
    related_company_names,
    same_company_name,
)


@pytest.mark.parametrize(
    "one, other",
    [
        ("anna muller", "anna muller"),
        ("anna muller", ""),
        ("william smith", "bill smith"),
        ("a. muller", "anna muller"),
        ("anna muller", "anna schmidt"),
        ("muller anna", "anna muller"),
        ("anna maria muller", "anna muller"),
        ("jonathan smith", "jonathon smith"),
        ("muler anna", "anna muller"),
    ],
)
def test_one_person(one, other):
    assert people_agree(one, other)
    assert people_agree(other, one)


@pytest.mark.parametrize(
    "one, other, shared",
    [
        ("hans muller", "anna muller", False),
        ("anna muller", "bert schulz", False),
        ("anna muller", "anna schmidt", True),
        ("anna muller", "", True),
        ("jo li", "al li", False),
    ],
)
def test_two_people(one, other, shared):
    assert not people_agree(one, other, shared_mailbox=shared)
    assert not people_agree(other, one, shared_mailbox=shared)


@pytest.mark.parametrize(
    "email, shared",
    [
        ("info@x.example", True),
        ("help-desk@x.example", True),
        ("anna@x.example", False),
        ("infos@x.example", False),
    ],
)
def test_mailboxes_of_companies(email, shared):
    assert is_shared_mailbox(email) is shared


@pytest.mark.parametrize(
    "one, other, same, related",
    [
        ("merit group", "merit", True, True),
        ("oakridge international", "oakrigde international", True, True),
        ("alphabet class a", "alphabet class c", False, True),
        ("downing four vct", "downing five vct", False, False),
        ("anz holdings", "australia and new zealand banking", False, True),
        ("charter hall", "charter hall long wale reit", False, True),
        ("crh", "irhythm technologies", False, False),
        ("fund 2024", "fund 2025", False, True),
    ],
)
def test_names_of_companies(one, other, same, related):
    assert same_company_name(one, other) is same
    assert related_company_names(one, other) is related


@pytest.mark.parametrize(
    "key, domain, fits",
    [
        ("rh", "rh.com", True),
        ("crh", "rh.com", False),
        ("iqe", "iqeplc.com", True),
        ("deutsche bank", "db.com", False),
        ("international business machines", "ibm.com", True),
        ("wam leaders", "wamfunds.com.au", True),
        ("arista networks", "sz000004.cn", False),
    ],
)
def test_what_a_domain_is_named_after(key, domain, fits):
    assert fits_domain(key, domain) is fits


def test_funds_of_one_house_may_share_its_domain():
    assert may_share("centuria capital", "centuria office reit", "centuria.com.au")
    assert may_share(
        "caisse regionale de credit agricole paris",
        "caisse regionale de credit agricole brie",
        "credit-agricole.fr",
    )
    assert not may_share("crh", "weyerhaeuser", "rh.com")
    assert not may_share("powerhouse energy", "powerhouse ventures", "rh.com")


def test_domains_of_one_stem_can_be_one_companys():
    assert not domains_differ("acme.com", "acme.de")
    assert not domains_differ(None, "acme.de")
    assert domains_differ("argan.fr", "arganinc.com")


BERLIN = Location("DE", "DE-BE", "2950159", 52.52, 13.41)
POTSDAM = Location("DE", "DE-BB", "2852458", 52.4, 13.07)
HAMBURG = Location("DE", "DE-HH", "2911298", 53.55, 10.0)


@pytest.mark.parametrize(
    "one, other, telling, agree",
    [
        (BERLIN, BERLIN, False, True),
        (BERLIN, Location(), False, True),
        (BERLIN, Location("DE"), False, True),
        (BERLIN, POTSDAM, False, True),
        (BERLIN, HAMBURG, True, False),
        (BERLIN, Location("FR"), False, False),
        (BERLIN, Location("FR"), True, True),
        (BERLIN, Location("FR", "FR-IDF"), True, False),
        (Location("US", "US-TX"), Location("US", "US-NY"), True, False),
    ],
)
def test_seats_of_companies(one, other, telling, agree):
    assert locations_agree(one, other, telling_name=telling) is agree
    assert locations_agree(other, one, telling_name=telling) is agree
