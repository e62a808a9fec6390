"""The catalogue's page: one HTML file that loads nothing but the tracks beside it.

Its sources are page.html, page.css and page_*.js in this package. The data of all tracks stand
inside, column by column, because a page that was opened as a file may not fetch; rows are made as they come into view.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Hashable, Iterable, Sequence
from importlib.resources import files
from textwrap import shorten
from typing import Any

from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.records import GateVerdict, TrackFailure, TrackRecord
from lstm_core.catalogue.roll import PLOT_BOTTOM, PLOT_LEFT, PLOT_RIGHT, PLOT_TOP
from lstm_core.catalogue.tables import texts
from lstm_core.sound.output_formats import OUTPUT_FORMATS

SCRIPTS = ("page_list.js", "page_form.js", "page_player.js")
_SLOT = re.compile(r"\{\{(title|policy|style|data|script)\}\}")


def render_page(
    records: Sequence[TrackRecord],
    failures: Sequence[TrackFailure],
    *,
    title: str,
    folders: Sequence[tuple[str, ...]] = (),
) -> bytes:
    """The page over the given tracks, in their order: UTF-8 HTML, equal bytes for equal input.

    `folders` are the names on the way from the page to the catalogue of each track, none where they are beside it.

    Nothing of a record can become markup: data are JSON without `<`, the script writes text only, and the policy
    runs no script but the page's own and lets nothing be loaded from elsewhere.
    """
    script = '"use strict";\n' + "".join(map(_source, SCRIPTS))
    filling = {
        "title": html.escape(title),
        "policy": _policy(script),
        "style": _source("page.css"),
        "data": _inert(_page_data(records, failures, folders)),
        "script": script,
    }
    return _SLOT.sub(lambda slot: filling[slot[1]], _source("page.html")).encode()


def _page_data(
    records: Sequence[TrackRecord], failures: Sequence[TrackFailure], folders: Sequence[tuple[str, ...]]
) -> dict[str, Any]:
    """What page_list.js reads: plain columns, columns of codes into a table of values, and the failures."""
    plain = {
        "track_id": [record.track_id for record in records],
        "name": [record.name for record in records],
        "duration_s": [round(record.duration_s, 3) for record in records],
        "bpm": [round(record.bpm, 2) for record in records],
        "loudness_lufs": [round(record.loudness_lufs, 2) for record in records],
        "true_peak_dbtp": [round(record.true_peak_dbtp, 2) for record in records],
        "num_bars": [record.num_bars for record in records],
        "num_samples": [record.num_samples for record in records],
        "attempt": [record.attempt for record in records],
        "loop": [int(record.loop) for record in records],
        "seed": [str(record.seed) for record in records],  # 64 bits are more than a number of the page can hold
        "gate_values": [[_short(gate.value) for gate in record.gates] for record in records],
    }
    coded = {
        "style": _coded(record.style for record in records),
        "key": _coded(record.key for record in records),
        "meter": _coded(record.meter for record in records),
        "instruments": _coded(record.instruments for record in records),
        "gates": _coded(tuple(_gate_row(gate) for gate in record.gates) for record in records),
        "files": _coded(tuple(file.name for file in record.files) for record in records),
        "audio": _coded(_audio(record) for record in records),
        "made_by": _coded(_made_by(record) for record in records),
    }
    if any(record.loop_start_sample for record in records):
        plain["loop_start_s"] = [(record.loop_start_sample or 0) / record.sample_rate for record in records]
    if folders:
        coded["folder"] = _coded(folders)
    if any(record.form for record in records):
        plain["energy"] = [record.form and record.form.mean_energy for record in records]
        coded["form"] = _coded(_sections(record.form) for record in records)
        coded["chords"] = _coded(_section_chords(record.form) for record in records)
    if any(record.keys for record in records):
        coded["keys"] = _coded(tuple(change.key for change in record.keys or ()) for record in records)
    if any(record.meters for record in records):
        coded["meters"] = _coded(_meters(record) for record in records)
    if any(record.tempos or record.meters for record in records):
        coded["tempos"] = _coded(_tempos(record) for record in records)
    return {
        "plot": [PLOT_LEFT, PLOT_TOP, PLOT_RIGHT, PLOT_BOTTOM],
        "plain": plain,
        "coded": coded,
        "failures": [_failure_row(failure) for failure in failures],
    }


def _coded(values: Iterable[Hashable]) -> dict[str, list[Any]]:
    """A column as its distinct values, in order of first appearance, and a code for each row."""
    codes: dict[Hashable, int] = {}
    column = [codes.setdefault(value, len(codes)) for value in values]
    return {"values": list(codes), "codes": column}


def _sections(form: TrackForm | None) -> tuple[str | int, ...]:
    """Names and bars of sections, one after the other."""
    return tuple(part for section in form.sections for part in (section.name, section.num_bars)) if form else ()


def _tempos(record: TrackRecord) -> tuple[float, ...]:
    """Bar, second and bpm of each tempo, one after the other; () where there is one.

    Where a meter begins, so does a tempo: from there on bars are as long as it says.
    """
    tempos = record.tempos or ()
    rows = {tempo.bar: (tempo.start_s, tempo.bpm) for tempo in tempos}
    for meter in record.meters or ():
        bpm = next((tempo.bpm for tempo in reversed(tempos) if tempo.bar <= meter.bar), record.bpm)
        rows.setdefault(meter.bar, (meter.start_s, bpm))
    return tuple(round(part, 4) for bar in sorted(rows) for part in (bar, *rows[bar]))


def _meters(record: TrackRecord) -> tuple[float | str, ...]:
    """Bar and name of each meter, one after the other; () where there is one."""
    return tuple(part for meter in record.meters or () for part in (meter.bar, meter.meter))


def _section_chords(form: TrackForm | None) -> str:
    """The chords of the sections, a ";" between them.

    Each is its shortest turn that goes round, bars between spaces and halves between commas, or the number of an
    earlier section that has the same.
    """
    if form is None:
        return ""
    bars, numbers, texts = [",".join(bar) for bar in form.bar_chords()], dict[str, int](), []
    for number, section in enumerate(form.sections):
        part = bars[section.start_bar : section.start_bar + section.num_bars]
        turn = " ".join(part[: _period(part)])
        first = numbers.setdefault(turn, number)
        texts.append(turn if first == number else str(first))
    return ";".join(texts)


def _period(bars: Sequence[str]) -> int:
    """After how many bars they begin again, all if they do not."""
    return next(n for n in range(1, len(bars) + 1) if bars[n:] == bars[: len(bars) - n])


def _gate_row(gate: GateVerdict) -> tuple[str, int, str]:
    return gate.name, int(gate.is_passed), gate.bound


def _failure_row(failure: TrackFailure) -> dict[str, Any]:
    return {
        "name": failure.name,
        "style": failure.style,
        "reason": failure.reason,
        "num_attempts": failure.num_attempts,
        "gates": [[*_gate_row(gate), _short(gate.value)] for gate in failure.gates if not gate.is_passed],
    }


def _audio(record: TrackRecord) -> tuple[str, int, int, str]:
    """Format, Hz, bit depth, and the type by which a browser knows whether it plays it, "" where nobody knows."""
    row = OUTPUT_FORMATS.get(record.format)
    return record.format, record.sample_rate, record.bit_depth, row.mime if row else ""


def _made_by(record: TrackRecord) -> tuple[tuple[str, str], ...]:
    """Pairs of what to call it and what it is, for people: where a track comes from."""
    checkpoint = record.checkpoint
    pairs = [
        ("Checkpoint", f"{checkpoint.get('name', '')} {str(checkpoint.get('fingerprint', ''))[:12]}"),
        ("Corpus", str(checkpoint.get("corpus_fingerprint", ""))[:12]),
        ("Licences", ", ".join(texts(checkpoint.get("licences") or []))),
        ("SoundFont", str(record.soundfont.get("name", ""))),
        ("Arithmetic", record.arithmetic),
    ]
    return tuple((name, shorten(text, 200, placeholder=" ...")) for name, text in pairs if text.strip())


def _short(value: float | None) -> float | None:
    """Four significant digits: enough to look at, and the exact one is in track.json."""
    return None if value is None else float(f"{value:.4g}")


def _inert(content: dict[str, Any]) -> str:
    """JSON that ends no script element, whatever text it holds."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _policy(script: str) -> str:
    """A content security policy that runs this one script and loads from beside the page alone."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src 'self' file: data:; "
        "media-src 'self' file: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def _source(name: str) -> str:
    return files("lstm_core.catalogue").joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")
