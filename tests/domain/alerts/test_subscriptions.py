"""When a mail is due: once a local day, outside quiet hours, whatever the clocks are turned by."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from domain.alerts import subscriptions
from domain.alerts.subscriptions import Subscription, next_day, next_digest, quiet_until

BERLIN = "Europe/Berlin"


def at(text):
    return datetime.fromisoformat(text)


def test_a_daily_mail_comes_at_its_local_time_summer_and_winter():
    chosen = Subscription(how="daily", at_time=time(8, 30), zone=BERLIN)
    assert next_digest(chosen, at("2026-07-01T06:00+00:00")) == at("2026-07-01T06:30+00:00")
    assert next_digest(chosen, at("2026-07-01T06:30+00:00")) == at("2026-07-02T06:30+00:00")
    assert next_digest(chosen, at("2026-12-01T06:00+00:00")) == at("2026-12-01T07:30+00:00")


def test_a_weekly_mail_comes_on_its_day():
    chosen = Subscription(how="weekly", weekday=5, at_time=time(9), zone="America/New_York")
    assert next_digest(chosen, at("2026-11-25T00:00+00:00")) == at("2026-11-27T14:00+00:00")
    assert next_digest(chosen, at("2026-11-27T14:00+00:00")) == at("2026-12-04T14:00+00:00")


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
@given(minute=st.integers(0, 24 * 60 - 1), start=st.integers(0, 364))
def test_a_daily_mail_comes_once_on_each_local_day(zone, minute, start):
    chosen = Subscription(how="daily", at_time=time(minute // 60, minute % 60), zone=zone)
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=start)
    moments = [moment := next_digest(chosen, moment) for _ in range(5)]
    days = [one.astimezone(ZoneInfo(zone)).date() for one in moments]
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))


def test_quiet_hours_end_when_they_end():
    chosen = Subscription(quiet_from=time(20), quiet_until=time(7), zone=BERLIN)
    assert quiet_until(chosen, at("2026-12-01T12:00+00:00")) is None
    assert quiet_until(chosen, at("2026-12-01T19:00+00:00")) == at("2026-12-02T06:00+00:00")
    assert quiet_until(chosen, at("2026-12-02T03:00+00:00")) == at("2026-12-02T06:00+00:00")
    assert quiet_until(chosen, at("2026-12-02T06:00+00:00")) is None
    at_noon = Subscription(quiet_from=time(12), quiet_until=time(13))
    assert quiet_until(at_noon, at("2026-12-01T12:00+00:00")) == at("2026-12-01T13:00+00:00")
    assert quiet_until(at_noon, at("2026-12-01T11:59+00:00")) is None
    assert quiet_until(Subscription(), at("2026-12-01T12:00+00:00")) is None


@given(st.integers(0, 365 * 24 * 60))
def test_quiet_hours_are_over_by_their_end_whatever_the_clocks_do(minute):
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    chosen = Subscription(quiet_from=time(2, 15), quiet_until=time(3, 15), zone=BERLIN)
    if end := quiet_until(chosen, now):
        assert now < end <= now + timedelta(hours=25)
        assert quiet_until(chosen, end + timedelta(hours=1)) is None


def test_the_next_day_begins_at_local_midnight():
    chosen = Subscription(zone=BERLIN)
    assert next_day(chosen, at("2026-12-01T12:00+00:00")) == at("2026-12-01T23:00+00:00")


def test_a_zone_that_is_none_is_told_with_those_that_are_near():
    with pytest.raises(Invalid) as refused:
        subscriptions.check(Subscription(zone="Europe/Berlim"))
    assert BERLIN in refused.value.facts["errors"][0]["allowed"]
    subscriptions.check(Subscription(zone=BERLIN))
