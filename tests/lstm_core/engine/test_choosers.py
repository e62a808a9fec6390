"""Single choices at places where the rules once failed."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_core.engine import choosers
from lstm_core.engine.rows import IS_CLOSED, IS_DONE, NUM_SOUNDING, SILENT_FROM, STUCK, TICK, make_rows, start_row
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    DURATION,
    END,
    FIRST_DRUM,
    FIRST_PITCH,
    FIRST_PROGRAM,
    INSTRUMENT,
    PITCH,
    REST,
    STREAMS,
    TIME_SHIFT,
    VELOCITY,
)

PIANO, FLUTE = FIRST_PROGRAM, FIRST_PROGRAM + 73


class Piece:
    """One row that plays the nearest allowed event to a preferred one."""

    def __init__(self, **fields: Any) -> None:
        order = TrackOrder(**{"duration_s": 16.0, "bpm": 120.0, "key": "C", "seed": 1, **fields})
        self.rules = make_rules(order, plan_track(order))
        self.rows = make_rows(1)
        start_row(self.rows, 0)

    @property
    def numbers(self) -> np.ndarray:
        return self.rows.numbers[0]

    def play(self, shift: int, instrument: int, pitch: int = 0, duration: int = 1) -> list[int]:
        """The event nearest to the given values, one stream after the other; duration is a value of its stream."""
        for stream, preferred in enumerate((shift, instrument, pitch, duration, 8)):
            logits = np.zeros((1, STREAMS[stream].size), dtype=np.int32)
            logits[0] = -np.abs(np.arange(STREAMS[stream].size) - preferred) << 16
            choosers.choose(stream, logits, np.zeros(logits.shape, dtype=np.uint8), self.rules, self.rows)
            assert self.numbers[IS_DONE] != STUCK
        return self.rows.before[0].tolist()


def test_the_first_note_is_on_the_first_beat_and_in_key() -> None:
    piece = Piece()
    event = piece.play(40, REST, FIRST_PITCH + 61)
    assert event[TIME_SHIFT] == 0 and event[INSTRUMENT] >= DRUM_INSTRUMENT
    piece = Piece(instruments=("0",))
    event = piece.play(0, END, FIRST_PITCH + 61)
    assert event[INSTRUMENT] == PIANO and event[PITCH] - FIRST_PITCH in (60, 62)


def test_a_chord_ascends_and_never_repeats_a_note() -> None:
    piece = Piece(instruments=("0", "drums"))
    piece.play(0, DRUM_INSTRUMENT, FIRST_DRUM + 8)
    piece.play(0, PIANO, FIRST_PITCH + 60)
    event = piece.play(0, PIANO, FIRST_PITCH + 60)
    assert event[:3] == [0, PIANO, FIRST_PITCH + 62]
    event = piece.play(0, DRUM_INSTRUMENT, FIRST_PITCH + 10)
    assert event[:3] == [0, PIANO, FIRST_PITCH + 64]


def test_a_full_polyphony_waits_for_a_note_to_end() -> None:
    piece = Piece(instruments=("0",), polyphony=1)
    piece.play(0, PIANO, FIRST_PITCH + 60, 24)
    event = piece.play(5, PIANO, FIRST_PITCH + 64, 24)
    assert event[TIME_SHIFT] == 24
    piece.play(20, PIANO, FIRST_PITCH + 64, 24)
    assert piece.numbers[TICK] == 48 and piece.numbers[NUM_SOUNDING] == 1


def test_a_note_that_is_struck_again_counts_once() -> None:
    """It used to count as sounding for the length it was first given, and so hid silences."""
    piece = Piece(instruments=("0",), polyphony=2)
    piece.play(0, PIANO, FIRST_PITCH + 60, 60)
    piece.play(6, PIANO, FIRST_PITCH + 60, 6)
    assert piece.numbers[NUM_SOUNDING] == 1 and piece.rows.ends[0, 0] == 12
    assert piece.numbers[SILENT_FROM] == 12


def test_no_silence_is_longer_than_two_bars_and_no_rest_leads_to_the_last_barline() -> None:
    """A rest on the barline of the last chord used to leave nothing to choose there."""
    piece = Piece(instruments=("0",), meter="2/4")
    onsets, instruments = [], []
    while piece.numbers[IS_DONE] == 0:
        event = piece.play(96, REST, FIRST_PITCH + 60, 1)
        onsets.append(int(piece.numbers[TICK]))
        instruments.append(event[INSTRUMENT])
    sounding = [onset for onset, instrument in zip(onsets, instruments, strict=True) if instrument == PIANO]
    assert max(np.diff(sounding)) <= 1 + 2 * 48 and sounding[-1] == 14 * 48
    assert instruments[-1] == END and onsets[-1] == 15 * 48


def test_missing_instruments_enter_at_barlines_and_all_of_them_when_time_is_short() -> None:
    piece = Piece(instruments=("0", "73", "drums"), duration_s=6.0)
    piece.play(0, PIANO, FIRST_PITCH + 60, 60)  # held into the next bar, were it allowed
    assert piece.rows.ends[0, 0] == 96
    event = piece.play(90, PIANO, FIRST_PITCH + 64, 60)
    assert event[TIME_SHIFT] == 90 and piece.rows.ends[0, 1] <= 96
    event = piece.play(50, FLUTE, FIRST_PITCH + 72)
    assert piece.numbers[TICK] == 96 and event[INSTRUMENT] == FLUTE  # two barlines are left for two
    event = piece.play(50, PIANO, FIRST_PITCH + 72)
    while piece.numbers[TICK] < 192:
        event = piece.play(96, PIANO, FIRST_PITCH + 72)
    assert event[INSTRUMENT] == DRUM_INSTRUMENT
    tight = Piece(instruments=("0", "73", "drums"), duration_s=4.0)
    tight.play(0, PIANO, FIRST_PITCH + 60, 60)
    event = tight.play(96, FLUTE, FIRST_PITCH + 72)
    assert event[INSTRUMENT] == DRUM_INSTRUMENT  # one barline for two: in ascending order
    event = tight.play(96, FLUTE, FIRST_PITCH + 72)
    assert event[:2] == [0, FLUTE]


def test_drums_leave_a_place_to_the_last_chord() -> None:
    """24 drums on the last barline used to leave none for the chord, and so nothing to choose."""
    piece = Piece(instruments=("0", "drums"), duration_s=4.0)
    piece.play(0, PIANO, FIRST_PITCH + 60)
    for key in range(23):
        event = piece.play(96, DRUM_INSTRUMENT, FIRST_DRUM + key)
        assert event[INSTRUMENT] == DRUM_INSTRUMENT and piece.numbers[TICK] == 96
    event = piece.play(0, DRUM_INSTRUMENT, FIRST_PITCH + 61, 60)
    assert event[:3] == [0, PIANO, FIRST_PITCH + 60]
    assert piece.numbers[IS_CLOSED] == 1 and event[DURATION] == 48 // 2 + 12  # 48 ticks, the longest hold
    event = piece.play(10, PIANO)
    assert event == [96, END, 0, 0, 0] and piece.numbers[IS_DONE] == 1
    assert event[VELOCITY] == 0
