"""Arrangements whose parts are known are heaped together and sorted out again."""

from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest

from lstm_core.notes.score import NOTE_DTYPE, NoteArray
from lstm_core.transcription import roles as roles_module
from lstm_core.transcription.roles import BASS_ROLE, HARMONY_ROLE, MELODY_ROLE, assign_roles, programs_for

Row = tuple[int, int, int, int]  # onset, duration, pitch, role
ROOTS = (45, 41, 48, 43)  # Am F C G


def heap(rows: list[Row]) -> tuple[NoteArray, npt.NDArray[np.int64]]:
    """Notes in order of onset and pitch, and the role that each was written for."""
    table = np.array(sorted(rows, key=lambda row: (row[0], row[2])), dtype=np.int64)
    notes = np.zeros(len(table), dtype=NOTE_DTYPE)
    for column, name in enumerate(("onset", "duration", "pitch")):
        notes[name] = table[:, column]
    notes["velocity"] = 80
    return notes, table[:, 3]


def triad(bar: int, octave: int = 12) -> list[int]:
    root = ROOTS[bar % 4] + octave
    return [root, root + (3 if bar % 4 == 0 else 4), root + 7]


def bass_line(bar: int, style: str) -> list[Row]:
    root, start = ROOTS[bar % 4] - 12, bar * 96
    if style == "held":
        return [(start, 96, root, BASS_ROLE)]
    if style == "walking":
        return [(start + 24 * i, 22, root + step, BASS_ROLE) for i, step in enumerate((0, 4, 7, 9))]
    return [(start + 12 * i, 8, root + 12 * (i % 2), BASS_ROLE) for i in range(8)]  # octaves in eighths


def chords(bar: int, style: str) -> list[Row]:
    start = bar * 96
    if style == "held":
        return [(start, 96, pitch, HARMONY_ROLE) for pitch in triad(bar)]
    if style == "off beat":
        return [(start + 24 * i + 12, 10, pitch, HARMONY_ROLE) for i in range(4) for pitch in triad(bar)]
    pitches = [*triad(bar), triad(bar)[1]]
    return [(start + 12 * i, 12, pitches[i % 4], HARMONY_ROLE) for i in range(8)]  # broken


def tune(bar: int, random: np.random.Generator, *, rests: bool) -> list[Row]:
    if rests and bar % 4 == 3:
        return []
    lengths = [(24, 24, 48), (12, 12, 24, 24, 24), (36, 12, 24, 24)][int(random.integers(3))]
    onsets = np.cumsum([0, *lengths[:-1]])
    pitches = random.choice([72, 74, 76, 77, 79, 81, 83, 84], len(lengths))
    return [
        (bar * 96 + int(onset), length - 2, int(pitch), MELODY_ROLE)
        for onset, length, pitch in zip(onsets, lengths, pitches, strict=True)
    ]


def band(num_bars: int, seed: int, *, bass: str, comping: str, rests: bool) -> tuple[NoteArray, npt.NDArray[np.int64]]:
    """Melody over chords over a bass, and the role that each note was written for."""
    random = np.random.default_rng(seed)
    return heap(
        [
            row
            for bar in range(num_bars)
            for row in (*bass_line(bar, bass), *chords(bar, comping), *tune(bar, random, rests=rests))
        ]
    )


@pytest.mark.parametrize("rests", [False, True])
@pytest.mark.parametrize("comping", ["held", "off beat", "broken"])
@pytest.mark.parametrize("bass", ["held", "walking", "octaves"])
def test_the_parts_of_a_band_are_separated(bass: str, comping: str, rests: bool) -> None:
    """Melody over chords over a bass for 32 bars, also where the melody rests every fourth bar."""
    notes, written = band(32, 1, bass=bass, comping=comping, rests=rests)
    roles = assign_roles(notes, 96)
    assert (roles == written).mean() > 0.9
    for role in (BASS_ROLE, MELODY_ROLE, HARMONY_ROLE):
        assert (roles[written == role] == role).mean() > 0.8


def test_four_voices_are_a_melody_a_bass_and_two_between() -> None:
    random = np.random.default_rng(2)
    centres = ((70, MELODY_ROLE), (64, HARMONY_ROLE), (58, HARMONY_ROLE), (48, BASS_ROLE))
    rows = [
        (24 * beat, 24, centre + int(random.integers(-2, 3)), role) for beat in range(128) for centre, role in centres
    ]
    notes, written = heap(rows)
    assert (assign_roles(notes, 96) == written).mean() > 0.95


def test_a_tune_under_a_held_pad_stays_the_melody() -> None:
    random = np.random.default_rng(3)
    rows = [
        row
        for bar in range(16)
        for row in (
            *bass_line(bar, "held"),
            *[(bar * 96, 96, pitch, HARMONY_ROLE) for pitch in triad(bar, 48)],
            *tune(bar, random, rests=False),
        )
    ]
    notes, written = heap(rows)
    roles = assign_roles(notes, 96)
    assert (roles == written).mean() > 0.9 and (roles[written == MELODY_ROLE] == MELODY_ROLE).mean() > 0.9


def test_one_line_alone_is_a_melody_or_low_down_a_bass() -> None:
    for pitch, role in ((67, MELODY_ROLE), (38, BASS_ROLE)):
        notes, _ = heap([(24 * i, 20, pitch + i % 5, role) for i in range(64)])
        assert (assign_roles(notes, 96) == role).all()


def test_a_bass_that_rests_leaves_its_place_empty() -> None:
    """The lowest note of a chord is no bass note because the bass is silent for two bars."""
    rows = [row for bar in range(16) for row in chords(bar, "held")]
    rows += [row for bar in range(16) if bar not in (6, 7) for row in bass_line(bar, "walking")]
    notes, written = heap(rows)
    silent = (notes["onset"] >= 6 * 96) & (notes["onset"] < 8 * 96)
    roles = assign_roles(notes, 96)
    assert not (roles[silent] == BASS_ROLE).any()
    assert (roles[written == BASS_ROLE] == BASS_ROLE).all()


def test_programs_follow_register_length_and_company() -> None:
    notes, roles = heap(
        [(24 * i, 20, 80, MELODY_ROLE) for i in range(8)]
        + [(0, 96, 60, HARMONY_ROLE), (96, 96, 60, HARMONY_ROLE), (0, 24, 36, BASS_ROLE)]
    )
    assert programs_for(notes, roles, has_drums=True) == (33, 73, 48)
    assert programs_for(notes, roles, has_drums=False) == (43, 73, 48)


def test_the_roles_of_many_notes_take_little_memory() -> None:
    """The pitches near every note were counted at once, in 1.4 KB a note: the most that a recording of hours needed."""
    notes, _ = band(1000, 4, bass="octaves", comping="broken", rests=False)
    tracemalloc.start()
    assign_roles(notes, 96)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(notes) > 19_000 and peak < 700 * len(notes)


def test_roles_do_not_hang_on_how_many_notes_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    notes, _ = band(24, 5, bass="walking", comping="off beat", rests=True)
    found = []
    for num_notes in (7, 100, len(notes)):
        monkeypatch.setattr(roles_module, "COUNTED_NOTES", num_notes)
        found.append(assign_roles(notes, 96))
    assert (found[0] == found[2]).all() and (found[1] == found[2]).all()


def test_no_notes_no_roles() -> None:
    assert len(assign_roles(np.zeros(0, dtype=NOTE_DTYPE), 96)) == 0
