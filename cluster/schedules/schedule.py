"""A schedule: an order, when, where; read from one TOML file.

    name = "dungeon"                 # default: that of the file; a-z, 0-9 and -
    cron = "0 2 * * *"               # as a CronJob of Kubernetes reads it; once a day at most
    time_zone = "Europe/Berlin"      # default: Etc/UTC
    cluster = "studio"               # of the cluster file; default: the only one there is
    run = "s3://studio-runs/game"    # run or checkpoint; default: base
    catalogue = "s3://studio-cat"    # default: that of the cluster
    workers = 4                      # engines side by side; default: as `tonemill generate` chooses
    settings = ["max_attempts=5"]    # as --set of `tonemill generate`

    [order]                          # or order = "dungeon.toml", a file beside this one
    name = "dungeon-{date}"          # {date} in any text is that of the run: 2026-11-22
    seed = "{date}"                  # in a seed its digits: 20261122; "7{date}" puts a 7 before them
    count = 300
    [order.track]
    style = "game"

Without a name the order is called as the schedule and the date, without a seed it takes the date.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from cluster.errors import ScheduleError
from cluster.schedules.cron import Cron, parse_cron
from cluster.schedules.scheduled_runs import DATE_SLOT, DIGITS_SLOT, MAX_SCHEDULE_NAME, fill_in, parse_zone
from lstm_core.foundation.plain import STRICT, PlainError
from lstm_core.foundation.toml_text import Bare, toml_key, toml_value

MAX_ORDER_BYTES = 128 * 1024  # of its text: it travels in an annotation, and those of an object hold 256 KiB
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SEED = re.compile(rf"(?:[0-9]|{re.escape(DATE_SLOT)})+")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is made at each scheduled run."""

    name: str
    cron: str
    time_zone: str = "Etc/UTC"
    cluster: str = ""  # "": the only one of the cluster file
    run: str = "base"
    catalogue: str = ""  # "": that of the cluster
    workers: int = 0  # 0: as generate chooses
    settings: tuple[str, ...] = ()
    order: Mapping[str, Any] = field(default_factory=dict)  # in TOML's values, with {date} in texts

    def __post_init__(self) -> None:
        if len(self.name) > MAX_SCHEDULE_NAME or not _NAME.fullmatch(self.name):
            raise ScheduleError(
                f'name is "{self.name}", it must be a-z, 0-9 and - between them, {MAX_SCHEDULE_NAME} characters at '
                "most: with the date behind it it names the RayJob of a run."
            )
        parse_zone(self.time_zone)
        if any("=" not in setting for setting in self.settings):
            raise ScheduleError(f'settings is {list(self.settings)!r}, it must be a list of "KEY=VALUE".')
        if not 0 <= self.workers <= 1024:
            raise ScheduleError(f"workers is {self.workers}, it must be a whole number from 1 up.")
        times = self.parsed_cron.times
        if len(times) > 1:
            raise ScheduleError(
                f'cron is "{self.cron}", which comes {len(times)} times a day. A schedule runs once a date: every '
                "further time would find the run there and do nothing. Name one minute and one hour."
            )
        if not self.order:
            raise ScheduleError('There is no order. Write it below [order], or name its file: order = "dungeon.toml".')
        if len(self.order_text.encode()) > MAX_ORDER_BYTES:
            raise ScheduleError(
                f"The order has {len(self.order_text.encode()):,} bytes, a schedule carries {MAX_ORDER_BYTES:,}. "
                "Say it with ranges and counts, or split it into several schedules."
            )

    @property
    def parsed_cron(self) -> Cron:
        """The expression, parsed."""
        return parse_cron(self.cron)

    @property
    def order_text(self) -> str:
        """The order as TOML with the slots of the date: what `fill_in` makes the order of a run from."""
        order = {"name": f"{self.name}-{DATE_SLOT}", "seed": DATE_SLOT, **self.order}
        seed = order["seed"]
        if isinstance(seed, str):
            if not _SEED.fullmatch(seed):
                raise ScheduleError(
                    f'seed is "{seed}", it must be a whole number, or digits with {DATE_SLOT} among them.'
                )
            order["seed"] = Bare(seed.replace(DATE_SLOT, DIGITS_SLOT))
        return "".join(f"{toml_key(key)} = {toml_value(value)}\n" for key, value in order.items())

    def order_on(self, day: date) -> str:
        """The order of a scheduled run, as TOML."""
        return str(fill_in(self.order_text, day))


def read_schedule(path: str | Path) -> Schedule:
    """The schedule of a file.

    Raises:
        ScheduleError: it cannot be read, holds an unknown key (the nearest right one is named), an impossible value,
            or a cron that never comes.
    """
    path = Path(path)
    values = _read_toml(path)
    order = values.get("order", {})
    if isinstance(order, str):
        values["order"] = order = _read_toml(path.parent / order)
    try:
        if "cron" not in values and values.keys() <= {item.name for item in fields(Schedule)}:
            raise ScheduleError('there is no cron: when shall it run? As cron = "0 2 * * *", 02:00 every day.')
        schedule = STRICT.read(Schedule, {"name": path.stem.replace("_", "-"), **values})
    except (PlainError, ScheduleError) as error:
        raise ScheduleError(f"{path}: {error}") from error
    _check_files(schedule.order, path)
    return schedule


def _check_files(order: Mapping[str, Any], path: Path) -> None:
    """Primers and melodies are read on the cluster: there must be a URI that it sees."""
    groups = order.get("group", [])
    tables = [order.get("track", {}), *(groups if isinstance(groups, list) else [])]
    for table in tables:
        for field_name in ("primer", "melody"):
            given = table.get(field_name, "") if isinstance(table, Mapping) else ""
            for uri in given if isinstance(given, list) else [given]:
                if uri and "://" not in str(uri):
                    raise ScheduleError(
                        f'{path}: {field_name} is "{uri}", which the cluster does not see: put it into a bucket and '
                        "write s3://..."
                    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScheduleError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScheduleError(f"{path} is not TOML: {error}") from error
