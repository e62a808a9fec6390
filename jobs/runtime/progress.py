"""Progress of a long command: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

LINE_INTERVAL_S = 10.0  # of plain lines


class Progress:
    """Counts `total` things of a stage; use as a context manager. Writes to standard error."""

    def __init__(self, label: str, total: int, unit: str = "files", *, done: int = 0) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done, self.note = done, ""
        self._done_before = done  # by an earlier run: it says nothing of the rate of this one
        self._start = self._last = time.monotonic()
        self._bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                _Rate(self.unit),
            )
            last = (TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False))
            self._bar = RichProgress(SpinnerColumn(), *columns, *last, console=Console(stderr=True))
            self._task = self._bar.add_task(self.label, total=self.total, completed=self.done, note="")
            self._bar.start()
        return self

    def advance(self, count: int, note: str | None = None) -> None:
        """`count` more things are done; `note` is shown at the end of the line from now on."""
        self.done += count
        self.note = self.note if note is None else note
        if self._bar is not None:
            self._bar.update(self._task, advance=count, note=self.note)
        elif time.monotonic() - self._last >= LINE_INTERVAL_S:
            self._last = time.monotonic()
            self._print_line()

    def expect(self, count: int) -> None:
        """`count` more things are to be done than was known."""
        self.total += count
        if self._bar is not None:
            self._bar.update(self._task, total=self.total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None:
            self._print_line()

    def _print_line(self) -> None:
        elapsed = max(time.monotonic() - self._start, 1e-3)
        rate = (self.done - self._done_before) / elapsed
        left = f", {(self.total - self.done) / rate:.0f} s left" if rate > 0 and self.done < self.total else ""
        note = f" {self.note}" if self.note else ""
        print(
            f"{self.label}: {self.done}/{self.total} {self.unit}, {rate:.1f}/s{left}{note}", file=sys.stderr, flush=True
        )


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self.unit}/s", style="progress.data.speed")
