"""MusicXML by the reader of our own: one made file for each thing it understands."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from lstm_core.errors import ScoreError
from lstm_core.notes import DRUMS, Score
from lstm_core.scores.musicxml import read_musicxml
from lstm_core.scores.musicxml_instruments import _PITCHED, _PROGRAMS, instruments_of, named_program
from lstm_core.scores.musicxml_tree import NotCoveredError, parsed
from tests.lstm_core.scores.musicxml_files import VIOLIN, attributes, measure, musicxml, rows, xml_note

BACKUP, FORWARD = "<backup><duration>{}</duration></backup>", "<forward><duration>{}</duration></forward>"
BAR_REST = '<note><rest measure="yes"/><duration>{}</duration></note>'
BACKWARD = '<barline location="right"><repeat direction="backward"/></barline>'


def read(*parts: tuple[str, str], head: str = "") -> Score:
    return read_musicxml(musicxml(*parts, head=head).decode())


def pitches(score: Score) -> list[tuple[int, int]]:
    """(onset in quarters, pitch) of all notes."""
    return [(onset // 24, pitch) for onset, _, _, pitch in rows(score.notes)]


def voice(number: int, staff: int = 1) -> str:
    return f"<voice>{number}</voice><staff>{staff}</staff>"


def direction(*kinds: str, after: str = "") -> str:
    inner = "".join(f"<direction-type>{kind}</direction-type>" for kind in kinds)
    return f"<direction>{inner}{after}</direction>"


def words(text: str) -> str:
    return direction(f"<words>{text}</words>")


def test_voices_staves_backup_and_forward() -> None:
    bar = measure(
        1,
        attributes(extra="<staves>2</staves>"),
        xml_note("C", 5, 4, voice(1)) + xml_note("D", 5, 4, voice(1)),
        BACKUP.format(8) + FORWARD.format(2) + xml_note("E", 4, 6, voice(2)),
        BACKUP.format(8) + xml_note("C", 3, 8, voice(5, staff=2)),
    )
    score = read((VIOLIN, bar))
    assert rows(score.notes) == [(0, 96, 40, 48), (0, 48, 40, 72), (24, 72, 40, 64), (48, 48, 40, 74)]
    assert score.notes["part"].tolist() == [1, 0, 0, 0]


def test_divisions_that_change_in_a_bar() -> None:
    bar = measure(1, attributes(2, 4), xml_note("C", 4, 2) + "<attributes><divisions>3</divisions></attributes>")
    bar = bar.replace("</measure>", xml_note("D", 4, 1) + xml_note("E", 4, 2) + "</measure>")
    assert rows(read((VIOLIN, bar)).notes) == [(0, 24, 40, 60), (24, 8, 40, 62), (32, 16, 40, 64)]


def test_ties_over_barlines_and_from_voice_to_voice() -> None:
    first = measure(
        1, attributes(), xml_note("C", 4, 4, voice(1)), xml_note("G", 4, 4, '<tie type="start"/>', voice(1))
    )
    both = '<tie type="stop"/>', '<tie type="start"/>'
    second = measure(2, xml_note("G", 4, 8, *both, voice(2)))
    third = measure(3, xml_note("G", 4, 2, '<tie type="stop"/>', voice(1)), xml_note("G", 4, 6, voice(1)))
    assert rows(read((VIOLIN, first + second + third)).notes) == [
        (0, 48, 40, 60),
        (48, 48 + 96 + 24, 40, 67),
        (216, 72, 40, 67),
    ]


def test_a_tie_into_a_repeat_goes_to_what_comes_next() -> None:
    """|: C~ | C D :| is C tied once a round."""
    first = measure(1, attributes(2, 4), xml_note("C", 4, 4, '<tie type="start"/>'))
    second = measure(2, xml_note("C", 4, 2, '<tie type="stop"/>'), xml_note("D", 4, 2), BACKWARD)
    assert rows(read((VIOLIN, first + second)).notes) == [
        (r * 96 + t, d, 40, p) for r in (0, 1) for t, d, p in ((0, 72, 60), (72, 24, 62))
    ]


def test_grace_notes_go_before_what_follows_in_their_voice() -> None:
    """Two graces before a chord, one before a rest (not played), one at the end of a bar (before the next note)."""
    grace = "<grace/>"
    chord = xml_note("C", 4, 2) + xml_note("E", 4, 2, before="<chord/>")
    rest = "<note><rest/><duration>2</duration><type>quarter</type></note>"
    first = measure(
        1,
        attributes(3, 4),
        xml_note("G", 4, 2),
        xml_note("A", 4, 0, before=grace) + xml_note("B", 4, 0, before=grace) + chord,
        xml_note("F", 4, 0, before=grace) + rest,
        xml_note("D", 5, 0, before=grace),
    )
    score = read((VIOLIN, first + measure(2, xml_note("C", 5, 6))))
    assert rows(score.notes) == [
        (0, 24, 40, 67),
        (18, 3, 40, 69),
        (21, 3, 40, 71),
        (24, 24, 40, 60),
        (24, 24, 40, 64),
        (69, 3, 40, 74),
        (72, 72, 40, 72),
    ]


def test_cue_notes_sound_and_lyrics_do_not_matter() -> None:
    lyric = "<lyric><text>la</text></lyric>"
    bar = measure(1, attributes(2, 4), xml_note("C", 4, 2, lyric), xml_note("D", 4, 2, before="<cue/>"))
    assert pitches(read((VIOLIN, bar))) == [(0, 60), (1, 62)]


def test_quintuplets_keep_their_lengths() -> None:
    tuplet = "<time-modification><actual-notes>5</actual-notes><normal-notes>4</normal-notes></time-modification>"
    notes = "".join(xml_note(step, 4, 1, "<type>16th</type>", tuplet) for step in "CDEFG")
    score = read((VIOLIN, measure(1, attributes(1, 4, divisions=5), notes)))
    assert [row[0] for row in rows(score.notes)] == [0, 5, 10, 14, 19]


def test_transpositions_with_octaves_change_from_bar_to_bar() -> None:
    def transpose(chromatic: int, octaves: int) -> str:
        octave = f"<octave-change>{octaves}</octave-change>"
        return f"<transpose><diatonic>0</diatonic><chromatic>{chromatic}</chromatic>{octave}</transpose>"

    first = measure(1, attributes(1, 4, extra=transpose(-2, -1)), xml_note("C", 5, 2))
    second = measure(2, f"<attributes>{transpose(3, 0)}</attributes>", xml_note("C", 5, 2))
    assert pitches(read((VIOLIN, first + second))) == [(0, 58), (1, 75)]


def test_a_part_without_midi_has_the_program_of_its_name() -> None:
    bar = measure(1, attributes(1, 4), xml_note("C", 4, 2))
    named = [f"<part-name>{name}</part-name>" for name in ("Viola", "Nobody", "")]
    named.append('<score-instrument id="I"><instrument-name>Viola</instrument-name></score-instrument>')
    assert [read((name, bar)).notes["program"].tolist() for name in named] == [[41], [0], [0], [41]]


def test_each_stroke_of_a_kit_is_its_own_drum() -> None:
    kit = "<part-name>Kit</part-name>" + "".join(
        f'<score-instrument id="K{key}"><instrument-name>D</instrument-name></score-instrument>' for key in (36, 38, 42)
    )
    kit += "".join(
        f'<midi-instrument id="K{key}"><midi-channel>10</midi-channel><midi-unpitched>{key + 1}</midi-unpitched>'
        "</midi-instrument>"
        for key in (36, 38, 42)
    )
    shown = "<unpitched><display-step>C</display-step><display-octave>5</display-octave></unpitched>"
    strokes = "".join(
        f'<note>{chord}{shown}<duration>2</duration><instrument id="K{key}"/></note>'
        for chord, key in (("", 36), ("<chord/>", 42), ("", 38), ("", 99))
    )
    score = read((kit, measure(1, attributes(3, 4), strokes)))
    assert rows(score.notes) == [
        (0, 24, DRUMS, 36),
        (0, 24, DRUMS, 42),
        (24, 24, DRUMS, 38),
        (48, 24, DRUMS, 36),  # names no instrument that there is
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


def test_dynamics_hold_on_their_staff_and_accents_for_a_note() -> None:
    def dynamic(mark: str, staff: int) -> str:
        return direction(f"<dynamics>{mark}</dynamics>", after=f"<staff>{staff}</staff>")

    def marked(mark: str) -> str:
        return f"<notations><articulations><{mark}/></articulations></notations>"

    bar = measure(
        1,
        attributes(extra="<staves>2</staves>"),
        dynamic("<p/>", 1) + xml_note("C", 5, 2, voice(1)) + xml_note("D", 5, 2, voice(1), marked("accent")),
        dynamic("<sfz/>", 1) + xml_note("E", 5, 2, voice(1), marked("staccatissimo")) + xml_note("F", 5, 2, voice(1)),
        BACKUP.format(8) + xml_note("C", 3, 8, voice(2, staff=2)),
    )
    notes = read((VIOLIN, bar)).notes
    found = {int(note["pitch"]): (int(note["velocity"]), int(note["duration"])) for note in notes}
    assert found == {48: (80, 96), 72: (49, 24), 74: (65, 24), 76: (112, 6), 77: (112, 24)}


def test_articulations_of_a_chord_count_once() -> None:
    accent = "<notations><articulations><accent/></articulations></notations>"
    chord = xml_note("C", 4, 2, accent) + xml_note("E", 4, 2, accent, before="<chord/>")
    assert read((VIOLIN, measure(1, attributes(1, 4), chord))).notes["velocity"].tolist() == [96, 96]


def test_a_chord_goes_on_after_a_sign_above_it() -> None:
    chord = xml_note("C", 4, 2) + words("dolce") + xml_note("E", 4, 2, before="<chord/>") + xml_note("D", 4, 2)
    assert pitches(read((VIOLIN, measure(1, attributes(2, 4), chord)))) == [(0, 60), (0, 64), (1, 62)]


def test_hidden_rests_of_finale_fill_their_bars() -> None:
    head = "<identification><encoding><software>Finale 2014</software></encoding></identification>"
    bars = measure(1, attributes(), xml_note("C", 4, 2), FORWARD.format(6)) + measure(2, xml_note("D", 4, 8))
    assert pitches(read((VIOLIN, bars), head=head)) == [(0, 60), (4, 62)]


def test_titles_and_creators() -> None:
    head = (
        "<work><work-title>Songs</work-title></work><movement-title>The first.mxl</movement-title><identification>"
        '<creator type="composer">A\nB</creator><creator type="lyricist">C</creator>'
        '<creator type="composer">D</creator><rights>Free</rights></identification>'
    )
    bar = measure(1, attributes(1, 4), xml_note("C", 4, 2))
    score = read((VIOLIN, bar), head=head)
    assert (score.title, score.tags) == ("Songs", {"composer": "A B and D", "copyright": "Free"})
    score = read((VIOLIN, bar), head=head.replace("Songs", " "))
    assert score.title == "The first"


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


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (attributes(extra='<transpose number="2"><chromatic>1</chromatic></transpose>'), "single staves"),
        (attributes().replace("<beats>4</beats>", "<senza-misura/>"), "a meter of an uncommon kind"),
        (attributes().replace("</time>", "<beats>3</beats><beat-type>8</beat-type></time>"), "a meter of an uncommon"),
        (attributes(4, 10**9), "a meter of 4/1000000000"),
        (attributes(divisions=7_000_001), "7,000,001 divisions"),
        (attributes().replace("<divisions>2</divisions>", ""), "a part without <divisions>"),
        (attributes().replace(">2</div", ">2.5</div"), r"a number '2\.5'"),
        (attributes() + xml_note("C", 4, 2).replace("<octave>4</octave>", ""), "without step or octave"),
        (attributes() + xml_note("C", 14, 2), "outside MIDI"),
        (attributes() + xml_note("C", 4, 2, "<accidental>sharp</accidental>"), "an accidental without <alter>"),
        (attributes() + xml_note("C", 4, 2).replace("</step>", "</step><alter>0.5</alter>"), r"a number '0\.5'"),
        (attributes() + xml_note("C", 4, -2), "a number '-2'"),
        (attributes() + "<note><duration>2</duration></note>", "a note without a pitch"),
        (attributes() + xml_note("C", 4, 2, before="<chord/>"), "a chord without a first note"),
    ],
)
def test_what_is_not_covered_is_said(inner: str, reason: str) -> None:
    with pytest.raises(NotCoveredError, match=reason):
        read((VIOLIN, measure(1, inner, xml_note("C", 4, 2))))


def test_other_roots_and_unnamed_parts_are_not_covered() -> None:
    with pytest.raises(NotCoveredError, match="a root <opus>"):
        parsed("<opus/>")
    text = musicxml((VIOLIN, measure(1, attributes(), xml_note("C", 4, 8)))).decode()
    with pytest.raises(NotCoveredError, match="that the part-list does not name"):
        read_musicxml(text.replace('<part id="P0">', '<part id="P7">'))


def test_a_score_without_parts_holds_no_notes() -> None:
    with pytest.raises(ScoreError, match="holds no notes"):
        read_musicxml("<score-partwise><part-list/></score-partwise>")


def test_names_and_programs_are_those_of_music21() -> None:
    """The table of usual names, and every program with and without a name, against the package itself."""
    instrument = pytest.importorskip("music21.instrument")
    for name, program in _PROGRAMS.items():
        assert instrument.fromString(name).midiProgram == program == named_program(name.title())
    for program in _PITCHED:
        found = instrument.instrumentFromMidiProgram(program)
        assert found.midiProgram == program and "UnpitchedPercussion" not in found.classSet
    assert [named_program(name) for name in ("Bass Clarinet", "Nobody at all", "")] == [71, 0, 0]


@pytest.mark.parametrize(
    ("midi", "name", "expected"),
    [
        ("<midi-program>1</midi-program>", "Violin", (40, False, None)),
        ("<midi-program>41</midi-program>", "Piano", (40, False, None)),
        ("<midi-program>1</midi-program>", "Kazoo", (None, False, None)),
        ("<midi-program>0</midi-program>", "", (0, False, None)),
        ("<midi-channel>10</midi-channel><midi-program>1</midi-program>", "", (0, True, None)),
        ("<midi-channel>10</midi-channel><midi-unpitched>39</midi-unpitched>", "", (None, True, 38)),
    ],
)
def test_what_programs_and_names_mean(midi: str, name: str, expected: tuple[int | None, bool, int | None]) -> None:
    pytest.importorskip("music21")
    names = f'<score-instrument id="I"><instrument-name>{name}</instrument-name></score-instrument>' if name else ""
    text = f'<score-part id="P">{names}<midi-instrument id="I">{midi}</midi-instrument></score-part>'
    found = instruments_of(ET.fromstring(text))[""]
    assert (found.program, found.is_drum, found.drum_key) == expected
