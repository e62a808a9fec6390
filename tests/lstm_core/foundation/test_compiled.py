"""Compiled code is kept on disk and made anew when its file changes; what it takes from other files must count too.

A file of compiled functions that take functions or constants from other files names these files' content in
COMPILED_WITH. When one of them changes this test fails and says what to write there: the edit makes Numba compile anew,
on every machine that is upgraded.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from pathlib import Path

import pytest

import lstm_core

FOLDER = Path(lstm_core.__file__).parent
TAKES_FROM = {
    "engine.onsets": ("orders.rules", "orders.timeline", "engine.rows", "representations.note_events"),
    "engine.entrances": (
        "orders.rules",
        "orders.timeline",
        "orders.order",
        "engine.onsets",
        "engine.rows",
        "representations.note_events",
    ),
    "engine.masks": (
        "orders.rules",
        "orders.timeline",
        "orders.order",
        "engine.entrances",
        "engine.onsets",
        "engine.rows",
        "representations.note_events",
    ),
    "engine.choosers": (
        "orders.rules",
        "orders.timeline",
        "orders.order",
        "engine.entrances",
        "engine.masks",
        "engine.onsets",
        "engine.rows",
        "engine.sampling",
        "representations.note_events",
    ),
    "sound.limiter": ("sound.loudness",),
    "representations.lookback": ("representations.note_events",),
    "model.window_lstm": ("foundation.bfloat16",),
    "model.packing": ("foundation.bfloat16",),
    "sound.voices": ("sound.soundbank",),
}


@pytest.mark.parametrize("name", TAKES_FROM)
def test_compiled_code_knows_what_it_was_compiled_with(name: str) -> None:
    sources = b"".join(_file(other).read_bytes() for other in TAKES_FROM[name])
    now = hashlib.sha256(sources).hexdigest()[:16]
    written = importlib.import_module(f"lstm_core.{name}").COMPILED_WITH
    assert written == now, f'write COMPILED_WITH = "{now}" in {_file(name)}'


def test_every_file_of_compiled_functions_is_looked_at() -> None:
    """A file with compiled functions takes nothing from others but types, or is in the table above."""
    only_types = {"sound.audio", "sound.mastering", "engine.sampling", "sound.dither", "sound.loudness"}
    only_types |= {
        "foundation.bfloat16",
        "engine.borrowing",
        "engine.counters",
        "transcription.beats.tracking",
        "transcription.beats.tempo_curve",
    }
    only_types |= {"recordings.quality", "recordings.resampling"}
    decorated = re.compile("njit|@borrowing")
    found = [path.relative_to(FOLDER) for path in FOLDER.rglob("*.py") if decorated.search(path.read_text())]
    compiled = {".".join(path.with_suffix("").parts) for path in found}
    assert compiled == only_types | set(TAKES_FROM)


def _file(name: str) -> Path:
    return FOLDER.joinpath(*name.split(".")).with_suffix(".py")
