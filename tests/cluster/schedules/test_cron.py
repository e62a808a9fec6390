"""Cron expressions as Kubernetes reads them: when they come, and why some never do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from cluster.errors import ScheduleError
from cluster.schedules.cron import parse_cron

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday


def runs(text: str, count: int, zone: str = "Etc/UTC", after: datetime = NOON) -> list[str]:
    return [moment.isoformat() for moment in islice(parse_cron(text).runs(after, ZoneInfo(zone)), count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 2 * * *", ["2026-11-23T02:00", "2026-11-24T02:00"]),
        ("30 13 * * *", ["2026-11-22T13:30", "2026-11-23T13:30"]),
        ("@daily", ["2026-11-23T00:00", "2026-11-24T00:00"]),
        ("@weekly", ["2026-11-29T00:00", "2026-12-06T00:00"]),
        ("15 3 * * mon-fri", ["2026-11-23T03:15", "2026-11-24T03:15"]),
        ("0 4 1 jan,JUL ?", ["2027-01-01T04:00", "2027-07-01T04:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 2 13 * 5", ["2026-11-27T02:00", "2026-12-04T02:00"]),  # either day suffices
        ("0 2 */10 * 2", ["2026-12-01T02:00", "2027-05-11T02:00"]),  # a star is no restriction: both days at once
        ("5 1 28/2 * *", ["2026-11-28T01:05", "2026-11-30T01:05"]),
    ],
)
def test_when_it_comes(text: str, expected: list[str]) -> None:
    assert [moment[:16] for moment in runs(text, 2)] == expected


def test_every_day_that_matches_is_reported_and_no_other() -> None:
    """Held against the plainest reading, day by day for four years."""
    cron = parse_cron("0 2 1-7,20 3-11/2 0,3")
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(1461)]
    expected = [d for d in days if d.month in (3, 5, 7, 9, 11) and (d.day <= 7 or d.day == 20 or d.weekday() in (6, 2))]
    assert [day for day in days if cron.is_on(day)] == expected
    assert cron.times == [time(2, 0)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 2 30 2 *", r'"0 2 30 2 \*", it never comes: there is no day 30 in Feb'),
        ("0 2 31 4,6,9,11 *", "there is no day 31 in Apr, Jun, Sep, Nov"),
        ("0 2 * *", "4 fields, it must be five"),
        ("0 0 2 * * *", "6 fields, it must be five"),
        ("", "must be five"),
        ("61 2 * * *", 'the minute is "61", it must be 0 to 59'),
        ("0 24 * * *", 'the hour is "24", it must be 0 to 23'),
        ("0 2 0 * *", 'the day of the month is "0", it must be 1 to 31'),
        ("0 2 * 13 *", "it must be 1 to 12"),
        ("0 2 * * 7", r"it must be 0 to 6 \(Sunday is 0\)"),
        ("0 2 * foo *", "'foo' is no number or one of jan, feb"),
        ("0 2 9-5 * *", "the range 9-5 runs backwards"),
        ("*/0 2 * * *", "a step is a whole number from 1 up"),
        ("0 2 1, * *", "'' is no number"),
        ("0 2 ²  * *", "'²' is no number"),
        ("@every 1h", "must be five fields or one of @yearly"),
        ("TZ=Europe/Berlin 0 2 * * *", "time_zone = "),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        parse_cron(text)


def test_the_clock_of_the_zone_counts() -> None:
    assert runs("0 2 * * *", 2, "Asia/Tokyo") == ["2026-11-23T02:00:00+09:00", "2026-11-24T02:00:00+09:00"]
    spring = datetime(2027, 3, 27, 12, tzinfo=UTC)
    assert runs("30 2 * * *", 2, "Europe/Berlin", spring) == ["2027-03-29T02:30:00+02:00", "2027-03-30T02:30:00+02:00"]
    left_out = parse_cron("30 2 * * *").left_out(NOON, ZoneInfo("Europe/Berlin"))
    assert [moment.replace(tzinfo=None) for moment in left_out] == [datetime(2027, 3, 28, 2, 30)]
    assert parse_cron("30 3 * * *").left_out(NOON, ZoneInfo("Europe/Berlin")) == []
