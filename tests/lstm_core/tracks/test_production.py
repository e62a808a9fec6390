"""From an order to what the engine is asked, and primers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lstm_core.engine.engine import Engine
from lstm_core.engine.requests import request_of
from lstm_core.foundation.errors import OrderError
from lstm_core.model.checkpoint import CheckpointFacts
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Meter, Score, Tempo, make_notes
from lstm_core.orders.admission import check_order, estimated_size_bytes
from lstm_core.orders.order import TrackOrder, derived_seed
from lstm_core.orders.plan import plan_track
from lstm_core.orders.primer import pin_primer, read_primer
from lstm_core.representations.note_events import EventArray, event_onsets
from lstm_core.sound.soundfont import SoundFontIdentity
from lstm_core.tracks.production import Provenance, score_of, track_id_of
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
    return pin_primer(replace(ORDER, primer="x.mid", meter=meter), str(folder))


def play_on(engine: Engine, order: TrackOrder, primer: EventArray) -> EventArray:
    plan, asked = request(order, primer=primer)
    events = next(iter(engine.generate([asked]))).events
    check_track(order, plan, events, num_forced=len(primer))
    return events


def test_a_track_goes_on_from_its_primer_exactly(engine: Engine, tmp_path: Path) -> None:
    rows = [(24 * i, 24, 0, 60 + (i * 5) % 12, 80) for i in range(14)] + [(0, 300, 33, 36, 100)]
    order = primed(tmp_path, rows)
    primer = read_primer(order, plan_track(order))
    assert primer is not None and len(primer) == 15
    events = play_on(engine, order, primer)
    assert (events[: len(primer)] == primer).all() and len(events) > len(primer) + 3
    score = score_of(events, plan_track(order))
    early = score.notes[score.notes["onset"] < 13 * 24]
    assert [tuple(map(int, (n["onset"], n["program"], n["pitch"]))) for n in early] == sorted(
        (onset, program, pitch) for onset, _, program, pitch, _ in rows if onset < 13 * 24
    )


def test_a_primer_fills_half_of_a_track_at_most(tmp_path: Path) -> None:
    order = primed(tmp_path, [(96 * i, 384, 0, 60 + i, 80) for i in range(40)])
    primer = read_primer(order, plan_track(order))
    assert primer is not None and event_onsets(primer).tolist() == [96 * i for i in range(4)]  # of eight bars
    stops = score_of(primer, plan_track(order)).notes
    assert (stops["onset"] + stops["duration"]).max() <= 4 * 96


@pytest.mark.parametrize("meter", ["4/4", "3/4"])
def test_instruments_enter_behind_a_primer_that_fills_the_polyphony(engine: Engine, tmp_path: Path, meter: str) -> None:
    order = primed(tmp_path, [(0, 500, 0, 60 + 4 * i, 80) for i in range(4)], meter=meter)
    order = replace(order, polyphony=2, instruments=("0", "flute", "drums"))
    primer = read_primer(order, plan_track(order))
    assert primer is not None
    for seed in range(4):
        play_on(engine, replace(order, seed=seed), primer)


def test_primers_that_do_not_do(tmp_path: Path) -> None:
    with pytest.raises(OrderError, match="is in 3/4, the order asks for 4/4"):
        check_order(replace(primed(tmp_path, [(0, 24, 0, 60, 80)], meter="3/4"), meter="4/4"))
    late = primed(tmp_path, [(960, 24, 0, 60, 80)])
    with pytest.raises(OrderError, match="has no note in its first 4 bars"):
        check_order(late)
    with pytest.raises(OrderError, match="too short to go on from it"):
        check_order(replace(late, duration_s=2.0, loop=True))
    good = primed(tmp_path, [(0, 24, 0, 60, 80)])
    check_order(good)
    (tmp_path / "x.mid").write_bytes(b"no MIDI")
    with pytest.raises(OrderError, match=r"x\.mid"):
        pin_primer(replace(ORDER, primer="x.mid"), str(tmp_path)) and check_order(
            pin_primer(replace(ORDER, primer="x.mid"), str(tmp_path))
        )


def test_a_primer_that_is_changed_between_reading_and_playing_is_noticed(tmp_path: Path) -> None:
    order = primed(tmp_path, [(0, 24, 0, 61, 80)])
    (tmp_path / "x.mid").write_bytes(b"something else")
    with pytest.raises(OrderError, match="was changed since the order was read"):
        read_primer(order, plan_track(order))


def test_attempts_keep_key_and_tempo_and_change_the_notes(engine: Engine) -> None:
    """They used to take another key and tempo, for which the order might be impossible."""
    order = TrackOrder(duration_s=6.0, seed=3)
    facts = CheckpointFacts(
        name="t", representation="notes-1", styles=(), step=0, valid_nll=None, corpus_fingerprint="", licences={}
    )
    requests = [request_of(order, attempt, facts) for attempt in range(3)]
    assert len({asked.conditions for asked in requests}) == 1 and len({asked.num_bars for asked in requests}) == 1
    assert [asked.rules.seed for asked in requests] == [derived_seed(3, attempt) for attempt in range(3)]
    assert len({done.events.tobytes() for done in engine.generate(requests)}) == 3


def test_music_of_two_pitches_is_refused() -> None:
    with pytest.raises(OrderError, match="hold 2 notes of the key, and music of fewer than 3"):
        check_order(replace(ORDER, pitch_low=60, pitch_high=62))
    check_order(replace(ORDER, pitch_low=60, pitch_high=64))
    check_order(replace(ORDER, pitch_low=60, pitch_high=62, instruments=("drums",)))


def test_a_track_id_depends_on_all_that_makes_a_track() -> None:
    def provenance(**changes: str) -> Provenance:
        values = {"fingerprint": "a", "sha256": "b", "arithmetic": "bf16-cpu"} | changes
        soundfont = SoundFontIdentity(name="x", sha256=values["sha256"])
        return Provenance(
            checkpoint={"fingerprint": values["fingerprint"]}, soundfont=soundfont, arithmetic=values["arithmetic"]
        )

    first = track_id_of(ORDER, provenance())
    assert len(first) == 24 and first == track_id_of(replace(ORDER, name="x"), provenance())
    others = [provenance(fingerprint="c"), provenance(sha256="c"), provenance(arithmetic="float32-cpu")]
    ids = {first, track_id_of(replace(ORDER, seed=6), provenance()), *(track_id_of(ORDER, other) for other in others)}
    assert len(ids) == 5


def test_scores_carry_tempo_and_meter() -> None:
    plan = plan_track(replace(ORDER, meter="6/8", bpm=100.0))
    score = score_of(np.array([[0, 3, 61, 24, 8], [72, 0, 0, 0, 0]], dtype=np.uint8), plan)
    assert score.tempos == (Tempo(tick=0, bpm=plan.bpm),) and str(score.meters[0]) == "6/8"
    assert estimated_size_bytes(replace(ORDER, format="wav", bit_depth=24)) == 16 * 44100 * 6 + 100_000
