"""Primers: which bars of a file a track continues, read once and where they can do no harm."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from lstm_core.foundation import isolation
from lstm_core.foundation.errors import OrderError
from lstm_core.notes import reading
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Meter, Score, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.primer import PrimerReader
from lstm_core.representations.note_events import decode_events, event_onsets

ORDER = TrackOrder(duration_s=16.0, bpm=120.0, key="C", seed=5)


def primed(folder: Path, rows: list[tuple[int, int, int, int, int]], *, meter: str = "4/4") -> TrackOrder:
    """An order with a primer of these notes (onset, duration, program, pitch, velocity)."""
    numerator, denominator = map(int, meter.split("/"))
    meters = (Meter(tick=0, numerator=numerator, denominator=denominator),)
    (folder / "x.mid").write_bytes(write_midi(Score(notes=make_notes(rows), meters=meters)))
    return replace(ORDER, primer=str(folder / "x.mid"), meter=meter)


def test_a_primer_fills_half_of_a_track_at_most(tmp_path: Path) -> None:
    order = primed(tmp_path, [(96 * i, 384, 0, 60 + i, 80) for i in range(40)])
    track = admit(order)
    primer = track.primer
    assert primer is not None and event_onsets(primer).tolist() == [96 * i for i in range(4)]  # of eight bars
    stops = decode_events(primer).notes
    assert (stops["onset"] + stops["duration"]).max() <= 4 * 96


def test_primers_that_do_not_do(tmp_path: Path) -> None:
    with pytest.raises(OrderError, match="is in 3/4, the order requests 4/4"):
        admit(replace(primed(tmp_path, [(0, 24, 0, 60, 80)], meter="3/4"), meter="4/4"))
    late = primed(tmp_path, [(960, 24, 0, 60, 80)])
    with pytest.raises(OrderError, match="has no note in its first 4 bars"):
        admit(late)
    with pytest.raises(OrderError, match="too short to continue it"):
        admit(replace(late, duration_s=2.0, loop=True))
    good = admit(primed(tmp_path, [(0, 24, 0, 60, 80)]))
    assert good.primer is not None and len(good.primer) == 1
    (tmp_path / "x.mid").write_bytes(b"no MIDI")
    with pytest.raises(OrderError, match=r"primer .*x\.mid: .*MIDI"):
        admit(good.order)


def test_a_primer_travels_with_its_track(tmp_path: Path) -> None:
    """Engines used to read the file again, on machines that do not have it."""
    with PrimerReader() as primers:
        track = admit(primers.pin(primed(tmp_path, [(0, 24, 0, 61, 80)]), ""), primers)
    (tmp_path / "x.mid").unlink()
    again = pickle.loads(pickle.dumps(track))
    assert again == track and (again.primer == track.primer).all() and again.primer.dtype == track.primer.dtype
    with pytest.raises(OrderError, match="The primer cannot be read"):
        admit(track.order)


def test_a_primer_that_is_changed_after_it_was_pinned_is_noticed(tmp_path: Path) -> None:
    with PrimerReader() as primers:
        order = primers.pin(primed(tmp_path, [(0, 24, 0, 61, 80)]), "")
        (tmp_path / "x.mid").write_bytes(b"something else")
        assert admit(order, primers).primer is not None  # the file is read once
    with pytest.raises(OrderError, match="was changed since the order was read"):
        admit(order)


def test_a_file_is_parsed_once_and_in_a_separate_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It used to be parsed in the driver and in every engine, by the reader that a hostile file may crash."""
    started: list[str] = []
    start = isolation._started
    monkeypatch.setattr(isolation, "_started", lambda *given: started.append(given[0]) or start(*given))
    monkeypatch.setattr(reading, "read_midi", None)  # in this process
    order = primed(tmp_path, [(96 * i, 24, 0, 60 + i, 80) for i in range(9)])
    with PrimerReader() as primers:
        assert started == []
        tracks = [admit(replace(order, seed=seed), primers) for seed in range(5)]
    assert started == ["lstm_core.notes.reading"] and len({id(track.primer) for track in tracks}) == 1
