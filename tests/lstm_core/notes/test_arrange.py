"""What a page leaves open is filled in, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstm_core.notes.arrange import ACCENTS, arrange
from lstm_core.notes.score import DRUMS, Meter, Score, Tempo, make_notes


def _tune(meter: Meter | None = None, title: str = "", shift: int = 0, pitch: int = 72) -> Score:
    rows = [(i * 12, 12, 0, pitch, 80) for i in range(32 + shift)]
    return Score(notes=make_notes(rows), meters=(meter or Meter(tick=0, numerator=4, denominator=4),), title=title)


def _chorale(program: int = 0) -> Score:
    rows = [(i * 24, 24, program, pitch, 80) for i in range(8) for pitch in (72, 67, 60, 48)]
    notes = make_notes(rows)
    notes["part"] = np.tile([3, 2, 1, 0], 8)  # notes of one onset stand from the lowest to the highest
    return Score(notes=notes)


def test_accents_follow_the_meter() -> None:
    """With one pitch and one part only the place in the bar speaks: 4/4 and 6/8 have their beats apart."""
    velocities = arrange(_tune()).notes["velocity"][:8].tolist()
    assert velocities == [ACCENTS[0], ACCENTS[2]] + [ACCENTS[1], ACCENTS[2]] * 3
    compound = arrange(_tune(Meter(tick=0, numerator=6, denominator=8))).notes["velocity"][:6].tolist()
    assert compound == [ACCENTS[0], ACCENTS[2], ACCENTS[2], ACCENTS[1], ACCENTS[2], ACCENTS[2]]


def test_higher_notes_are_louder_and_inner_parts_softer() -> None:
    notes = arrange(_chorale()).notes
    by_pitch = {pitch: notes["velocity"][(notes["pitch"] == pitch) & (notes["onset"] == 0)][0] for pitch in (72, 67)}
    assert by_pitch[72] - by_pitch[67] == 8
    octaves = make_notes([(i * 96, 24, 0, pitch, 80) for i, pitch in enumerate((60, 72))])
    assert arrange(Score(notes=octaves)).notes["velocity"].tolist() == [ACCENTS[0] - 6, ACCENTS[0] + 6]


def test_an_accent_written_on_a_flat_page_is_kept() -> None:
    score = _tune()
    score.notes["velocity"][3] = 96
    plain, accented = arrange(_tune()).notes["velocity"], arrange(score).notes["velocity"]
    assert (accented.astype(int) - plain)[:5].tolist() == [0, 0, 0, 16, 0]


def test_tempo_is_that_of_the_dance_and_half_in_two_four() -> None:
    cut = Meter(tick=0, numerator=2, denominator=2)
    reel = arrange(_tune(cut, "Miss McLeod's -- Reel")).tempos[0].bpm
    jig = arrange(_tune(Meter(tick=0, numerator=6, denominator=8))).tempos[0].bpm
    half = arrange(_tune(Meter(tick=0, numerator=2, denominator=4), "Fisher's Hornpipe")).tempos[0].bpm
    assert 200 * 0.88 <= reel <= 200 * 1.12 and 174 * 0.88 <= jig <= 174 * 1.12 and 84 * 0.88 <= half <= 84 * 1.12


def test_what_the_page_tells_is_left_alone() -> None:
    complete = replace(_tune(), tempos=(Tempo(tick=0, bpm=97.0),))
    complete.notes["program"] = 73
    complete.notes["velocity"] = np.linspace(40, 100, len(complete.notes)).astype(np.uint8)
    arranged = arrange(complete)
    assert np.array_equal(arranged.notes, complete.notes) and arranged.tempos == complete.tempos


def test_piano_chords_and_drums_stay_what_they_are() -> None:
    chords = Score(notes=make_notes([(i * 24, 24, 0, pitch, 80) for i in range(8) for pitch in (60, 64, 67)]))
    assert set(arrange(chords).notes["program"].tolist()) == {0} and arrange(chords).tempos[0].bpm == 120.0
    drums = Score(notes=make_notes([(i * 24, 24, DRUMS, 36, 80) for i in range(8)]))
    assert set(arrange(drums).notes["program"].tolist()) == {DRUMS} and arrange(drums).tempos[0].bpm == 120.0


def test_instruments_depend_on_the_notes_alone_and_differ_from_page_to_page() -> None:
    scores = [_tune(shift=n) for n in range(40)]
    programs = [arrange(score).notes["program"][0] for score in scores]
    assert programs == [arrange(_tune(shift=n, title="other")).notes["program"][0] for n in range(40)]
    assert len(set(programs)) >= 5
    low = {int(arrange(_tune(shift=n, pitch=45)).notes["program"][0]) for n in range(40)}
    assert low <= {0, 24, 46}  # no flute or violin goes down to A2


def test_an_ensemble_gives_its_lowest_instrument_to_the_lowest_part() -> None:
    found = set()
    for shift in range(60):
        score = _chorale(program=53)
        score.notes["pitch"] += shift % 5
        score.notes["duration"] -= shift // 5
        notes = arrange(score).notes
        found.add(
            tuple(notes["program"][notes["onset"] == 0][np.argsort(-notes["pitch"][notes["onset"] == 0])].tolist())
        )
    assert (40, 40, 41, 42) in found and (56, 60, 57, 58) in found and (52, 52, 52, 52) in found


def test_arranging_twice_is_arranging_once() -> None:
    once = arrange(_chorale())
    again = arrange(once)
    assert np.array_equal(once.notes["velocity"], again.notes["velocity"])
