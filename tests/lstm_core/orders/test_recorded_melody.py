"""Melodies that are recordings: the tune, its tempo and its bars are found, or what was measured is said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit
from lstm_core.orders.order import order_digest, order_fields, order_from_fields
from lstm_core.orders.order_file import read_order
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from tests.lstm_core.orders.hums import JOY, RATE, STAR, WALTZ, hummed, likeness, played, write_recording
from tests.lstm_core.orders.tunes import order_with, rows_of, write_tune

CHORDS = ((0, 4, 7), (7, 11, 14), (5, 9, 12), (0, 4, 7))


@pytest.fixture(scope="module")
def primers() -> Iterator[PrimerReader]:
    with PrimerReader() as one:
        yield one


def read(path: Path, primers: PrimerReader, **fields: Any) -> PlannedTrack:
    return admit(primers.pin(order_with(path, **fields), ""), primers)


@pytest.mark.parametrize(
    ("text", "program", "tonic", "bpm", "meter", "key"),
    [
        (JOY, 40, 67, 108.0, "4/4", "G major"),
        (STAR, 0, 62, 84.0, "4/4", "D major"),
        (WALTZ, 71, 65, 132.0, "3/4", "F major"),
        (JOY, 73, 72, 120.0, "4/4", "C major"),
    ],
)
def test_what_was_played_is_found(
    tmp_path: Path, primers: PrimerReader, text: str, program: int, tonic: int, bpm: float, meter: str, key: str
) -> None:
    rows = rows_of(text, program=program, tonic=tonic, bar_quarters=int(meter[0]))
    track = read(write_recording(tmp_path / "tune.flac", played(rows, bpm)), primers)
    assert track.tune is not None
    assert likeness(track.tune.notes, rows) >= 0.9
    assert (track.order.bpm, track.order.meter, track.order.key) == (bpm, meter, key)
    assert track.tune.origin is not None and track.tune.origin.confidence > 0.6
    assert abs(track.tune.origin.num_notes - len(rows)) <= 3


def test_a_voice_that_slides_and_wavers_a_little_is_understood(tmp_path: Path, primers: PrimerReader) -> None:
    rows = rows_of(WALTZ, tonic=55, bar_quarters=3)
    voice = hummed(rows, 108.0, vibrato=0.25, too_high=0.1)
    track = read(write_recording(tmp_path / "hum.wav", voice), primers)
    assert track.tune is not None and track.order.bpm == 108.0
    assert likeness(track.tune.notes, rows) >= 0.9


def test_the_melody_of_several_parts_is_taken(tmp_path: Path, primers: PrimerReader) -> None:
    rows = rows_of(JOY, program=73, tonic=72)
    others = [(96 * bar, 96, 48, 48 + step, 60) for bar in range(16) for step in CHORDS[bar % 4]]
    others += [(96 * bar, 96, 33, 36 + CHORDS[bar % 4][0], 80) for bar in range(16)]
    track = read(write_recording(tmp_path / "song.flac", played(rows, 100.0, others)), primers)
    assert track.tune is not None and track.order.bpm == 100.0
    assert likeness(track.tune.notes, rows) >= 0.9


def test_parts_of_which_none_is_surely_the_melody_are_refused(tmp_path: Path, primers: PrimerReader) -> None:
    random = np.random.default_rng(1)
    rows = [(12 * i, 12, 0, int(pitch), 80) for i in range(96) for pitch in random.choice(range(52, 76), 3, False)]
    path = write_recording(tmp_path / "many.flac", played(rows, 100.0))
    with pytest.raises(OrderError, match=r"several notes sound at a time.* agree in \d+%.*Record the tune alone"):
        read(path, primers, bpm=100)


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tune whose notes begin at no beat."""
    random = np.random.default_rng(4)
    onsets = np.cumsum(random.integers(9, 40, 40))
    rows = [(int(onset), 8, 0, 60 + int(random.integers(12)), 90) for onset in onsets]
    return write_recording(tmp_path_factory.mktemp("free") / "free.flac", played(rows, 100.0))


def test_without_a_beat_the_order_names_the_tempo(free: Path, primers: PrimerReader) -> None:
    with pytest.raises(OrderError, match=r"no steady beat is found in it \(strength 0\.\d\d of 1.*Write bpm"):
        read(free, primers)
    track = read(free, primers, bpm=100, meter="3/4")
    assert (track.order.bpm, track.order.meter) == (100.0, "3/4")
    assert track.tune is not None and len(track.tune.notes) >= 36


