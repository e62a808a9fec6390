"""Compiles what is compiled, once a machine and version, while the other processes of the machine wait.

Numba keeps compiled functions on disk, in files that it numbers by an index. Two processes that compile forms of one
function for the first time at the same moment give theirs the same number, and one may then be run in place of
the other. So the first process makes two tracks of seconds under a lock, and leaves a mark.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numba
import numpy as np

from lstm_core.notes import DRUMS, Score, make_notes
from lstm_core.order import TrackOrder
from lstm_core.playing.plan import plan_track
from lstm_core.playing.production import Finished, Provenance, finish_track
from lstm_core.streams import encode_score

if TYPE_CHECKING:
    from lstm_core.playing.engine import Engine

_FOLDER = Path(__file__).parents[1]
_LOOP = TrackOrder(duration_s=4.0, bpm=120.0, loop=True, stems=True, seed=1)
_ENDING = TrackOrder(duration_s=4.0, bpm=120.0, loop=False, format="wav", bit_depth=24, sample_rate=48_000, seed=1)


def compile_engine(engine: Engine) -> None:
    """Compiles what an engine needs, or waits for the process that does."""
    from lstm_core.playing.requests import request_of

    requests = [request_of(order, 0, engine.checkpoint.facts) for order in (_LOOP, _ENDING)]
    _once("engine", lambda: list(engine.generate(requests)))


def compile_finishing(provenance: Provenance) -> None:
    """Compiles what makes a track of events, or waits for the process that does."""
    _once("finishing", lambda: [_finished(order, provenance) for order in (_LOOP, _ENDING)])


def _finished(order: TrackOrder, provenance: Provenance) -> Finished:
    """A track of a chord for each beat, on a piano, a bass and drums."""
    rows = [
        (tick, 20, program, pitch, 90)
        for tick in range(0, plan_track(order).total_ticks - 24, 24)
        for program, pitch in ((0, 60), (0, 64), (33, 36), (DRUMS, 38))
    ]
    score = Score(notes=make_notes(np.array(rows)))
    return finish_track(order, 0, encode_score(score), provenance, "warm-up")


def _once(what: str, make: Callable[[], object]) -> None:
    mark = _place() / f"tonemill-{what}-{_version()}"
    if mark.exists():
        return
    with (mark.parent / "tonemill-compiling").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            make()
            mark.touch()


def _place() -> Path:
    """Where marks and lock are: beside the compiled files, or where anybody may write."""
    beside = _FOLDER / "__pycache__"
    if os.access(beside, os.W_OK):
        return beside
    place = Path(tempfile.gettempdir()) / f"tonemill-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


@cache
def _version() -> str:
    """Changes with the code, with Numba and Python, and with the processor."""
    digest = hashlib.sha256(f"{numba.__version__} {platform.python_version()} {_processor()}".encode())
    for path in sorted(_FOLDER.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    from llvmlite import binding

    return f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
