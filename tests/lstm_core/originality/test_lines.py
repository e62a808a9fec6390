"""Lines of a score."""

from __future__ import annotations

from dataclasses import replace

from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.originality.lines import voice_lines


def test_each_part_gives_its_top_and_with_chords_its_bottom() -> None:
    rows = [(0, 24, 0, 60, 80), (0, 24, 0, 67, 80), (0, 24, 0, 64, 80), (24, 24, 0, 62, 80), (0, 24, 33, 36, 80)]
    lines = voice_lines(Score(notes=make_notes([*rows, (0, 6, DRUMS, 38, 80)])))
    found = [(line.program, line.is_lowest, line.onset.tolist(), line.pitch.tolist()) for line in lines]
    assert found == [(0, False, [0, 24], [67, 62]), (0, True, [0, 24], [60, 62]), (33, False, [0], [36])]


def test_parts_of_one_program_are_lines_of_their_own() -> None:
    score = Score(notes=make_notes([(0, 24, 40, 72, 80), (0, 24, 40, 60, 80), (24, 24, 40, 74, 80)]))
    score.notes["part"] = [1, 0, 0]
    lines = voice_lines(replace(score, notes=score.notes))
    assert [(line.part, line.pitch.tolist()) for line in lines] == [(0, [72, 74]), (1, [60])]


def test_drums_alone_have_no_line() -> None:
    assert voice_lines(Score(notes=make_notes([(0, 6, DRUMS, 38, 80)]))) == []
