"""What a run measured: rows of metrics.jsonl, and the same as TensorBoard events.

A row is a dictionary with `kind` and `step`:

    baselines   unigram, bigram: nats of each stream (step 0)
    train       nll, nll_of_stream, num_events, batch (digest), num_workers, gradient_norm, learning_rate, epoch,
                time_s, cpu_s (processor time of the first worker's process so far, all its threads), sync_s (how long
                the first worker waited for the others and for the sum of gradients); one per step
    valid       nll, nll_of_stream, num_events, best_step; or train_nll where there is nothing to validate on

Objects in a store cannot be appended to. So the newest rows are metrics.jsonl, which is rewritten each time, and all
before them are files of SEGMENT_ROWS that are written once:

    RUN/metrics/rows-000000000.jsonl    the number is that of the first row
    RUN/metrics.jsonl                   the rows after them, never none
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lstm_core import storage
from lstm_core.foundation.closing import Closing

METRICS_NAME, SEGMENTS_NAME, TENSORBOARD_NAME = "metrics.jsonl", "metrics", "tensorboard"
SEGMENT_ROWS = 500  # 150 to 200 kB
CLOCKS = ("time_s", "cpu_s", "sync_s")  # of a row: they differ between runs whose numbers are the same
Row = dict[str, Any]


class MetricsLog(Closing):
    """The rows of a run that stands at `step`: later ones of an earlier attempt are removed.

    Close it when everything is stored: TensorBoard's writer is a thread and, of a run in a store, a folder.
    """

    def __init__(self, run_uri: str | Path, step: int, stream_names: Sequence[str]) -> None:
        self.run_uri, self.stream_names = run_uri, list(stream_names)
        segments, tail = _stored(run_uri)
        kept = {name: [row for row in rows if 0 < step >= row["step"]] for name, rows in segments.items()}
        self._outdated = {name: rows for name, rows in kept.items() if len(rows) < len(segments[name])}
        closed = [row for rows in kept.values() for row in rows]
        self.rows = _joined(closed, [row for row in tail if 0 < step >= row["step"]])
        self._num_closed = len(closed)  # rows that stand in segments
        self._num_shown = len(self.rows)
        self._events = _EventFiles(run_uri, step, self.stream_names)

    def add(self, row: Row) -> None:
        """Takes a row; `write` stores it."""
        self.rows.append(row)

    def mean_train_nll(self, last_steps: int) -> float:
        """Nats per event over the last steps."""
        values = [float(row["nll"]) for row in self.rows if row["kind"] == "train"][-last_steps:]
        return sum(values) / max(len(values), 1)

    def write(self) -> None:
        """Stores what is not stored yet."""
        self.prepared()()

    def prepared(self) -> Callable[[], None]:
        """A function that stores the present rows when it is called, perhaps by another thread."""
        shown, self._num_shown = self.rows[self._num_shown :], len(self.rows)
        outdated, self._outdated = self._outdated, {}
        full: dict[str, list[Row]] = {}
        while len(self.rows) - self._num_closed > SEGMENT_ROWS:
            first, self._num_closed = self._num_closed, self._num_closed + SEGMENT_ROWS
            full[f"rows-{first:09d}.jsonl"] = self.rows[first : self._num_closed]
        tail = self.rows[self._num_closed :]

        def store() -> None:
            # In this order every row is in some file at any moment; one that is in two files is read once.
            for name, rows in sorted(outdated.items(), reverse=True):
                _store_segment(self.run_uri, name, rows)
            for name, rows in full.items():
                _store_segment(self.run_uri, name, rows)
            storage.write_bytes(storage.join(self.run_uri, METRICS_NAME), _lines(tail))
            self._events.add(shown)

        return store

    def close(self) -> None:
        """Ends TensorBoard's writer and removes its temporary folder."""
        self._events.close()


