"""Primers: which bars of a file a track continues, read once and where they can do no harm."""

from __future__ import annotations

import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.notes import reading
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Meter, Score, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_digest
from lstm_core.orders.order_file import read_order
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
    started: list[list[str]] = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda line, **options: started.append(line) or popen(line, **options))
    monkeypatch.setattr(reading, "read_midi", None)  # in this process
    order = primed(tmp_path, [(96 * i, 24, 0, 60 + i, 80) for i in range(9)])
    with PrimerReader() as primers:
        assert started == []
        tracks = [admit(replace(order, seed=seed), primers) for seed in range(5)]
    assert ["lstm_core.notes.reading" in line for line in started] == [True]
    assert len({id(track.primer) for track in tracks}) == 1


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def primer_bytes(pitch: int) -> bytes:
    return write_midi(Score(notes=make_notes([(96 * i, 96, 0, pitch + i, 80) for i in range(4)])))


def test_a_primer_is_looked_for_beside_the_order_and_counts_by_its_bytes(tmp_path: Path) -> None:
    """A primer that was changed under its name used to give the old track."""
    (tmp_path / "themes").mkdir()
    (tmp_path / "themes" / "x.mid").write_bytes(primer_bytes(60))
    path = written(tmp_path / "order.toml", '[track]\nprimer = "themes/x.mid"\nduration_s = 16\nbpm = 120\n')
    first = read_order(path).tracks[0]
    assert first.primer == str(tmp_path / "themes" / "x.mid") and len(first.primer_sha256) == 64
    (tmp_path / "themes" / "x.mid").write_bytes(primer_bytes(62))
    second = read_order(path).tracks[0]
    assert order_digest(first) != order_digest(second)
    path.write_text(path.read_text() + f'primer_sha256 = "{first.primer_sha256}"\n')
    with pytest.raises(OrderError, match="is not the file that primer_sha256 names"):
        read_order(path)


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (None, "", "The primer cannot be read"),
        (b"no midi", "", "x.mid"),
        (primer_bytes(60), 'meter = "3/4"\n', "is in 4/4, the order requests 3/4"),
        (
            primer_bytes(60),
            "loop = true\nduration_s = 2\nbpm = 120\n",
            "a track of 1 bars is too short to continue it",
        ),
    ],
)
def test_primers_that_cannot_be_used(tmp_path: Path, data: bytes | None, settings: str, message: str) -> None:
    if data is not None:
        (tmp_path / "x.mid").write_bytes(data)
    with pytest.raises(OrderError) as raised:
        read_order(written(tmp_path / "order.toml", f'[track]\nprimer = "x.mid"\n{settings}'))
    assert message in str(raised.value)
