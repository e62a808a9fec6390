"""The order of bars by repeats, endings and jumps."""

from __future__ import annotations

import random
import re

import pytest

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes import repeats
from lstm_core.notes.repeats import BarSigns, Ending, add_repeat, played_order, sign_of


def order(written: str, *endings: tuple[int, int, tuple[int, ...]]) -> list[int]:
    """Played order of bars written as `|: a b :|3 c |`: |: and :|TIMES are repeats, || ends a movement, (x) a sign."""
    bars: list[BarSigns] = []
    starts = False
    for token in re.findall(r"\|:|:\|\d?|\|\||\([a-z ]+\)|[a-z]", written):
        if token == "|:":
            starts = True
        elif token.startswith(":|"):
            bars[-1].num_plays = int(token[2:] or 2)
        elif token == "||":
            bars[-1].is_final = True
        elif token.startswith("("):
            bars[-1].signs.append(token[1:-1])
        else:
            bars.append(BarSigns(starts=starts))
            starts = False
    return played_order(bars, [Ending(first=first, last=last, numbers=numbers) for first, last, numbers in endings])


@pytest.mark.parametrize(
    ("written", "endings", "played"),
    [
        ("a b c", (), [0, 1, 2]),
        ("|: a b :| c", (), [0, 1, 0, 1, 2]),
        ("a |: b :|3 c", (), [0, 1, 1, 1, 2]),
        ("a |: b :|1 c", (), [0, 1, 2]),
        ("|: a |: b :| c :|", (), [0, 1, 1, 2, 0, 1, 1, 2]),
        ("|: a b :| c :| d", ((1, 1, (1,)), (2, 2, (2,))), [0, 1, 0, 2, 3]),
        ("|: a b :| c d", ((1, 1, (1, 2)), (2, 2, (3,))), [0, 1, 0, 1, 0, 2, 3]),
        ("a b :| c |: d e :| f", ((1, 1, (1,)), (2, 2, (2,)), (4, 4, (1,)), (5, 5, (2,))), [0, 1, 0, 2, 3, 4, 3, 5]),
    ],
    ids=["none", "two", "three times", "once", "within", "endings", "ending of two rounds", "two with endings"],
)
def test_repeats_and_endings(
    written: str, endings: tuple[tuple[int, int, tuple[int, ...]], ...], played: list[int]
) -> None:
    assert order(written, *endings) == played


def test_a_section_without_a_beginning_begins_where_the_one_before_ended() -> None:
    """A bug: they all began with the piece, and the parts of a quartet were played up to eight times."""
    assert order("a :| b :| c :|") == [0, 0, 1, 1, 2, 2]
    assert order("a b || c d :| e") == [0, 1, 2, 3, 2, 3, 4]
    assert order("a b :| c d e :|", (1, 1, (1,)), (2, 2, (2,))) == [0, 1, 0, 2, 3, 4, 3, 4]


def test_a_beginning_without_an_end_is_no_repeat() -> None:
    assert order("|: a |: b") == [0, 1]
    assert order("|: a |: b :| c") == [0, 1, 1, 2]


@pytest.mark.parametrize(
    "endings",
    [((1, 1, (2,)), (2, 2, (1,))), ((1, 1, (1,)), (1, 2, (2,))), ((2, 2, (1,)),)],
    ids=["numbered backward", "overlapping", "not closed"],
)
def test_endings_without_sense_are_played_as_written(endings: tuple[tuple[int, int, tuple[int, ...]], ...]) -> None:
    assert order("|: a b :| c", *endings) == [0, 1, 2]


