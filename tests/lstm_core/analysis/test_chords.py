"""Chords of made progressions in several textures, keys and meters."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.analysis.chords import find_chords, find_tune_chords, tune_key
from lstm_core.analysis.grid import make_grid, slots_per_bar
from lstm_core.notes.chord_symbols import NO_CHORD, QUALITIES, chord_name
from lstm_core.notes.score import Meter, Score, make_notes
from tests.lstm_core.analysis.made_pieces import BAR, POP, accompaniment, chord_tones, progression, tune

MINOR = ((9, "min"), (2, "min"), (4, "7"), (9, "min"))
JAZZ = ((2, "min7"), (7, "7"), (0, "maj7"), (0, "maj7"))
TEXTURES = ("block", "arpeggio", "alberti", "oom-pah")


def names(score: Score) -> list[tuple[int, str]]:
    chords = find_chords(score.notes, make_grid(score))
    return [(int(r), QUALITIES[q]) for r, q in zip(chords.root, chords.quality, strict=True)]


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("chords", [POP, MINOR])
def test_progressions_are_found_in_every_texture_a_bar_each_and_half_a_bar_each(
    chords: tuple[tuple[int, str], ...], texture: str
) -> None:
    triads = [(root, "maj" if quality == "7" else quality) for root, quality in chords]
    # four eighths of Alberti's figure are too few against the chords around
    for ticks, slots in ((BAR, 2), (BAR // 2, 1))[: 1 if texture == "alberti" else 2]:
        found = names(progression(chords, ticks, texture))
        expected = [chord for chord in [*chords, *chords] for _ in range(slots)]
        plain = [chord for chord in [*triads, *triads] for _ in range(slots)]
        # Alberti's figure leaves out the seventh
        assert [f in (a, b) for f, a, b in zip(found, expected, plain, strict=True)] == [True] * len(expected)


def test_sevenths_are_distinguished_from_triads() -> None:
    assert names(progression(JAZZ, BAR, "block")) == [chord for chord in [*JAZZ, *JAZZ] for _ in range(2)]


@pytest.mark.parametrize("quality", QUALITIES)
def test_each_quality_is_found_where_it_sounds_for_a_bar(quality: str) -> None:
    score = progression(((0, "maj"), (7, quality), (0, "maj"), (0, "maj")), BAR, "block")
    assert names(score)[2:4] == [(7, quality)] * 2


@pytest.mark.parametrize("semitones", [1, 5, 6, 11])
def test_transposed_music_has_transposed_chords(semitones: int) -> None:
    score = progression([*POP, *MINOR], BAR // 2, "oom-pah")
    before = find_chords(score.notes, make_grid(score))
    score.notes["pitch"] += np.uint8(semitones)
    after = find_chords(score.notes, make_grid(score))
    assert ((before.root + semitones) % 12 == after.root).all()
    assert (before.quality == after.quality).all()
    assert ((before.bass + semitones) % 12 == after.bass).all()
    assert ((before.bar_key % 12 + semitones) % 12 == after.bar_key % 12).all()


def test_the_bass_is_what_lies_lowest() -> None:
    rows = []
    for bar, bass in enumerate((36, 40, 43, 36)):  # C, C/E, C/G, C
        rows += [(bar * BAR, BAR, 0, pitch, 80) for pitch in (60, 64, 67)] + [(bar * BAR, BAR, 32, bass, 80)]
    chords = find_chords(make_notes(rows), make_grid(Score(notes=make_notes(rows))))
    assert chords.root.tolist() == [0] * 8
    assert chords.bass.tolist() == [0, 0, 4, 4, 7, 7, 0, 0]
    assert chord_name(0, 0, 4) == "C/E" and chord_name(6, QUALITIES.index("min7"), 6) == "F#m7"


def test_a_melody_over_chords_does_not_hide_them_and_alone_it_still_tells_the_key() -> None:
    rows = tune(3, 16)
    for bar in range(16):
        rows += accompaniment(POP[bar % 4], bar * BAR, BAR, "block")
    found = names(Score(notes=make_notes(rows)))
    expected = [chord for _ in range(4) for chord in POP for _ in range(2)]
    assert np.mean([f[0] == t[0] for f, t in zip(found, expected, strict=True)]) >= 0.95
    alone = Score(notes=make_notes(tune(3, 16)))
    chords = find_chords(alone.notes, make_grid(alone))
    in_key = [set(chord_tones((int(r), QUALITIES[q]), 0)) for r, q in zip(chords.root, chords.quality, strict=True)]
    assert np.mean([{p % 12 for p in chord} <= {0, 2, 4, 5, 7, 9, 11} for chord in in_key]) >= 0.9


def test_silence_of_a_bar_has_no_chord_and_a_shorter_rest_keeps_it() -> None:
    rows = [*accompaniment((0, "maj"), 0, BAR // 2, "block"), *accompaniment((0, "maj"), BAR, BAR // 2, "block")]
    rows += accompaniment((7, "maj"), 4 * BAR, BAR, "block")
    score = Score(notes=make_notes(rows))
    chords = find_chords(score.notes, make_grid(score))
    assert chords.root.tolist() == [0, 0, 0, NO_CHORD, NO_CHORD, NO_CHORD, NO_CHORD, NO_CHORD, 7, 7]
    drums = Score(notes=make_notes([(0, 12, 128, 36, 90), (96, 12, 128, 38, 90)]))
    assert find_chords(drums.notes, make_grid(drums)).root.tolist() == [NO_CHORD] * 4


@pytest.mark.parametrize(
    ("numerator", "denominator", "slots"),
    [(4, 4, 2), (2, 2, 2), (6, 8, 2), (12, 8, 2), (6, 4, 2), (3, 4, 1), (2, 4, 1), (3, 8, 1), (9, 8, 1), (5, 4, 1)],
)
def test_slots_follow_the_meter(numerator: int, denominator: int, slots: int) -> None:
    meter = Meter(tick=0, numerator=numerator, denominator=denominator)
    assert slots_per_bar(meter) == slots
    grid = make_grid(progression(POP, meter.bar_ticks, "block", meter))
    assert (grid.num_bars, grid.num_slots) == (8, 8 * slots)
    assert set(np.diff(grid.slots).tolist()) == {meter.bar_ticks // slots}


def test_a_waltz_has_its_chords_and_a_bar_cut_short_one_slot() -> None:
    waltz = Meter(tick=0, numerator=3, denominator=4)
    assert names(progression(POP, 72, "oom-pah", waltz)) == [*POP, *POP]
    rows = accompaniment((0, "maj"), 0, 240, "block")
    meters = (Meter(tick=0, numerator=4, denominator=4), Meter(tick=144, numerator=4, denominator=4))
    grid = make_grid(Score(notes=make_notes(rows), meters=meters))
    assert grid.slots.tolist() == [0, 48, 96, 144, 192, 240]
    assert grid.slot_bar.tolist() == [0, 0, 1, 2, 2]


def test_a_tune_alone_has_a_key_and_chords_of_its_notes() -> None:
    """Two bars of C, one of F, one of G and C: the notes on half bars are tones of their chords, where few say so."""
    pitches = (72, 76, 79, 76, 76, 72, 67, 72, 77, 81, 72, 77, 74, 71, 72, 67)
    notes = make_notes([(24 * i, 24, 0, pitch, 80) for i, pitch in enumerate(pitches)] + [(384, 96, 0, 72, 80)])
    grid = make_grid(Score(notes=notes))
    key = tune_key(notes, grid)
    chords = find_tune_chords(notes, grid, key)
    assert key == 0 and chords.root.tolist() == [0, 0, 0, 0, 5, 5, 7, 0, 0, 0]
    on_slot = [notes["pitch"][notes["onset"] == tick][0] % 12 for tick in grid.slots[:-2].tolist()]
    triads = [{root, (root + 4) % 12, (root + 7) % 12} for root in chords.root.tolist()]
    assert all(pitch in triad for pitch, triad in zip(on_slot, triads, strict=False)) and (chords.quality == 0).all()