def test_a_tempo_and_a_meter_of_the_order_are_those_of_the_recording(tmp_path: Path, primers: PrimerReader) -> None:
    rows = rows_of(WALTZ, program=40, tonic=67, bar_quarters=3)
    path = write_recording(tmp_path / "tune.flac", played(rows, 120.0))
    assert read(path, primers, bpm=60).order.bpm == 60.0
    twice = read(path, primers, bpm=240, meter="6/4")
    assert twice.tune is not None and likeness(twice.tune.notes, [(2 * r[0], r[1], r[2], r[3]) for r in rows]) >= 0.9
    assert read(path, primers, meter="4/4").order.meter == "4/4"
    with pytest.raises(OrderError, match=r"meter is 7/8, and a recording is read in bars of two or more quarters"):
        read(path, primers, meter="7/8")


def test_a_key_that_the_notes_fit_leaves_them_where_they_are(tmp_path: Path, primers: PrimerReader) -> None:
    """The first five notes of a scale are of two keys."""
    rows = rows_of(JOY, program=0, tonic=60)
    path = write_recording(tmp_path / "tune.flac", played(rows, 120.0))
    for key, up in (("F", 0), ("C", 0), ("D", 2), ("Bb", -2)):
        track = read(path, primers, key=key)
        assert track.tune is not None
        assert likeness(track.tune.notes, [(*row[:3], row[3] + up) for row in rows]) >= 0.9


def test_what_holds_no_tune_says_what_was_measured(tmp_path: Path, primers: PrimerReader) -> None:
    rows = rows_of(JOY, tonic=60)
    low = rows_of(WALTZ, tonic=55, bar_quarters=3)
    random = np.random.default_rng(0)
    cases = {
        "silence.wav": (np.zeros((2, 4 * RATE), dtype=np.float32), "is silent: 100.0% of it"),
        "noise.wav": ((0.5 * random.standard_normal((2, 4 * RATE))).astype(np.float32), "is noise: spectral flatness"),
        "short.wav": (played(rows[:2], 120.0)[:, :RATE], r"lasts 1\.000 s; at least 2 s are needed"),
        "three.wav": (played(rows[:3], 60.0), r"3 notes, at least 4 are needed"),
        "wavers.wav": (hummed(low, 108.0, vibrato=0.3, too_high=0.4), r"its notes are not clear: .* of 1, 0\.66 is"),
    }
    for name, (waveform, message) in cases.items():
        path = write_recording(tmp_path / name, waveform)
        with pytest.raises(OrderError, match=f"melody .*{name}.*{message}.*Record the tune alone"):
            read(path, primers)
    (tmp_path / "text.mp3").write_bytes(b"no music" * 999)
    with pytest.raises(OrderError, match=r"text\.mp3"):
        read(tmp_path / "text.mp3", primers)


def test_a_row_that_was_read_is_read_again_to_the_same_notes(tmp_path: Path) -> None:
    """Its tempo and meter are those that were found, so they would be taken as given."""
    rows = rows_of(STAR, program=71, tonic=65)
    write_recording(tmp_path / "tune.flac", played(rows, 90.0))
    (tmp_path / "o.csv").write_text("melody,seed\ntune.flac,3\n")
    order = read_order(tmp_path / "o.csv")
    (row,), (track,) = order.tracks, order.planned
    assert track.tune is not None and track.tune.origin is not None
    assert row.melody_notes == track.tune.origin.notes and order_from_fields(order_fields(row)) == row
    with PrimerReader() as other:
        assert other.pin(row, "") == row and admit(row, other) == track
        with pytest.raises(OrderError, match="other notes are found in it here than melody_notes says"):
            other.pin(order_from_fields({**order_fields(row), "melody_notes": "f" * 16}), "")
    assert order_digest(row) != order_digest(order_from_fields({**order_fields(row), "melody_notes": "f" * 16}))
    write_tune(tmp_path / "tune.mid", rows)
    with PrimerReader() as other, pytest.raises(OrderError, match=r"no recording\. Leave melody_notes out"):
        other.pin(order_with(tmp_path / "tune.mid", melody_notes="f" * 16), "")


def test_torch_is_imported_for_recordings_alone(tmp_path: Path) -> None:
    write_tune(tmp_path / "tune.mid", rows_of(JOY))
    (tmp_path / "o.csv").write_text("melody\ntune.mid\n")
    program = (
        "import sys; from lstm_core.orders.order_file import read_order; "
        f"read_order({str(tmp_path / 'o.csv')!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
