import pytest

from core.settings import BadSetting
from db.connections import STATEMENTS_CACHED, read_url
from db.roles import login_of


@pytest.mark.parametrize(
    "url, clean",
    [
        ("postgresql://a:b@host:1/db", "postgresql://a:b@host:1/db"),
        ("postgres://host/db?sslmode=require", "postgresql://host/db?sslmode=require"),
        ("postgresql+asyncpg://a@host/db", "postgresql://a@host/db"),
        ("postgresql:///db?host=/run/postgresql", "postgresql:///db?host=%2Frun%2Fpostgresql"),
    ],
)
def test_any_usual_url_is_one_for_asyncpg(url, clean):
    assert read_url(url) == (clean, STATEMENTS_CACHED)


def test_the_statement_cache_is_set_in_the_url_and_taken_out_of_it():
    url = "postgresql://host/db?prepared_statement_cache_size=0&sslmode=disable"
    assert read_url(url) == ("postgresql://host/db?sslmode=disable", 0)


def test_a_statement_cache_that_is_no_number_is_refused():
    with pytest.raises(BadSetting, match="must be a number"):
        read_url("postgresql://host/db?prepared_statement_cache_size=none")


def test_the_login_is_the_name_in_the_url():
    assert login_of("postgresql://my%40app:pw@host/db") == "my@app"
    assert login_of("postgresql://host/db") is None
    assert login_of("") is None
