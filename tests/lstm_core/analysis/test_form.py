"""Sections, references and phrases of pieces whose form is known."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.analysis.piece import Analysis, analyse
from lstm_core.analysis.references import EXACT, NEW, NO_SOURCE, TRANSPOSED, VARIED
from lstm_core.notes.score import Meter, Score, make_notes
from tests.lstm_core.analysis.made_pieces import BAR, POP, Row, accompaniment, drum_bars, tune

OTHER = ((5, "maj"), (7, "maj"), (4, "min"), (9, "min"))


def section(seed: int, start: int, *, bars: int = 8, transpose: int = 0, chords: object = POP) -> list[Row]:
    """A tune over chords, both from bar `start` on."""
    rows = tune(seed, bars, start=start * BAR, transpose=transpose)
    assert isinstance(chords, tuple)
    for bar in range(bars):
        root, quality = chords[bar % 4]
        below = accompaniment((root, quality), (start + bar) * BAR, BAR, "arpeggio", program=25)
        rows += [(o, d, g, p + transpose, v) for o, d, g, p, v in below]
    return rows


def build(*parts: list[Row], meter: Meter | None = None) -> Analysis:
    meters = (meter or Meter(tick=0, numerator=4, denominator=4),)
    return analyse(Score(notes=make_notes([row for part in parts for row in part]), meters=meters))


def form_of(analysis: Analysis) -> str:
    return " ".join(f"{part.name}{part.num_bars}" for part in analysis.sections)


def varied(rows: list[Row]) -> list[Row]:
    """Every seventh note of the tune a step higher, the last bar's tune gone."""
    last = max(row[0] for row in rows) // BAR * BAR
    return [
        (o, d, g, p + 2 * (g == 73 and i % 7 == 3), v) for i, (o, d, g, p, v) in enumerate(rows) if g != 73 or o < last
    ]


def test_aaba_with_exact_repeats() -> None:
    analysis = build(section(1, 0), section(1, 8), section(2, 16, chords=OTHER), section(1, 24))
    assert form_of(analysis) == "A8 A8 B8 A8"
    assert analysis.relation.tolist() == [NEW] * 8 + [EXACT] * 8 + [NEW] * 8 + [EXACT] * 8
    assert analysis.source_bar[8:16].tolist() == list(range(8))
    assert (analysis.source_bar[24:] - analysis.source_bar[24] == np.arange(8)).all()  # one run
    assert analysis.source_bar[24] in (0, 8)
    assert (analysis.similarity[analysis.relation == EXACT] == 1.0).all()


@pytest.mark.parametrize("semitones", [2, -3])
def test_a_transposed_section_is_known_and_by_how_much(semitones: int) -> None:
    analysis = build(section(1, 0), section(2, 8, chords=OTHER), section(1, 16, transpose=semitones))
    assert form_of(analysis) == "A8 B8 A'8"
    assert analysis.relation[16:].tolist() == [TRANSPOSED] * 8
    assert analysis.transposition[16:].tolist() == [semitones] * 8
    assert analysis.source_bar[16:].tolist() == list(range(8))


def test_a_varied_section_keeps_its_letter_and_counts_its_variants() -> None:
    again = varied(section(1, 16))
    analysis = build(section(1, 0), section(2, 8, chords=OTHER), again, section(1, 24), [*again][:0])
    assert form_of(analysis) == "A8 B8 A'8 A8"
    assert analysis.source_bar[16:24].tolist() == list(range(8))
    assert set(analysis.relation[16:24].tolist()) <= {VARIED, EXACT} and VARIED in analysis.relation[16:24]
    changed = analysis.similarity[16:24]
    assert changed.min() < 0.9 and changed.mean() > 0.5


def test_music_that_never_comes_back_is_new_throughout() -> None:
    chords = tuple((root, quality) for root in range(12) for quality in ("maj", "min"))
    rows = tune(11, 24)
    for bar in range(24):
        rows += [(bar * BAR, BAR, 48, 40 + (bar * 7) % 12 + step, 80) for step in (0, 5 + bar % 3, 12 + bar % 5)]
    analysis = build(rows)
    assert len(chords) == 24 and (analysis.source_bar == NO_SOURCE).mean() >= 0.95
    assert len({part.letter for part in analysis.sections}) == len(analysis.sections)


def test_abac_and_a_return_after_an_episode() -> None:
    analysis = build(section(1, 0), section(2, 8), section(1, 16), section(3, 24, chords=OTHER))
    assert form_of(analysis) == "A8 B8 A8 C8"


def test_a_loop_is_encoded_by_phrases_and_not_bar_by_bar() -> None:
    bar = [(0, 24, 33, 36, 90), (24, 24, 33, 43, 90), (48, 24, 33, 36, 90), (72, 24, 33, 41, 90)]
    rows = [(o + i * BAR, d, g, p, v) for i in range(24) for o, d, g, p, v in bar]
    analysis = build(rows, drum_bars(24))
    lag = np.arange(24) - analysis.source_bar
    assert (analysis.relation[1:] == EXACT).all()
    assert len(set(lag[8:].tolist())) == 1 and lag[8] in (4, 8, 16)


def test_a_section_begins_where_the_band_comes_in() -> None:
    analysis = build(section(1, 0, bars=12), drum_bars(8, start=4 * BAR))
    assert 4 in [part.start_bar for part in analysis.sections]


def test_a_pickup_bar_belongs_to_the_first_section() -> None:
    upbeat = [(72, 24, 73, 79, 90)]
    analysis = build(upbeat, section(1, 1), section(1, 9), section(2, 17), section(2, 25))
    assert form_of(analysis) == "A9 A8 B8 B8"
    assert [part.start_bar for part in analysis.sections] == [0, 9, 17, 25]


def test_phrases_lie_within_sections_and_are_of_four_bars_where_nothing_says_otherwise() -> None:
    analysis = build(section(1, 0), section(1, 8), section(2, 16, chords=OTHER), section(1, 24))
    assert analysis.phrase_starts.tolist() == [0, 4, 8, 12, 16, 20, 24, 28]
    assert {part.start_bar for part in analysis.sections} <= set(analysis.phrase_starts.tolist())


def test_sources_are_earlier_bars_and_only_new_bars_have_none() -> None:
    random = np.random.Generator(np.random.Philox(key=[5, 5]))
    rows = [
        (int(bar * BAR + place * 12), 12, 0, int(60 + random.integers(0, 3) * 4), 90)
        for bar in range(40)
        for place in sorted(random.choice(8, size=4, replace=False).tolist())
    ]
    analysis = build(rows)
    bars = np.arange(len(analysis.source_bar))
    assert (analysis.source_bar < bars).all()
    assert ((analysis.source_bar == NO_SOURCE) == (analysis.relation == NEW)).all()
    assert (analysis.similarity[analysis.relation == NEW] == 0).all()
    assert sum(part.num_bars for part in analysis.sections) == len(bars)


def test_a_return_tells_where_the_first_section_ended() -> None:
    """A of eight bars, B of six, A again came out as six and eight: nothing but the return tells them apart."""
    analysis = build(section(1, 0), section(2, 8, bars=6), section(1, 14))
    assert form_of(analysis) == "A8 B6 A8"
