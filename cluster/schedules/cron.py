"""Cron expressions as the CronJob of Kubernetes reads them, and the reasons why one can never run.

Five fields: minute, hour, day of the month, month, day of the week (0-6, Sunday is 0). Where both days are restricted
either suffices. https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cluster.errors import ScheduleError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _WEEKDAYS),
)
_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_HORIZON_DAYS = 366 * 8 + 1  # the 29th of February comes within eight years, also around 2100


@dataclass(frozen=True, kw_only=True)
class Cron:
    """A parsed expression; at least one date matches it."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_either_day: bool  # both kinds of day are restricted: one of them suffices

    @property
    def times(self) -> list[time]:
        """Times of a day at which it runs."""
        return [time(hour, minute) for hour in sorted(self.hours) for minute in sorted(self.minutes)]

    def is_on(self, day: date) -> bool:
        """Whether it runs on a day."""
        is_day, is_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (is_day or is_weekday if self.is_either_day else is_day and is_weekday)

    def runs(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Moments of the clock of a zone at which it runs, without those that a change of the clock leaves out."""
        first = after.astimezone(zone).date()
        for ahead in range(_HORIZON_DAYS * 2):
            day = first + timedelta(days=ahead)
            for moment in self._on(day, zone) if self.is_on(day) else ():
                if moment > after and not is_left_out(moment):
                    yield moment

    def left_out(self, after: datetime, zone: ZoneInfo, *, num_days: int = 366) -> list[datetime]:
        """Moments of the next days that the clock of a zone jumps over, so that nothing runs."""
        first = after.astimezone(zone).date()
        days = (first + timedelta(days=ahead) for ahead in range(num_days))
        return [moment for day in days if self.is_on(day) for moment in self._on(day, zone) if is_left_out(moment)]

    def _on(self, day: date, zone: ZoneInfo) -> list[datetime]:
        return [datetime.combine(day, moment, zone) for moment in self.times]


def is_left_out(moment: datetime) -> bool:
    """Whether the clock of a zone jumps over a moment when summer begins."""
    back = moment.astimezone(UTC).astimezone(moment.tzinfo)
    return back.replace(tzinfo=None) != moment.replace(tzinfo=None)


def parse_cron(text: str) -> Cron:
    """A cron expression.

    Raises:
        ScheduleError: it is none, or no day of any year matches it; the message says why.
    """
    expression = " ".join(text.split())
    if expression.startswith(("TZ=", "CRON_TZ=")):
        raise ScheduleError(f'cron is "{text}": the zone has a separate key, time_zone = "Europe/Berlin".')
    if expression.startswith("@"):
        if expression not in _SHORT:
            raise ScheduleError(f'cron is "{text}", it must be five fields or one of {", ".join(_SHORT)}.')
        expression = _SHORT[expression]
    parts = expression.split(" ")
    if len(parts) != 5:
        raise ScheduleError(
            f'cron is "{text}": {len(parts)} fields, it must be five: minute, hour, day of the month, month, '
            'day of the week, as "0 2 * * *" for 02:00 every day.'
        )
    sets = [_parse_field(part, *spec, text) for part, spec in zip(parts, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = sets
    is_open = [part.startswith(("*", "?")) for part in (parts[2], parts[4])]
    cron = Cron(
        text=expression,
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        is_either_day=not any(is_open),
    )
    start = date(2024, 1, 1)  # any eight years hold every month with all of its days
    if not any(cron.is_on(start + timedelta(days=ahead)) for ahead in range(_HORIZON_DAYS)):
        raise ScheduleError(f'cron is "{text}", it never comes: {_why_never(cron)}.')
    return cron


def _parse_field(part: str, name: str, low: int, high: int, names: tuple[str, ...], text: str) -> frozenset[int]:
    def wrong(reason: str) -> ScheduleError:
        return ScheduleError(f'cron is "{text}": the {name} is "{part}", {reason}.')

    def number(word: str) -> int:
        if word.lower() in names:
            return names.index(word.lower()) + low
        if not (word.isascii() and word.isdigit()):
            known = f" or one of {', '.join(names)}" if names else ""
            raise wrong(f"and {word!r} is no number{known}")
        if not low <= int(word) <= high:
            sunday = " (Sunday is 0)" if high == 6 else ""
            raise wrong(f"it must be {low} to {high}{sunday}")
        return int(word)

    values: set[int] = set()
    for item in part.split(","):
        span, slash, step_text = item.partition("/")
        if slash and not (step_text.isascii() and step_text.isdigit() and int(step_text) > 0):
            raise wrong("a step is a whole number from 1 up, as */5")
        if span in ("*", "?"):
            first, last = low, high
        elif "-" in span:
            start, _, end = span.partition("-")
            first, last = number(start), number(end)
            if first > last:
                raise wrong(f"the range {span} runs backwards")
        else:
            first = number(span)
            last = high if slash else first
        values.update(range(first, last + 1, int(step_text) if slash else 1))
    return frozenset(values)


def _why_never(cron: Cron) -> str:
    longest = {month: 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in cron.months}
    if all(min(cron.days) > length for length in longest.values()):
        months = ", ".join(_MONTHS[month - 1].capitalize() for month in sorted(cron.months))
        return f"there is no day {min(cron.days)} in {months}"
    return "its days and its days of the week never coincide"
