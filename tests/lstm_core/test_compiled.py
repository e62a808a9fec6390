"""Compiled code is kept on disk and made anew when its file changes; what it takes from other files must count too.

A file of compiled functions that take functions or constants from other files names these files' content in
COMPILED_WITH. When one of them changes this test fails and says what to write there: the edit makes Numba compile anew,
on every machine that is upgraded.
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

import pytest

import lstm_core

FOLDER = Path(lstm_core.__file__).parent
TAKES_FROM = {
    "choosers": ("constraints", "notes", "order", "sampling", "streams"),
    "limiter": ("loudness",),
    "lookback": ("streams",),
    "voices": ("soundbank",),
}


@pytest.mark.parametrize("name", TAKES_FROM)
def test_compiled_code_knows_what_it_was_compiled_with(name: str) -> None:
    sources = b"".join((FOLDER / f"{other}.py").read_bytes() for other in TAKES_FROM[name])
    now = hashlib.sha256(sources).hexdigest()[:16]
    written = importlib.import_module(f"lstm_core.{name}").COMPILED_WITH
    assert written == now, f'write COMPILED_WITH = "{now}" in lstm_core/{name}.py'


def test_every_file_of_compiled_functions_is_looked_at() -> None:
    """A file with compiled functions takes nothing from others but types, or is in the table above."""
    only_types = {"audio", "counters", "dither", "loudness", "mastering", "packing", "sampling"}
    compiled = {path.stem for path in FOLDER.glob("*.py") if "njit" in path.read_text()}
    assert compiled == only_types | set(TAKES_FROM)
