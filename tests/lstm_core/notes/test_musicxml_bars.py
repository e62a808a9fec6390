"""Bars of MusicXML: lengths, meters, tempos, repeats and jumps, and parts that disagree about them."""

from __future__ import annotations

import pytest

from lstm_core.notes.musicxml.reader import read_musicxml
from tests.lstm_core.notes.musicxml_files import (
    BACKWARD,
    BAR_REST,
    FORWARD,
    VIOLIN,
    attributes,
    direction,
    measure,
    musicxml,
    pitches,
    read,
    rows,
    words,
    xml_note,
)


def test_a_tie_into_a_repeat_goes_to_what_comes_next() -> None:
    """|: C~ | C D :| is C tied once a round."""
    first = measure(1, attributes(2, 4), xml_note("C", 4, 4, '<tie type="start"/>'))
    second = measure(2, xml_note("C", 4, 2, '<tie type="stop"/>'), xml_note("D", 4, 2), BACKWARD)
    assert rows(read((VIOLIN, first + second)).notes) == [
        (r * 96 + t, d, 40, p) for r in (0, 1) for t, d, p in ((0, 72, 60), (72, 24, 62))
    ]


def test_repeats_hold_for_all_parts_and_are_played_at_most_eight_times() -> None:
    many = BACKWARD.replace("/></b", ' times="100"/></b')
    tune = measure(1, attributes(1, 4), xml_note("C", 5, 2), many)
    score = read((VIOLIN, tune), (VIOLIN, measure(1, attributes(1, 4), xml_note("C", 3, 2))))
    assert pitches(score) == [(beat, pitch) for beat in range(8) for pitch in (48, 72)]


@pytest.mark.parametrize(
    ("signs", "played"),
    [
        (("", "Fine", "", "D.C. al Fine"), "CDEFCD"),
        (("<segno/>", "Fine", "", "Dal Segno al Fine"), "CDEFCD"),
        (("", "<coda/>", "D.C. al Coda", "<coda/>"), "CDECDF"),
        (("", "", "", "D.C."), "CDEFCDEF"),
        (("", "", "", "dolce"), "CDEF"),
    ],
    ids=["fine", "segno", "coda", "dc", "none"],
)
def test_jumps(signs: tuple[str, ...], played: str) -> None:
    bars = ""
    for number, (step, sign) in enumerate(zip("CDEF", signs, strict=True), start=1):
        above = "" if not sign else direction(sign) if sign.startswith("<") else words(sign)
        bars += measure(number, attributes(1, 4) if number == 1 else "", xml_note(step, 4, 2), above)
    names = {60: "C", 62: "D", 64: "E", 65: "F"}
    assert "".join(names[pitch] for _, pitch in pitches(read((VIOLIN, bars)))) == played


def test_numbers_of_endings_may_be_lists_and_ranges() -> None:
    """|: C [1,2 D :| [3 E |: the first bracket is for two rounds, whatever way that is written."""
    for number in ("1,2", "1, 2", "1-2"):
        one = f'<barline location="left"><ending number="{number}" type="start"/></barline>'
        one_end = f'<barline location="right"><ending number="{number}" type="stop"/><repeat direction="backward"/>'
        two = '<barline location="left"><ending number="3" type="start">3.</ending></barline>'
        two_end = '<barline location="right"><ending number="3" type="discontinue"/></barline>'
        bars = measure(1, attributes(1, 4), xml_note("C", 4, 2))
        bars += measure(2, one, xml_note("D", 4, 2), one_end + "</barline>")
        bars += measure(3, two, xml_note("E", 4, 2), two_end)
        assert [pitch for _, pitch in pitches(read((VIOLIN, bars)))] == [60, 62, 60, 62, 60, 64]


def test_a_pickup_is_filled_also_where_a_part_rests_through_it() -> None:
    """A bug of music21: it makes the rest of the second part as long as a full bar, and the part is late ever after."""
    tune = measure(0, attributes(), xml_note("G", 4, 2)) + measure(1, xml_note("C", 5, 8))
    bass = measure(0, attributes(), BAR_REST.format(2)) + measure(1, xml_note("C", 3, 8))
    untyped = bass.replace(BAR_REST.format(2), "<note><rest/><duration>8</duration></note>")
    for part in (bass, untyped):
        score = read((VIOLIN, tune), (VIOLIN, part))
        assert pitches(score) == [(3, 67), (4, 48), (4, 72)]
        assert [str(meter) for meter in score.meters] == ["4/4"]