@pytest.mark.parametrize(
    ("written", "played"),
    [
        ("a b c (dc)", [0, 1, 2, 0, 1, 2]),
        ("|: a (fine) :| b c (dc al fine)", [0, 0, 1, 2, 0]),
        ("a b (coda) c (dc al coda) d (coda) e", [0, 1, 2, 0, 1, 3, 4]),
        ("a b (segno) c (ds)", [0, 1, 2, 1, 2]),
        ("a b (segno) c (fine) d (ds al fine)", [0, 1, 2, 3, 1, 2]),
        ("a b (segno) c (coda) d (ds al coda) e (coda)", [0, 1, 2, 3, 1, 2, 4]),
        ("a b || c (fine) d (dc al fine) e f", [0, 1, 2, 3, 2, 4, 5]),
        ("a b (dc) c (dc)", [0, 1, 2]),
        ("a b (ds)", [0, 1]),
        ("a b (coda) c (dc al coda)", [0, 1, 2]),
    ],
    ids=["dc", "fine", "coda", "ds", "ds fine", "ds coda", "inner movement", "two", "no segno", "one coda"],
)
def test_jumps(written: str, played: list[int]) -> None:
    """A bug: none was ever played, as music21 counts the bars of an unfolded jump from the first on."""
    assert order(written) == played


def test_after_a_jump_the_last_ending_is_played_at_once() -> None:
    assert order("|: a b :| c (dc)", (1, 1, (1,)), (2, 2, (2,))) == [0, 1, 0, 2, 0, 2]


def test_repeats_within_repeats_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MAX_PLAYED_BARS", 4000)
    with pytest.raises(ScoreError, match="plays more than 4,000 bars"):
        order("|: a |: b |: c |: d |: e :|8 f :|8 g :|8 h :|8 i :|8")
    assert len(order("|: a |: b :|8 c :|8")) == 8 * (1 + 8 + 1)


def test_signs_at_the_other_barline_count_for_the_neighbour() -> None:
    bars = [BarSigns() for _ in range(3)]
    add_repeat(bars, 0, is_left=False, is_start=True, times=None)
    add_repeat(bars, 2, is_left=True, is_start=False, times=99)
    assert [(bar.starts, bar.num_plays) for bar in bars] == [(False, 0), (True, repeats.MAX_REPEATS), (False, 0)]


def test_words_that_are_signs() -> None:
    said = {words: sign_of(words) for words in ("D. C.", "D.C. al Fine", "Dal Segno al Coda", "To Coda", "dolce", "")}
    assert said == {
        "D. C.": "dc",
        "D.C. al Fine": "dc al fine",
        "Dal Segno al Coda": "ds al coda",
        "To Coda": "coda",
        "dolce": None,
        "": None,
    }


def test_music21_unfolds_well_formed_repeats_in_the_same_order() -> None:
    """Sections side by side and within each other, with and without endings, each with its beginning."""
    music21 = pytest.importorskip("music21")
    rng = random.Random(3)
    for _ in range(60):
        bars: list[BarSigns] = []
        endings: list[Ending] = []
        for _ in range(rng.randint(1, 4)):
            first = len(bars)
            bars += [BarSigns() for _ in range(rng.randint(1, 4))]
            last = len(bars) - 1
            kind = rng.choice(["plain", "repeat", "nested", "endings"])
            if kind != "plain":
                bars[first].starts, bars[last].num_plays = True, rng.choice([2, 3])
            if kind == "nested" and last - first >= 2:
                bars[first + 1].starts, bars[first + 1].num_plays = True, 2
            if kind == "endings" and last > first:
                bars.append(BarSigns())
                endings += [
                    Ending(first=last, last=last, numbers=(1,)),
                    Ending(first=last + 1, last=last + 1, numbers=(2,)),
                ]
        skeleton = music21.stream.Part()
        measures = [music21.stream.Measure(number=i) for i in range(len(bars))]
        for measure, bar in zip(measures, bars, strict=True):
            if bar.starts:
                measure.leftBarline = music21.bar.Repeat(direction="start")
            if bar.num_plays:
                measure.rightBarline = music21.bar.Repeat(direction="end", times=bar.num_plays)
            skeleton.append(measure)
        for ending in endings:
            skeleton.insert(0, music21.spanner.RepeatBracket([measures[ending.first]], number=ending.numbers[0]))
        assert played_order(bars, endings) == music21.repeat.Expander(skeleton).measureMap()
