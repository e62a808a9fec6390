"""A small catalogue with real audio, for the page to show."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from lstm_core.catalogue.folder import commit_track, write_catalog
from lstm_core.catalogue.records import GateVerdict, TrackFailure, TrackRecord, make_record
from lstm_core.catalogue.roll import draw_roll
from lstm_core.notes.score import Score, make_notes
from tests.lstm_core.catalogue.made_up_forms import made_form

SAMPLE_RATE = 22_050
HOSTILE = """<img src=x onerror="document.title='owned'"></script><script>document.title='owned'</script>"""
STYLES = ("chorale", "reel", "dungeon")
KEYS = ("C major", "D minor", "F# minor")
FORMS = ("", "A B A", "A A'", "A B C D")


def tone_flac(frequency_hz: float, num_samples: int) -> bytes:
    """A quiet stereo tone that ends on a whole number of periods, nearly."""
    wave = 0.2 * np.sin(2 * np.pi * frequency_hz * np.arange(num_samples) / SAMPLE_RATE)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.column_stack([wave, wave]), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def add_track(
    catalogue: Path,
    i: int,
    *,
    name: str,
    loop: bool,
    duration_s: float,
    sections: str = "",
    num_layers: int = 0,
    **fields: Any,
) -> TrackRecord:
    """A track, with a form of sections of one bar where they are given; `fields` of its record replace others."""
    form = made_form(sections, 1) if sections else None
    num_samples = round(duration_s * SAMPLE_RATE)
    rows = [(12 * n, 12, 8 * (i % 5), 48 + (5 * n + i) % 24, 90) for n in range(round(duration_s * 4))]
    score = Score(notes=make_notes(rows))
    files = {
        "master.flac": tone_flac(110.0 * (i + 2), num_samples),
        "score.mid": b"MThd",
        "roll.png": draw_roll(score, duration_s=duration_s, form=form),
        "stems/strings.flac": b"fLaC",
    }
    files |= {f"layer-{n + 1}.flac": tone_flac(55.0 * (n + 2), num_samples) for n in range(num_layers)}
    content = {
        "track_id": f"t{i:04d}",
        "name": name,
        "style": STYLES[i % 3],
        "duration_s": num_samples / SAMPLE_RATE,
        "num_samples": num_samples,
        "sample_rate": SAMPLE_RATE,
        "bit_depth": 16,
        "format": "flac",
        "loudness_lufs": -16.0 - i / 10,
        "true_peak_dbtp": -1.5,
        "loop": loop,
        "bpm": 80.0 + 10 * i,
        "key": KEYS[i % 3],
        "meter": "4/4",
        "num_bars": 4,
        "instruments": ["piano", "strings"] if i % 2 else ["strings", "bass"],
        "seed": 2**63 + i,
        "attempt": 0,
        "gates": [GateVerdict(name="exact_length", is_passed=True, value=float(num_samples), bound=f"= {num_samples}")],
        "order": {"row": i},
        "checkpoint": {"fingerprint": "ab12", "name": "base", "corpus_fingerprint": "cd34", "licences": ["CC0-1.0"]},
        "soundfont": {"name": "TimGM6mb", "sha256": "ef"},
        "arithmetic": "float32",
        "score_fingerprint": "0123",
        "form": form,
        **fields,
    }
    return commit_track(str(catalogue), make_record(content), files)


def fill(folder: Path) -> None:
    """Twelve tracks named a to l, the tenth with a hostile name, and two failures.

    Even ones are loops; three of four have a form, see FORMS.
    """
    records = [
        add_track(
            folder,
            i,
            name=HOSTILE if i == 9 else f"{'abcdefghijkl'[i]} piece",
            loop=i % 2 == 0,
            duration_s=2 + i,
            sections=FORMS[i % 4],
        )
        for i in range(12)
    ]
    gate = GateVerdict(name="not_silent", is_passed=False, value=-90.0, bound=">= -60 LUFS")
    failures = [
        TrackFailure(
            track_id=f"f{n}", name=HOSTILE, style="reel", reason="too quiet", num_attempts=3, seed=n, gates=(gate,)
        )
        for n in range(2)
    ]
    write_catalog(str(folder), records, failures, title="Night & Day <music>")