def test_bars_that_one_part_leaves_short_or_overfills_stay_in_line() -> None:
    tune = "".join(measure(i, attributes() if i == 1 else "", xml_note("C", 5, 8)) for i in (1, 2, 3))
    bass = (
        measure(1, attributes(), xml_note("C", 3, 6))
        + measure(2, xml_note("D", 3, 9))
        + measure(3, xml_note("E", 3, 8))
    )
    assert pitches(read((VIOLIN, tune), (VIOLIN, bass))) == [(0, 48), (0, 72), (4, 50), (4, 72), (8, 52), (8, 72)]


def test_a_part_with_a_meter_of_its_own_lasts_as_long_as_the_first() -> None:
    tune = "".join(measure(i, attributes(2, 4) if i == 1 else "", xml_note("C", 5, 4)) for i in (1, 2))
    bass = "".join(measure(i, attributes(3, 4) if i == 1 else "", *[xml_note("C", 3, 2)] * 3) for i in (1, 2))
    score = read((VIOLIN, tune), (VIOLIN, bass))
    assert rows(score.notes) == [
        (b * 48 + t, d, 40, p) for b in (0, 1) for t, d, p in ((0, 16, 48), (0, 48, 72), (16, 16, 48), (32, 16, 48))
    ]


def test_bars_without_notes_last_as_the_meter_says() -> None:
    bars = measure(1, attributes(3, 4), xml_note("C", 4, 6)) + measure(2) + measure(3, BAR_REST.format(8))
    assert pitches(read((VIOLIN, bars + measure(4, xml_note("D", 4, 6))))) == [(0, 60), (9, 62)]


def test_meters_change_and_may_be_sums() -> None:
    five = "<attributes><time><beats>3+2</beats><beat-type>8</beat-type></time></attributes>"
    bars = measure(1, attributes(2, 4), xml_note("C", 4, 4)) + measure(2, five, xml_note("D", 4, 5))
    meters = read((VIOLIN, bars + measure(3, xml_note("E", 4, 5)))).meters
    assert [(meter.tick, str(meter)) for meter in meters] == [(0, "2/4"), (48, "5/8")]


def test_tempos_of_metronomes_and_of_the_sound_beside_them() -> None:
    def metronome(inner: str) -> str:
        return f"<metronome>{inner}</metronome>"

    dotted = "<beat-unit>quarter</beat-unit><beat-unit-dot/>"
    bars = measure(
        1,
        attributes(),
        direction(metronome(f"{dotted}<per-minute>60</per-minute>"), after='<sound tempo="33"/>'),
        xml_note("C", 4, 2) + '<sound tempo="70"/>' + xml_note("D", 4, 2),
        direction(
            metronome("<beat-unit>half</beat-unit><per-minute>ca. 80</per-minute>"), after='<sound tempo="160"/>'
        ),
        xml_note("E", 4, 2),
        direction("<words>piu mosso</words>", after='<offset>1</offset><sound tempo="170.5"/>') + xml_note("F", 4, 2),
    )
    tempos = read((VIOLIN, bars)).tempos
    assert [(tempo.tick, tempo.bpm) for tempo in tempos] == [(0, 90.0), (24, 70.0), (48, 160.0), (84, 170.5)]


def test_hidden_rests_of_finale_fill_their_bars() -> None:
    head = "<identification><encoding><software>Finale 2014</software></encoding></identification>"
    bars = measure(1, attributes(), xml_note("C", 4, 2), FORWARD.format(6)) + measure(2, xml_note("D", 4, 8))
    assert pitches(read((VIOLIN, bars), head=head)) == [(0, 60), (4, 62)]


def test_files_by_measures_give_the_same_score() -> None:
    bars = [measure(1, attributes(), xml_note("C", 4, 8)), measure(2, xml_note("D", 4, 8))]
    by_parts = musicxml((VIOLIN, "".join(bars)), (VIOLIN, "".join(bars))).decode()
    head, _ = by_parts.replace("score-partwise", "score-timewise").split('<part id="P0">')
    inner = [bar.removesuffix("</measure>").split(">", 1) for bar in bars]
    measures = "".join(
        f'{start}><part id="P0">{content}</part><part id="P1">{content}</part></measure>' for start, content in inner
    )
    score, other = read_musicxml(by_parts), read_musicxml(head + measures + "</score-timewise>")
    assert rows(other.notes) == rows(score.notes)
    assert other.notes["part"].tolist() == score.notes["part"].tolist()
