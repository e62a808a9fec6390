"""The report of a corpus: one HTML page that needs nothing else, its charts inside as PNG."""

from __future__ import annotations

import base64
import html
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.prepare.charts import pieces_png, recordings_png
from lstm_core import storage
from lstm_core.blocks.assembly import Plan

MAX_REJECTS = 200  # rows shown; the table of rejects has all
MAX_LICENCES = 50


def write_report(uri: str, plan: Plan, corpus_name: str, *, least_confidence: float) -> None:
    """Writes the page of a plan of blocks."""
    storage.write_bytes(uri, report_page(plan, corpus_name, least_confidence=least_confidence).encode())


def report_page(plan: Plan, corpus_name: str, *, least_confidence: float) -> str:
    """The page as HTML; recordings have their own section. The same plan gives the same bytes.

    Args:
        plan: of the blocks.
        corpus_name: for the title.
        least_confidence: of a recording that was taken, to be marked in the chart.
    """
    recordings = plan.pieces.filter(pc.is_valid(plan.pieces["codec"]))
    reasons = _reasons(plan)
    licences = Counter(plan.pieces["licence"].to_pylist()).most_common()
    more = [("further licences", sum(count for _, count in licences[MAX_LICENCES:]))]
    return _PAGE.format(
        title=html.escape(f"Corpus {corpus_name}"),
        facts=_facts_html(_facts(plan, len(recordings))),
        pieces=_picture_html(pieces_png(plan.pieces, reasons), "styles, keys, tempos, meters, lengths and rejects"),
        recordings=_recordings_html(recordings, least_confidence) if len(recordings) else "",
        licences=_table_html(("licence", "pieces"), licences[:MAX_LICENCES] + (more if more[0][1] else [])),
        reasons=_table_html(("stage", "reason", "count"), reasons),
        rejects=_table_html(
            ("file", "stage", "reason"), [tuple(row.values()) for row in plan.rejects.slice(0, MAX_REJECTS).to_pylist()]
        ),
    )


def _facts(plan: Plan, num_recordings: int) -> dict[str, str]:
    pieces = plan.pieces
    splits = Counter(pieces["split"].to_pylist())
    return {
        "pieces": f"{len(pieces):,}, {num_recordings:,} of them from recordings",
        "hours": _hours(pieces),
        "events": f"{pc.sum(pieces['event_bytes']).as_py() / 1e6:,.1f} MB",
        "styles": f"{len(set(pieces['style'].to_pylist())):,}",
        "train / valid": f"{splits['train']:,} / {splits['valid']:,}",
        "near-duplicates": f"{len(pieces) - plan.num_groups:,} pieces, each on the side of the split of its like",
        "rejects": f"{len(plan.rejects):,}",
    }


def _recordings_html(recordings: pa.Table, least_confidence: float) -> str:
    """The section of recordings: what they are as sound, and how reliable their transcription is."""
    num_recordings = len(recordings)
    num_beats = sum(beat is True for beat in recordings["has_beat"].to_pylist())
    seconds = recordings["duration_s"].to_pylist()
    facts = {
        "recordings": f"{num_recordings:,}",
        "hours": _hours(recordings),
        "codecs": _shares(recordings["codec"].to_pylist(), seconds),
        "sample rates": _shares([f"{rate:,} Hz" for rate in recordings["sample_rate"].to_pylist()], seconds),
        "channels": _shares([str(number) for number in recordings["num_channels"].to_pylist()], seconds),
        "with a beat": f"{num_beats:,} ({num_beats / num_recordings:.0%}); the others stand on a plain grid",
        "confidence": _quartiles(recordings["confidence"], "{:.2f}") + f"; under {least_confidence:.2f} is rejected",
        "loudness": _quartiles(recordings["loudness_lufs"], "{:.1f}") + " LUFS",
        "brightness": _quartiles(recordings["brightness_hz"], "{:,.0f}") + " Hz",
    }
    picture = _picture_html(
        recordings_png(recordings, least_confidence),
        "codecs, sample rates, channels, confidence, loudness and brightness",
    )
    return f"<h2>Recordings</h2><dl>{_facts_html(facts)}</dl>{picture}"


def _hours(pieces: pa.Table) -> str:
    hours = sum(pieces["duration_s"].to_pylist()) / 3600
    return f"{hours:,.1f}" if hours >= 10 else f"{hours:,.2f}"


def _shares(names: list[str], seconds: list[float]) -> str:
    """Names with their share of all seconds, the largest first."""
    sums: dict[str, float] = {}
    for name, own_s in zip(names, seconds, strict=True):
        sums[name] = sums.get(name, 0.0) + own_s
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {own_s / max(sum(seconds), 1e-9):.0%}" for name, own_s in ranked)


def _quartiles(column: pa.ChunkedArray, form: str) -> str:
    """Median and the middle half of what is known."""
    low, middle, high = (value or 0.0 for value in pc.quantile(column, q=[0.25, 0.5, 0.75]).to_pylist())
    return f"{form.format(middle)} (half of them {form.format(low)} to {form.format(high)})"


def _reasons(plan: Plan) -> list[tuple[str, str, int]]:
    """Rejects by stage and reason, the most frequent first; a reason counts without the names and numbers in it."""
    counts = Counter((row["stage"], _kind_of_reason(row["stage"], row["reason"])) for row in plan.rejects.to_pylist())
    return [(*key, count) for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _kind_of_reason(stage: str, reason: str) -> str:
    if stage == "duplicate":
        return "the same recording as another" if reason.startswith("the same") else "duplicate of another file"
    words = ["..." if any(c.isdigit() for c in word) or "/" in word else word for word in reason.split()]
    return " ".join(words)


def _facts_html(facts: dict[str, str]) -> str:
    return "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in facts.items())


def _picture_html(png: bytes, what: str) -> str:
    return f'<img alt="Charts of {what}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _table_html(names: tuple[str, ...], rows: list[Any]) -> str:
    if not rows:
        return "<p>none</p>"
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row) + "</tr>\n" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; color: #222 }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0 1.5em }} dt {{ color: #666 }} dd {{ margin: 0 }}
img {{ width: 100% }} table {{ border-collapse: collapse }} th {{ text-align: left; white-space: nowrap }}
th, td {{ padding: .15em 1.2em .15em 0; border-bottom: 1px solid #ddd; vertical-align: top; overflow-wrap: anywhere }}
</style></head><body>
<h1>{title}</h1><dl>{facts}</dl>
{pieces}
{recordings}
<h2>Licences</h2>{licences}
<h2>Rejects by reason</h2>{reasons}
<h2>Rejects</h2>{rejects}
</body></html>
"""