class _EventFiles(Closing):
    """Rows as TensorBoard's events: one file in a folder, in a store one for some hundred rows."""

    def __init__(self, run_uri: str | Path, step: int, stream_names: Sequence[str]) -> None:
        self._uri, self._stream_names = storage.join(run_uri, TENSORBOARD_NAME), stream_names
        self._local = storage.local_path(self._uri)
        self._purge_step: int | None = step + 1  # later rows of an earlier attempt are not shown
        self._writer: Any = None
        self._num_rows = 0  # in the file
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def add(self, rows: Sequence[Row]) -> None:
        """Stores the events of rows."""
        if self._writer is None:
            self._open()
        for row in rows:
            for name, value in _scalars(row, self._stream_names).items():
                self._writer.add_scalar(name, value, row["step"])
        self._writer.flush()
        self._num_rows += len(rows)
        if self._local is None:  # TensorBoard reads a store through a listing: the file so far, under its own name
            for path in Path(self._writer.log_dir).iterdir():
                storage.write_bytes(storage.join(self._uri, _in_order(path.name)), path.read_bytes())
            if self._num_rows >= SEGMENT_ROWS:
                self.close()

    def _open(self) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second to import

        if self._local is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="tonemill-tensorboard-")
        folder = self._local or Path(self._temporary.name if self._temporary else "")
        self._writer = SummaryWriter(str(folder), purge_step=self._purge_step)
        self._purge_step, self._num_rows = None, 0

    def close(self) -> None:
        """Ends the file; the next rows begin another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None


def _in_order(name: str) -> str:
    """The name of a file of events with its number filled up by zeros: TensorBoard reads files in the order of their
    names, and of those of one second the tenth would come before the ninth.
    """
    head, _, number = name.rpartition(".")
    return f"{head}.{int(number):06d}" if number.isdecimal() else name


def read_metrics(run_uri: str | Path) -> list[Row]:
    """The rows of a run, in order; none when it has not written any. A last line that was cut off is left out."""
    segments, tail = _stored(run_uri)
    return _joined([row for rows in segments.values() for row in rows], tail)


def _joined(closed: list[Row], tail: list[Row]) -> list[Row]:
    """The rows of all segments and those after them."""
    there = {(row["kind"], row["step"]) for row in closed[-2 * SEGMENT_ROWS :]}
    return closed + [row for row in tail if (row["kind"], row["step"]) not in there]


def _stored(run_uri: str | Path) -> tuple[dict[str, list[Row]], list[Row]]:
    """The rows of each segment by its name, in order, and those of the file of the newest."""
    folder = storage.join(run_uri, SEGMENTS_NAME)
    try:  # the newest first: what moves into a segment meanwhile is then in both rather than in none
        tail = _parsed(storage.read_bytes(storage.join(run_uri, METRICS_NAME)))
    except storage.MissingError:
        tail = []
    try:
        names = sorted(file.path for file in storage.list_files(folder))
    except storage.MissingError:
        names = []
    return {name: _parsed(storage.read_bytes(storage.join(folder, name))) for name in names}, tail


def _store_segment(run_uri: str | Path, name: str, rows: Sequence[Row]) -> None:
    uri = storage.join(run_uri, SEGMENTS_NAME, name)
    if rows:
        storage.write_bytes(uri, _lines(rows))
    else:
        storage.remove(uri)


def _lines(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _parsed(data: bytes) -> list[Row]:
    rows: list[Row] = []
    for line in data.decode().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _scalars(row: Row, stream_names: Sequence[str]) -> dict[str, float]:
    if row["kind"] == "baselines":
        return {}
    found: dict[str, float] = {}
    if row.get("nll") is not None:
        found[f"{row['kind']}/nll"] = row["nll"]
        for name, nll in zip(stream_names, row["nll_of_stream"], strict=True):
            found[f"{row['kind']}/{name}"] = nll
    if row["kind"] == "train":
        found |= {"learning_rate": row["learning_rate"], "gradient_norm": row["gradient_norm"], "epoch": row["epoch"]}
    return found
