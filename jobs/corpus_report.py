"""The report of a corpus: one HTML page that needs nothing else, its charts inside as PNG."""

from __future__ import annotations

import base64
import html
import io
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_core import storage
from lstm_core.corpora.assembly import Plan
from lstm_core.scores.describe import KEY_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_BARS = 12  # of a chart; the rest is summed up as "other"
MAX_REJECTS = 200  # rows shown; the table of rejects has all
_COLOUR, _SECOND = "#3b6ea5", "#c8743a"


def write_report(uri: str, plan: Plan, corpus_name: str) -> None:
    """Writes the page of a plan of blocks."""
    storage.write_bytes(uri, report_page(plan, corpus_name).encode())


def report_page(plan: Plan, corpus_name: str) -> str:
    """The page as HTML. The same plan gives the same bytes."""
    pieces = plan.pieces
    hours = sum(pieces["duration_s"].to_pylist()) / 3600
    splits = Counter(pieces["split"].to_pylist())
    facts = {
        "pieces": f"{len(pieces):,}",
        "hours": f"{hours:,.1f}",
        "events": f"{sum(pieces['num_events'].to_pylist()):,}",
        "styles": f"{len(set(pieces['style'].to_pylist())):,}",
        "train / valid": f"{splits['train']:,} / {splits['valid']:,}",
        "groups of near-duplicates": f"{len(pieces) - plan.num_groups:,} pieces share one",
        "rejects": f"{len(plan.rejects):,}",
    }
    title = html.escape(f"Corpus {corpus_name}")
    cells = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in facts.items())
    picture = base64.b64encode(report_png(plan)).decode()
    return _PAGE.format(
        title=title,
        facts=cells,
        picture=picture,
        licences=_table_html(("licence", "pieces"), Counter(pieces["licence"].to_pylist()).most_common()),
        reasons=_table_html(("stage", "reason", "count"), _reasons(plan)),
        rejects=_table_html(
            ("file", "stage", "reason"), [tuple(row.values()) for row in plan.rejects.slice(0, MAX_REJECTS).to_pylist()]
        ),
    )


def report_png(plan: Plan) -> bytes:
    """Six charts as one PNG: pieces and hours by style, keys, tempos, meters, lengths, rejects by reason."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pieces = plan.pieces
    figure = Figure(figsize=(13, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    _draw_styles(axes[0][0], pieces["style"].to_pylist(), pieces["duration_s"].to_pylist())
    _draw_keys(axes[0][1], pieces["key"].to_pylist())
    axes[0][2].hist(np.clip(pieces["tempo_bpm"].to_numpy(), 40, 240), bins=40, range=(40, 240), color=_COLOUR)
    axes[0][2].set(title="Tempo", xlim=(40, 240), xlabel="quarters a minute", ylabel="pieces")
    _draw_counts(axes[1][0], Counter(pieces["meter"].to_pylist()), "Meter", "pieces")
    minutes = np.clip(pieces["duration_s"].to_numpy() / 60, 0, 10)
    axes[1][1].hist(minutes, bins=40, range=(0, max(1.0, float(minutes.max(initial=0)))), color=_COLOUR)
    axes[1][1].set(title="Length", xlabel="minutes (10 and more at the right)", ylabel="pieces")
    reasons = Counter({f"{stage}: {reason}": count for stage, reason, count in reversed(_reasons(plan))})
    _draw_counts(axes[1][2], reasons, "Rejects", "files or pieces")
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=90, metadata={"Software": None})
    return sink.getvalue()


def _draw_styles(axis: Axes, styles: list[str], durations_s: list[float]) -> None:
    hours: Counter[str] = Counter()
    for style, duration_s in zip(styles, durations_s, strict=True):
        hours[style] += duration_s / 3600
    counts = Counter(styles)
    shown = [style for style, _ in sorted(hours.items(), key=lambda item: (-item[1], item[0]))[:MAX_BARS]][::-1]
    axis.barh([_short(style) for style in shown], [hours[style] for style in shown], color=_COLOUR)
    for row, style in enumerate(shown):
        axis.text(hours[style], row, f" {counts[style]:,} pieces", va="center", fontsize=8)
    axis.margins(x=0.3)
    axis.set(title="Style", xlabel="hours")
    _leave_room(axis, len(shown))


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
    axis.xaxis.get_major_locator().set_params(integer=True)
    _leave_room(axis, len(shown))


def _leave_room(axis: Axes, num_rows: int) -> None:
    """Keeps bars slim when there are few."""
    spare = max(0, 6 - num_rows) / 2
    axis.set_ylim(-0.6 - spare, num_rows - 0.4 + spare)


def _reasons(plan: Plan) -> list[tuple[str, str, int]]:
    """Rejects by stage and reason, the most frequent first; a reason counts without the names and numbers in it."""
    counts = Counter(
        (row["stage"], "duplicate of another file" if row["stage"] == "duplicate" else _general(row["reason"]))
        for row in plan.rejects.to_pylist()
    )
    return [(*key, count) for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _general(reason: str) -> str:
    words = ["..." if any(c.isdigit() for c in word) or "/" in word else word for word in reason.split()]
    return " ".join(words)


def _table_html(names: tuple[str, ...], rows: list[Any]) -> str:
    if not rows:
        return "<p>none</p>"
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row) + "</tr>\n" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _short(text: str, length: int = 24) -> str:
    text = text.replace("$", r"\$")  # matplotlib would read formulas
    return text if len(text) <= length else text[: length - 1] + "…"


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; color: #222 }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0 1.5em }} dt {{ color: #666 }} dd {{ margin: 0 }}
img {{ width: 100% }} table {{ border-collapse: collapse }} th {{ text-align: left }}
th, td {{ padding: .15em 1.2em .15em 0; border-bottom: 1px solid #ddd; vertical-align: top; overflow-wrap: anywhere }}
</style></head><body>
<h1>{title}</h1><dl>{facts}</dl>
<img alt="Charts of styles, keys, tempos, meters, lengths and rejects" src="data:image/png;base64,{picture}">
<h2>Licences</h2>{licences}
<h2>Rejects by reason</h2>{reasons}
<h2>Rejects</h2>{rejects}
</body></html>
"""
