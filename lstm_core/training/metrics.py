"""What a run measured: rows of metrics.jsonl, and the same as TensorBoard events.

A row is a dictionary with `kind` and `step`:

    baselines   unigram, bigram: nats of each stream (step 0)
    train       nll, nll_of_stream, num_events, batch (digest), num_workers, gradient_norm, learning_rate, epoch,
                time_s; one a step
    valid       nll, nll_of_stream, num_events, best_step; or train_nll where there is nothing to validate on
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lstm_core import storage

METRICS_NAME, TENSORBOARD_NAME = "metrics.jsonl", "tensorboard"
Row = dict[str, Any]


class MetricsLog:
    """The rows of a run that stands at `step`: later ones of an earlier attempt are gone, so that none doubles."""

    def __init__(self, run_uri: str | Path, step: int, stream_names: Sequence[str]) -> None:
        self.run_uri, self.stream_names = run_uri, list(stream_names)
        self.rows = [row for row in read_metrics(run_uri) if row["step"] <= step] if step else []
        self._lines = [json.dumps(row) + "\n" for row in self.rows]
        self._start_step = step
        self._num_shown = len(self.rows)
        self._writer: Any = None

    def add(self, row: Row) -> None:
        """Takes a row; `write` stores it."""
        self.rows.append(row)
        self._lines.append(json.dumps(row) + "\n")

    def mean_train_nll(self, last_steps: int) -> float:
        """Nats per event over the last steps."""
        values = [float(row["nll"]) for row in self.rows if row["kind"] == "train"][-last_steps:]
        return sum(values) / max(len(values), 1)

    def write(self) -> None:
        """Stores all rows, and the events of those that are new."""
        self.prepared()()

    def prepared(self) -> Callable[[], None]:
        """What stores the rows of this moment when it is called, perhaps by another thread."""
        rows, lines = self.rows[self._num_shown :], list(self._lines)
        self._num_shown = len(self.rows)

        def store() -> None:
            storage.write_bytes(storage.join(self.run_uri, METRICS_NAME), "".join(lines).encode())
            self._write_events(rows)

        return store

    def _write_events(self, rows: Sequence[Row]) -> None:
        local = storage.local_path(storage.join(self.run_uri, TENSORBOARD_NAME))
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # takes a second to import

            folder = local or Path(tempfile.mkdtemp(prefix="tonemill-tensorboard-"))
            self._writer = SummaryWriter(str(folder), purge_step=self._start_step + 1)
        for row in rows:
            for name, value in _scalars(row, self.stream_names).items():
                self._writer.add_scalar(name, value, row["step"])
        self._writer.flush()
        if local is None:  # TensorBoard reads a store through a listing: the file so far, under its own name
            for path in Path(self._writer.log_dir).iterdir():
                uri = storage.join(self.run_uri, TENSORBOARD_NAME, path.name)
                storage.write_bytes(uri, path.read_bytes())


def read_metrics(run_uri: str | Path) -> list[Row]:
    """The rows of a run, in order; none when it has not written any. A last line that was cut off is left out."""
    try:
        lines = storage.read_bytes(storage.join(run_uri, METRICS_NAME)).decode().splitlines()
    except storage.MissingError:
        return []
    rows: list[Row] = []
    for line in lines:
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
