"""Errors that a caller may see: a meaning by class, the particulars by instance."""

import pytest

from core.errors import Invalid, LeadFuelError, NotFound


class OutOfPaper(LeadFuelError):
    status = 409
    slug = "out-of-paper"
    title = "There is no paper"


def test_the_instance_carries_what_a_program_can_act_on():
    error = OutOfPaper("There are 2 sheets; 5 are needed.", sheets=2, needed=5)
    assert (error.status, error.slug, error.title) == (409, "out-of-paper", "There is no paper")
    assert error.detail == "There are 2 sheets; 5 are needed."
    assert error.facts == {"sheets": 2, "needed": 5}
    assert str(error) == error.detail


def test_an_error_without_a_meaning_of_its_own_is_ours():
    assert LeadFuelError("?").status == 500


def test_invalid_always_has_its_list_of_errors():
    assert Invalid("No.").facts == {"errors": []}
    errors = [{"path": "limit", "message": "Expected int <= 500"}]
    assert Invalid("No.", errors=errors, limit=500).facts == {"errors": errors, "limit": 500}


def test_every_error_is_caught_as_one():
    with pytest.raises(LeadFuelError):
        raise NotFound("There is no such record.")
