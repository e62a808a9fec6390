"""MusicXML by the reader of our own: one made file for each thing it understands."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.musicxml.instruments import _PITCHED, _PROGRAMS, instruments_of, named_program
from lstm_core.notes.musicxml.reader import read_musicxml
from lstm_core.notes.musicxml.tree import NotCoveredError, parsed
from lstm_core.notes.score import DRUMS
from tests.lstm_core.notes.musicxml_files import (
    BACKUP,
    FORWARD,
    VIOLIN,
    attributes,
    direction,
    measure,
    musicxml,
    pitches,
    read,
    rows,
    voice,
    words,
    xml_note,
)


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
