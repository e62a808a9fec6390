"""What lags offer: the continuation some bars ago, the same when a piece is read and when it is played."""

from __future__ import annotations

import numpy as np

from lstm_core.notes.score import NOTE_DTYPE, Meter, Score
from lstm_core.representations.lookback import (
    LAGS,
    NOTHING,
    NUM_AGREEMENTS,
    look_back,
    look_back_rows,
    make_lookback_rows,
    start_lookback,
)
from lstm_core.representations.note_events import (
    INSTRUMENT,
    MAX_SHIFT,
    PITCH,
    REST,
    STREAMS,
    encode_score,
    event_onsets,
)

FOUR_FOUR, THREE_FOUR = Meter(tick=0, numerator=4, denominator=4), Meter(tick=0, numerator=3, denominator=4)


def melody(pitches: list[int], *, step: int = 24, meters: tuple[Meter, ...] = (FOUR_FOUR,)) -> np.ndarray:
    """Events of one note each `step` ticks; pitch 0 is a pause."""
    return piece([(i * step, pitch) for i, pitch in enumerate(pitches) if pitch], step, meters)


def piece(onsets: list[tuple[int, int]], duration: int, meters: tuple[Meter, ...] = (FOUR_FOUR,)) -> np.ndarray:
    """Events of piano notes given as (onset, pitch)."""
    notes = np.zeros(len(onsets), dtype=NOTE_DTYPE)
    notes["onset"], notes["pitch"] = np.array(onsets).T
    notes["duration"], notes["velocity"] = duration, 80
    return encode_score(Score(notes=notes, meters=meters))


def test_a_bar_that_comes_again_is_offered_whole() -> None:
    """From the second bar on a lag of one bar offers every event of a piece of equal bars, and its agreement rises."""
    events = melody([60, 62, 64, 65] * 6)
    recalled, agreements = look_back(events, (FOUR_FOUR,))
    assert recalled.shape == (25, len(LAGS), len(STREAMS)) and recalled.dtype == np.int64
    assert (recalled[:4, 0] == NOTHING).all() or (recalled[0] == NOTHING).all()
    assert (recalled[4:24, 0] == events[4:24]).all()
    assert (recalled[8:24, 1] == events[8:24]).all()
    assert (np.diff(agreements[4:, 0]) >= 0).all() and agreements[4, 0] == 1
    assert agreements[16, 0] == NUM_AGREEMENTS


def test_the_first_note_of_a_repeat_is_offered_before_anything_agrees() -> None:
    """The eight-bar lag offers the first note of the piece for bar 9, which begins after the last note of bar 8."""
    tune = [60, 64, 67, 72] * 4 + [59, 62, 65, 67] * 4
    recalled, _ = look_back(melody(tune + tune), (FOUR_FOUR,))
    lag = LAGS.index(8)
    assert recalled[32, lag].tolist() == melody(tune + tune)[32].tolist()
    assert (recalled[1:20, lag] == NOTHING).all()  # nothing of the piece is within reach


def test_an_offer_is_moved_to_where_the_music_stands() -> None:
    """After an event at another place than a bar before, the shift leads to the place of the next event there."""
    events = piece([(0, 60), (48, 62), (96, 60), (120, 61), (144, 62)], 12)
    recalled, _agreements = look_back(events, (FOUR_FOUR,))
    assert recalled[3, 0, 0] == 48 and recalled[3, 0, PITCH] == 1 + 62
    assert recalled[4, 0, 0] == 24 and recalled[4, 0, PITCH] == 1 + 62  # the event at 120 took half of the way


def test_a_long_silence_is_offered_as_a_rest() -> None:
    pitches = ([60] + [0] * 11) * 3
    recalled, _ = look_back(melody(pitches), (FOUR_FOUR,))
    lag = LAGS.index(1)
    rests = recalled[:, lag, INSTRUMENT] == REST
    assert rests.any() and (recalled[rests, lag, 0] == MAX_SHIFT).all() and not recalled[rests, lag, PITCH:].any()


def test_the_bar_is_that_of_the_meter_in_force() -> None:
    three = Meter(tick=4 * 96, numerator=3, denominator=4)
    events = melody([60, 62, 64, 65] * 4 + [67, 69, 71] * 4, meters=(FOUR_FOUR, three))
    recalled, _ = look_back(events, (FOUR_FOUR, three))
    assert (recalled[19:28, 0] == events[19:28]).all()
    assert (recalled[4:16, 0] == events[4:16]).all()


def test_played_event_by_event_it_offers_the_same() -> None:
    """Rows of the engine, started at different times, recall what the whole pieces recall."""
    random = np.random.default_rng(1)
    pieces = [melody([*random.choice([0, 48, 60, 62, 64], size=90).tolist(), 60], step=12) for _ in range(3)]
    expected = [look_back(events, (THREE_FOUR,)) for events in pieces]
    history = np.zeros((3, 200, len(STREAMS)), dtype=np.uint8)
    onsets = np.zeros((3, 200), dtype=np.int64)
    rows = make_lookback_rows(3)
    bar_ticks = np.full(3, THREE_FOUR.bar_ticks, dtype=np.int64)
    places = np.array([0, -5, -9])
    while (places < [len(events) for events in pieces]).any():
        for b, events in enumerate(pieces):
            if places[b] == 0:
                start_lookback(rows, b)
            if 0 <= places[b] < len(events):
                assert (rows.recalled[b] == expected[b][0][places[b]]).all()
                assert (rows.agreements[b] == expected[b][1][places[b]]).all()
                history[b, places[b]] = events[places[b]]
                onsets[b, places[b]] = event_onsets(events)[places[b]]
        counts = np.array([places[b] + 1 if 0 <= places[b] < len(pieces[b]) - 1 else 0 for b in range(3)])
        look_back_rows(history, onsets, counts, bar_ticks, rows)
        places += 1


def test_only_the_past_is_read() -> None:
    """What is offered before an event does not change with that event or any later one."""
    random = np.random.default_rng(2)
    pitches = random.choice([60, 62, 64], size=64).tolist()
    recalled, agreements = look_back(melody(pitches), (FOUR_FOUR,))
    changed, changed_agreements = look_back(melody(pitches[:40] + [70] * 24), (FOUR_FOUR,))
    assert (recalled[:41] == changed[:41]).all() and (agreements[:41] == changed_agreements[:41]).all()
    assert (agreements[41:] != changed_agreements[41:]).any()
