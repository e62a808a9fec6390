"""MusicXML, ABC and Humdrum in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes import notation
from lstm_core.notes.describe import describe
from lstm_core.notes.musicxml import tree as musicxml_tree
from lstm_core.notes.notation import read_notation
from lstm_core.notes.score import DRUMS, Score
from tests.lstm_core.notes.musicxml_files import VIOLIN, attributes, measure, musicxml, rows, xml_note, zipped

music21 = pytest.importorskip("music21")
BUNDLED = Path(music21.__file__).parent / "corpus"


def test_ties_chords_tempo_meter_dynamics_and_instrument() -> None:
    first = measure(
        1,
        attributes(3, 4),
        "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>90</per-minute></metronome>"
        "</direction-type></direction>",
        "<direction><direction-type><dynamics><p/></dynamics></direction-type></direction>",
        xml_note("C", 4, 2),
        xml_note("E", 4, 2, before="<chord/>"),
        xml_note("G", 4, 4, '<tie type="start"/>'),
    )
    second = measure(
        2,
        "<direction><direction-type><dynamics><ff/></dynamics></direction-type></direction>",
        xml_note("G", 4, 2, '<tie type="stop"/>'),
        xml_note("G", 4, 4, "<notations><articulations><staccato/></articulations></notations>"),
    )
    head = (
        "<work><work-title>Small piece</work-title></work><identification>"
        '<creator type="composer">A. N. Other</creator><rights>Public domain</rights></identification>'
    )
    (score,) = read_notation(musicxml((VIOLIN, first + second), head=head), ".musicxml")
    assert rows(score.notes) == [(0, 24, 40, 60), (0, 24, 40, 64), (24, 72, 40, 67), (96, 24, 40, 67)]
    assert score.notes["velocity"].tolist() == [49, 49, 49, 112]
    assert [(t.tick, t.bpm) for t in score.tempos] == [(0, 90.0)]
    assert [(m.tick, str(m)) for m in score.meters] == [(0, "3/4")]
    assert score.title == "Small piece"
    assert score.tags == {"composer": "A. N. Other", "copyright": "Public domain"}


def test_a_clarinet_in_b_flat_sounds_a_tone_lower() -> None:
    transpose = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    part = measure(1, attributes(extra=transpose), xml_note("D", 5, 8))
    clarinet = VIOLIN.replace("Violin", "Clarinet in Bb").replace("41", "72")
    (score,) = read_notation(musicxml((clarinet, part)), ".xml")
    assert rows(score.notes) == [(0, 96, 71, 72)]


def test_repeats_with_two_endings_are_played_out_in_every_part() -> None:
    """|: C | [1 D :| [2 E |] against a bass of the same bars, which has no repeat signs."""
    start = '<barline location="left"><repeat direction="forward"/></barline>'
    one = '<barline location="left"><ending number="1" type="start"/></barline>'
    one_end = '<barline location="right"><ending number="1" type="stop"/><repeat direction="backward"/></barline>'
    two = '<barline location="left"><ending number="2" type="start"/></barline>'
    two_end = '<barline location="right"><ending number="2" type="stop"/></barline>'
    tune = measure(1, attributes(), start, xml_note("C", 5, 8))
    tune += measure(2, one, xml_note("D", 5, 8), one_end) + measure(3, two, xml_note("E", 5, 8), two_end)
    bass = "".join(measure(i + 1, attributes() if i == 0 else "", xml_note(s, 3, 8)) for i, s in enumerate("CGA"))
    (score,) = read_notation(musicxml((VIOLIN, tune), (VIOLIN, bass)), ".xml")
    played = sorted((row[0] // 96, row[3]) for row in rows(score.notes))
    assert played == [(0, 48), (0, 72), (1, 55), (1, 74), (2, 48), (2, 72), (3, 57), (3, 76)]


def test_a_repeat_without_sense_is_played_as_written() -> None:
    forward = '<barline location="left"><repeat direction="forward"/></barline>'
    tune = "".join(
        measure(i, attributes() if i == 1 else "", forward, xml_note(step, 4, 8)) for i, step in ((1, "C"), (2, "D"))
    )
    (score,) = read_notation(musicxml((VIOLIN, tune)), ".xml")
    assert rows(score.notes) == [(0, 96, 40, 60), (96, 96, 40, 62)]


def test_unpitched_percussion_becomes_drums() -> None:
    kit = (
        "<part-name>Snare</part-name>"
        '<score-instrument id="I"><instrument-name>Snare Drum</instrument-name></score-instrument>'
        '<midi-instrument id="I"><midi-channel>10</midi-channel><midi-unpitched>39</midi-unpitched></midi-instrument>'
    )
    hit = (
        "<note><unpitched><display-step>C</display-step><display-octave>5</display-octave></unpitched>"
        "<duration>2</duration></note>"
    )
    (score,) = read_notation(musicxml((kit, measure(1, attributes(), hit * 4))), ".xml")
    assert rows(score.notes) == [(i * 24, 24, DRUMS, 38) for i in range(4)]


def test_grace_notes_come_just_before_the_beat_and_triplets_survive() -> None:
    triplet = "<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification>"
    part = measure(
        1,
        attributes(2, 4, divisions=3),
        *(xml_note(step, 4, 1, "<type>eighth</type>", triplet) for step in "CDE"),
        xml_note("G", 4, 0, "<type>16th</type>", before="<grace/>"),
        xml_note("F", 4, 3, "<type>quarter</type>"),
    )
    (score,) = read_notation(musicxml((VIOLIN, part)), ".xml")
    assert rows(score.notes) == [(0, 8, 40, 60), (8, 8, 40, 62), (16, 8, 40, 64), (21, 3, 40, 67), (24, 24, 40, 65)]


def test_archives_and_utf_16_hold_the_same_music() -> None:
    plain = musicxml((VIOLIN, measure(1, attributes(), xml_note("C", 4, 8))))
    container = b'<container><rootfiles><rootfile full-path="in/a.dat"/></rootfiles></container>'
    wanted = [(0, 96, 40, 60)]
    for data, suffix in (
        (zipped("score.xml", plain), ".mxl"),
        (zipped("in/a.dat", plain, container), ".mxl"),
        (zipped("score.xml", plain), ".xml"),
        (plain.decode().replace("UTF-8", "UTF-16").encode("utf-16"), ".xml"),
    ):
        (score,) = read_notation(data, suffix)
        assert rows(score.notes) == wanted


def test_an_archive_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musicxml_tree, "MAX_UNZIPPED_BYTES", 2**20)
    with pytest.raises(ScoreError, match=r"unpacks to more than 1 MiB"):
        read_notation(zipped("score.xml", b" " * (2**20 + 1)), ".mxl")


@pytest.mark.parametrize(
    ("data", "suffix", "message"),
    [
        (b"", ".abc", r"empty \(0 bytes\)"),
        (b"<score-partwise><part", ".xml", "broken MusicXML: ParseError"),
        (b"<html></html>", ".xml", "broken MusicXML.*score-partwise"),
        (b"PK\3\4 and no more", ".mxl", "broken MusicXML: BadZipFile"),
        (zipped("notes.txt", b"none"), ".mxl", "the archive holds no MusicXML"),
        (musicxml((VIOLIN, measure(1, attributes()))), ".xml", "holds no notes"),
        (b"nothing in here is music", ".krn", "broken Humdrum"),
        (b"X:1\nT:none\nK:C\n", ".abc", "holds no notes|broken ABC"),
    ],
    ids=["nothing", "cut", "other XML", "cut archive", "other archive", "rests", "no kern", "no tune"],
)
def test_what_is_no_score_says_why(data: bytes, suffix: str, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        read_notation(data, suffix)


TUNE = """X:{number}
T:{title}
C:Trad.
M:4/4
L:1/4
Q:1/4=100
K:G
G|"Am"GABc|d2d2|G3:|
"""


def test_an_abc_tune_with_pickup_repeat_and_chord_symbols() -> None:
    """The pickup stands on the fourth quarter of a bar of rests; chord symbols are not played."""
    (score,) = read_notation(TUNE.format(number=1, title="One").encode(), ".abc")
    once = [(0, 67), (1, 67), (2, 69), (3, 71), (4, 72), (5, 74), (7, 74), (9, 67)]
    expected = [((3 + quarter + shift) * 24, pitch) for shift in (0, 12) for quarter, pitch in once]
    assert [(row[0], row[3]) for row in rows(score.notes)] == expected
    assert [(m.tick, str(m)) for m in score.meters] == [(0, "4/4")]
    assert [t.bpm for t in score.tempos] == [100.0]
    assert (score.title, score.tags) == ("One", {"composer": "Trad."})
    assert describe(score).num_bars == 7


def test_a_book_of_tunes_gives_them_all_and_names_those_left_out() -> None:
    """Also when two tunes bear the same number."""
    broken = "X:2\nT:Broken\nM:4/4\nL:1/4\nK:none of that\n|||\n"
    book = TUNE.format(number=1, title="One") + "\n" + broken + "\n" + TUNE.format(number=1, title="Two")
    scores = read_notation(book.encode(), ".abc")
    assert [score.title for score in scores] == ["One", "Two"]
    assert scores[0].tags["left_out"].startswith("tune 2: ")
    assert "left_out" not in scores[1].tags


def test_humdrum_spines_are_parts() -> None:
    kern = (
        "!!!OTL: Two voices\n**kern\t**kern\n*M3/4\t*M3/4\n=1\t=1\n2.C\t4c\n.\t4d\n.\t4e\n=2\t=2\n2.G\t[2.g\n=3\t=3\n"
    )
    kern += "2.C\t2.g]\n==\t==\n*-\t*-\n"
    (score,) = read_notation(kern.encode(), ".krn")
    assert [(row[0], row[1], row[3]) for row in rows(score.notes)] == [
        (0, 72, 48),
        (0, 24, 60),
        (24, 24, 62),
        (48, 24, 64),
        (72, 72, 55),
        (72, 144, 67),
        (144, 72, 48),
    ]
    assert [str(m) for m in score.meters] == ["3/4"]
    assert score.title == "Two voices"


@pytest.mark.parametrize(
    ("path", "num_scores", "key", "meter", "num_bars"),
    [
        ("bach/bwv66.6.mxl", 1, "F# minor", "4/4", 10),
        ("bach/bwv269.mxl", 1, "G major", "3/4", 29),
        ("bach/bwv337.mxl", 1, "E minor", "4/4", 12),
        ("ryansMammoth/CuckooHornpipe.abc", 1, "D major", "2/4", 33),
        ("ryansMammoth/RamblerFromClareJig.abc", 1, "A minor", "6/8", 33),
        ("palestrina/Agnus_00.krn", 1, "G major", "4/2", 47),
    ],
)
def test_bundled_scores(
    path: str, num_scores: int, key: str, meter: str, num_bars: int, assert_lawful: Callable[[Score], None]
) -> None:
    file = BUNDLED / path
    if not file.exists():
        pytest.skip(f"this music21 does not bundle {path}")
    scores = read_notation(file.read_bytes(), file.suffix)
    assert len(scores) == num_scores
    for score in scores:
        assert_lawful(score)
    description = describe(scores[0])
    assert (description.key, description.meter, description.num_bars) == (key, meter, num_bars)


def test_without_music21_the_message_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['music21'] = None\n"
        "from lstm_core.notes.notation import read_notation\n"
        "try: read_notation(b'X:1', '.abc')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ScoreError needs music21 to be read: pip install 'tonemill[scores]'")


def test_without_music21_the_usual_musicxml_is_read() -> None:
    """Also when the part names no program, as long as its name is a usual one; others are left to music21."""
    bar = measure(1, attributes(), xml_note("C", 4, 8))
    program = (
        "import sys; sys.modules['music21'] = None\n"
        "from lstm_core.notes.notation import read_notation\n"
        "for name in (b'Viola', b'Crumhorn'):\n"
        f"  data = {musicxml(('<part-name>Viola</part-name>', bar))!r}.replace(b'Viola', name)\n"
        "  try: print(read_notation(data, '.xml')[0].notes['program'])\n"
        "  except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "[41]" and second.startswith("ScoreError needs music21 to be read: pip install 'tonemill[scores]'")


def test_nothing_is_written_and_no_settings_are_read(tmp_path: Path) -> None:
    program = (
        "from lstm_core.notes.notation import read_notation\n"
        f"scores = read_notation({TUNE.format(number=1, title='One').encode()!r}, '.abc'); print(len(scores))"
    )
    env = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(notation.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "1\n"
    assert list(tmp_path.iterdir()) == []
