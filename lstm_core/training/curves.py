"""The curves of a training run as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.training.metrics import Row

COLUMNS = 3
_TRAIN, _VALID, _UNIGRAM, _BIGRAM = "#8fb3d9", "#c8502d", "#8a8a8a", "#3b3b3b"


def curves_png(rows: Sequence[Row], stream_names: Sequence[str], title: str) -> bytes:
    """PNG of nats per event against steps: all streams together, then each; training, validation, both baselines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    num_panels = 1 + len(stream_names)
    num_rows = -(-num_panels // COLUMNS)
    figure = Figure(figsize=(4.2 * COLUMNS, 3.1 * num_rows + 0.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(num_rows, COLUMNS, squeeze=False).flatten()
    for number, panel in enumerate(panels):
        if number >= num_panels:
            panel.set_axis_off()
            continue
        stream = None if number == 0 else number - 1
        _draw(panel, rows, stream)
        panel.set_title("event" if stream is None else stream_names[stream], fontsize=10, loc="left")
    panels[0].set_ylabel("nats")
    if rows:
        panels[0].legend(fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=11)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw(panel: Any, rows: Sequence[Row], stream: int | None) -> None:
    def of(row: Row) -> float:
        return float(row["nll"] if stream is None else row["nll_of_stream"][stream])

    train = [row for row in rows if row["kind"] == "train"]
    valid = [row for row in rows if row["kind"] == "valid" and row["nll"] is not None]
    values = np.array([of(row) for row in train])
    if len(values):
        panel.plot([row["step"] for row in train], _smoothed(values), color=_TRAIN, linewidth=1.2, label="train")
    if valid:
        steps = [row["step"] for row in valid]
        panel.plot(
            steps, [of(row) for row in valid], color=_VALID, linewidth=1.2, marker="o", markersize=2.5, label="valid"
        )
        best = min(valid, key=lambda row: float(row["nll"]))
        panel.plot([best["step"]], [of(best)], color=_VALID, marker="o", markersize=7, fillstyle="none")
        panel.annotate(
            f"{of(best):.2f}", (best["step"], of(best)), (0, 6), ha="right", textcoords="offset points", fontsize=8
        )
    for row in rows:
        if row["kind"] == "baselines":
            for name, color, style in (("unigram", _UNIGRAM, ":"), ("bigram", _BIGRAM, "--")):
                level = sum(row[name]) if stream is None else row[name][stream]
                panel.axhline(level, color=color, linestyle=style, linewidth=1.0, label=name)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_xlabel("step", fontsize=8)
    panel.tick_params(labelsize=8)


def _smoothed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Running mean over about a hundredth of the curve, of fewer values at its ends."""
    half = len(values) // 200
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(len(values)) - half, 0)
    last = np.minimum(np.arange(len(values)) + half + 1, len(values))
    means: npt.NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means
