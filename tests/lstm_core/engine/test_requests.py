"""From a planned track to the request to the engine, and tracks that continue a primer."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lstm_core.engine.engine import Engine
from lstm_core.engine.requests import request_of
from lstm_core.model.checkpoint import CheckpointFacts
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Meter, Score, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, derived_seed
from lstm_core.representations.note_events import EventArray, decode_events
from tests.lstm_core.tiny import check_track, request, tiny_engine

ORDER = TrackOrder(duration_s=16.0, bpm=120.0, key="C", seed=5)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return tiny_engine(6)


def primed(folder: Path, rows: list[tuple[int, int, int, int, int]], *, meter: str = "4/4") -> TrackOrder:
    """An order with a primer of these notes (onset, duration, program, pitch, velocity)."""
    numerator, denominator = map(int, meter.split("/"))
    meters = (Meter(tick=0, numerator=numerator, denominator=denominator),)
    (folder / "x.mid").write_bytes(write_midi(Score(notes=make_notes(rows), meters=meters)))
    return replace(ORDER, primer=str(folder / "x.mid"), meter=meter)


def play_on(engine: Engine, order: TrackOrder, primer: EventArray) -> EventArray:
    plan, sent = request(order, primer=primer)
    events = next(iter(engine.generate([sent]))).events
    check_track(order, plan, events, num_forced=len(primer))
    return events


def test_a_track_goes_on_from_its_primer_exactly(engine: Engine, tmp_path: Path) -> None:
    rows = [(24 * i, 24, 0, 60 + (i * 5) % 12, 80) for i in range(14)] + [(0, 300, 33, 36, 100)]
    order = primed(tmp_path, rows)
    track = admit(order)
    primer = track.primer
    assert primer is not None and len(primer) == 15
    events = play_on(engine, order, primer)
    assert (events[: len(primer)] == primer).all() and len(events) > len(primer) + 3
    score = decode_events(events)
    early = score.notes[score.notes["onset"] < 13 * 24]
    assert [tuple(map(int, (n["onset"], n["program"], n["pitch"]))) for n in early] == sorted(
        (onset, program, pitch) for onset, _, program, pitch, _ in rows if onset < 13 * 24
    )


@pytest.mark.parametrize("meter", ["4/4", "3/4"])
def test_instruments_enter_behind_a_primer_that_fills_the_polyphony(engine: Engine, tmp_path: Path, meter: str) -> None:
    order = primed(tmp_path, [(0, 500, 0, 60 + 4 * i, 80) for i in range(4)], meter=meter)
    order = replace(order, polyphony=2, instruments=("0", "flute", "drums"))
    primer = admit(order).primer
    assert primer is not None
    for seed in range(4):
        play_on(engine, replace(order, seed=seed), primer)


def test_attempts_keep_key_and_tempo_and_change_the_notes(engine: Engine) -> None:
    """They used to take another key and tempo, for which the order might be impossible."""
    order = TrackOrder(duration_s=6.0, seed=3)
    facts = CheckpointFacts(
        name="t", representation="notes-1", styles=(), step=0, valid_nll=None, corpus_fingerprint="", licences={}
    )
    requests = [request_of(admit(order), attempt, facts) for attempt in range(3)]
    assert len({sent.conditions for sent in requests}) == 1 and len({sent.num_bars for sent in requests}) == 1
    assert [sent.rules.seed for sent in requests] == [derived_seed(3, attempt) for attempt in range(3)]
    assert len({done.events.tobytes() for done in engine.generate(requests)}) == 3


def test_what_asks_the_engine_loads_nothing_that_finishes_tracks() -> None:
    """The engine used to import what writes audio and draws pictures, through a function of four lines."""
    unwanted = ("soundfile", "PIL", "lstm_core.tracks", "lstm_core.catalogue", "lstm_core.sound.synth")
    program = f"import sys, lstm_core.engine.requests; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
