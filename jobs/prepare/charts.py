"""Charts of a corpus as PNG: six of all its pieces, and six more of those that come from recordings."""

from __future__ import annotations

import io
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lstm_core.notes.keys import KEY_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_BARS = 12  # of a chart; the rest is summed up as "other"
_COLOUR, _SECOND = "#3b6ea5", "#c8743a"


def pieces_png(pieces: pa.Table, reasons: list[tuple[str, str, int]]) -> bytes:
    """Pieces and hours by style, keys, tempos, meters, lengths, rejects by (stage, reason, count)."""
    figure, axes = _six_charts()
    _draw_styles(axes[0][0], pieces["style"].to_pylist(), pieces["duration_s"].to_pylist())
    _draw_keys(axes[0][1], pieces["key"].to_pylist())
    _draw_tempos(axes[0][2], pieces)
    _draw_counts(axes[1][0], Counter(pieces["meter"].to_pylist()), "Meter", "pieces")
    minutes = np.clip(pieces["duration_s"].to_numpy() / 60, 0, 10)
    axes[1][1].hist(minutes, bins=40, range=(0, max(1.0, float(minutes.max(initial=0)))), color=_COLOUR)
    axes[1][1].set(title="Length", xlabel="minutes (10 and more at the right)", ylabel="pieces")
    counts = Counter({f"{stage}: {reason}": count for stage, reason, count in reversed(reasons)})
    _draw_counts(axes[1][2], counts, "Rejects", "files or pieces")
    return _png(figure)


def recordings_png(recordings: pa.Table, least_confidence: float) -> bytes:
    """Hours by codec and by sample rate, channels, confidence, loudness, brightness of pieces that have a codec."""
    figure, axes = _six_charts()
    hours = recordings["duration_s"].to_numpy() / 3600
    _draw_hours(axes[0][0], recordings["codec"].to_pylist(), hours, "Codec")
    rates = [f"{rate:,} Hz" for rate in recordings["sample_rate"].to_pylist()]
    _draw_hours(axes[0][1], rates, hours, "Sample rate")
    channels = [{1: "mono", 2: "stereo"}.get(n, f"{n} channels") for n in recordings["num_channels"].to_pylist()]
    _draw_hours(axes[0][2], channels, hours, "Channels")
    _draw_spread(axes[1][0], recordings["confidence"], (0.0, 1.0), "Confidence", "of the transcription")
    axes[1][0].axvline(least_confidence, color=_SECOND, linestyle="--")
    _draw_spread(axes[1][1], recordings["loudness_lufs"], (-40.0, 0.0), "Loudness", "LUFS, integrated")
    _draw_spread(axes[1][2], recordings["brightness_hz"], (0.0, 6000.0), "Brightness", "Hz, centre of the spectrum")
    return _png(figure)


def _six_charts() -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(2, 3)


def _png(figure: Any) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=90, metadata={"Software": None})
    return sink.getvalue()


def _draw_styles(axis: Axes, styles: list[str], durations_s: list[float]) -> None:
    _draw_hours(axis, styles, np.array(durations_s) / 3600, "Style")


def _draw_hours(axis: Axes, names: list[str], hours: np.ndarray, title: str) -> None:
    """Hours by name, the most at the top, with the number of pieces beside."""
    sums: Counter[str] = Counter()
    for name, own in zip(names, hours.tolist(), strict=True):
        sums[name] += own
    counts = Counter(names)
    shown = [name for name, _ in sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:MAX_BARS]][::-1]
    axis.barh([_short(name) for name in shown], [sums[name] for name in shown], color=_COLOUR)
    for row, name in enumerate(shown):
        axis.text(sums[name], row, f" {counts[name]:,} pieces", va="center", fontsize=8)
    axis.margins(x=0.3)
    axis.set(title=title, xlabel="hours")
    _keep_bars_slim(axis, len(shown))


def _draw_keys(axis: Axes, keys: list[str]) -> None:
    counts = Counter(keys)
    places = np.arange(12)
    for mode, shift, colour in (("major", -0.2, _COLOUR), ("minor", 0.2, _SECOND)):
        axis.bar(places + shift, [counts[f"{n} {mode}"] for n in KEY_NAMES], width=0.4, color=colour, label=mode)
    axis.set_xticks(places, KEY_NAMES)
    axis.legend(frameon=False, ncols=2, loc="upper right")
    axis.margins(y=0.15)
    without = f" ({counts['']} without pitches)" if counts[""] else ""
    axis.set(title=f"Key{without}", ylabel="pieces")


def _draw_tempos(axis: Axes, pieces: pa.Table) -> None:
    """Tempos; recordings without a beat have none, they are only counted."""
    has_tempo = np.array([beat is not False for beat in pieces["has_beat"].to_pylist()], dtype=bool)
    tempos = np.clip(pieces["tempo_bpm"].to_numpy()[has_tempo], 40, 240)
    axis.hist(tempos, bins=40, range=(40, 240), color=_COLOUR)
    without = f" ({np.count_nonzero(~has_tempo):,} without a beat)" if not has_tempo.all() else ""
    axis.set(title=f"Tempo{without}", xlim=(40, 240), xlabel="quarters a minute", ylabel="pieces")


def _draw_spread(axis: Axes, column: pa.ChunkedArray, bounds: tuple[float, float], title: str, unit: str) -> None:
    """Histogram of what is known; values outside the bounds stand at them."""
    values = np.clip(column.drop_null().to_numpy(), *bounds)
    axis.hist(values, bins=40, range=bounds, color=_COLOUR)
    axis.set(title=title, xlim=bounds, xlabel=unit, ylabel="pieces")


def _draw_counts(axis: Axes, counts: Counter[str], title: str, unit: str) -> None:
    axis.set(title=title, xlabel=unit)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ranked[MAX_BARS:])
    shown = ([("other", rest)] if rest else []) + ranked[:MAX_BARS][::-1]
    if not shown:
        axis.text(0.5, 0.5, "none", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
    labels = [textwrap.fill(_short(name, 60), 24) for name, _ in shown]
    axis.barh(labels, [count for _, count in shown], color=_COLOUR)
    axis.locator_params(axis="x", integer=True)
    _keep_bars_slim(axis, len(shown))


def _keep_bars_slim(axis: Axes, num_rows: int) -> None:
    """Keeps bars slim when there are few."""
    spare = max(0, 6 - num_rows) / 2
    axis.set_ylim(-0.6 - spare, num_rows - 0.4 + spare)


def _short(text: str, length: int = 24) -> str:
    text = text.replace("$", r"\$")  # matplotlib would read formulas
    return text if len(text) <= length else text[: length - 1] + "…"
