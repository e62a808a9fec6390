"""MIDI in and out."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.limits import MAX_NOTE_TICKS
from lstm_core.notes.midi import read_midi, write_midi
from lstm_core.notes.score import DRUMS, Meter, NoteArray, Score, Tempo, make_notes
from tests.properties import share

CORPORA = Path(__file__).resolve().parents[4] / "shared" / "corpora"
END = b"\0\xff\x2f\0"


def number(value: int) -> bytes:
    septets = [value & 127]
    while value := value >> 7:
        septets.append(value & 127 | 128)
    return bytes(reversed(septets))


def midi_file(*tracks: bytes, division: int = 480) -> bytes:
    head = b"MThd" + (6).to_bytes(4, "big") + b"\0\1" + len(tracks).to_bytes(2, "big") + division.to_bytes(2, "big")
    return head + b"".join(b"MTrk" + len(track + END).to_bytes(4, "big") + track + END for track in tracks)


def note(pitch: int, ticks: int, *, wait: int = 0, channel: int = 0, velocity: int = 64) -> bytes:
    begin = number(wait) + bytes([0x90 | channel, pitch, velocity])
    return begin + number(ticks) + bytes([0x80 | channel, pitch, 0])


def meter(numerator: int, power: int, *, wait: int = 0) -> bytes:
    return number(wait) + bytes([0xFF, 0x58, 4, numerator, power, 24, 8])


def tempo(mspq: int, *, wait: int = 0) -> bytes:
    return number(wait) + b"\xff\x51\3" + mspq.to_bytes(3, "big")


def rows(notes: NoteArray) -> list[tuple[int, ...]]:
    return [tuple(int(note[name]) for name in ("onset", "duration", "program", "pitch", "velocity")) for note in notes]


@pytest.mark.parametrize("division", [24, 96, 120, 192, 480, 960, 1024])
def test_sixteenths_and_triplets_down_to_32nds_survive_any_division(division: int) -> None:
    """A quarter of sixteenths, one of triplets, one of 32nd triplets; files round their own ticks down."""
    steps = [6] * 4 + [8] * 3 + [2] * 12
    edges = [edge * division // 24 for edge in itertools.accumulate(steps, initial=0)]
    track = b"".join(note(60, after - before) for before, after in itertools.pairwise(edges))
    notes = read_midi(midi_file(track, division=division)).notes
    assert notes["duration"].tolist() == steps
    assert notes["onset"].tolist() == list(itertools.accumulate(steps, initial=0))[:-1]


def test_onsets_and_ends_go_to_the_nearest_tick_and_no_note_vanishes() -> None:
    """At 480 per quarter one tick of ours is 20 of the file; halves go upward."""
    track = note(60, 5, wait=9) + note(62, 20, wait=16) + note(64, 25, wait=20)
    notes = read_midi(midi_file(track)).notes
    assert rows(notes) == [(0, 1, 0, 60, 64), (2, 1, 0, 62, 64), (4, 1, 0, 64, 64)]


def test_programs_drums_velocities_and_parts() -> None:
    first = b"\0\xc0\x28" + note(60, 480, velocity=100) + b"\0\xc0\x2a" + note(48, 480, velocity=1)
    second = b"\0\xc9\x10" + note(36, 240, channel=9, velocity=127)
    score = read_midi(midi_file(first, second))
    assert rows(score.notes) == [(0, 12, DRUMS, 36, 127), (0, 24, 40, 60, 100), (24, 24, 42, 48, 1)]
    assert len(set(score.notes["part"].tolist())) == 3


def test_no_tempo_is_120_and_no_meter_is_4_4() -> None:
    score = read_midi(midi_file(note(60, 480)))
    assert score.tempos == (Tempo(tick=0, bpm=120.0),)
    assert score.meters == (Meter(tick=0, numerator=4, denominator=4),)
    assert score.duration_s == 0.5


def test_tempo_0_is_left_out_absurd_ones_are_bounded_repeats_merge() -> None:
    track = tempo(0) + tempo(1, wait=480) + tempo(0xFFFFFF, wait=480) + tempo(500_000, wait=480)
    track += tempo(500_000, wait=480) + tempo(400_000, wait=480)
    score = read_midi(midi_file(track, note(60, 480 * 8)))
    assert [(t.tick, t.bpm) for t in score.tempos] == [(0, 120), (24, 600), (48, 10), (72, 120), (120, 150)]


@pytest.mark.parametrize("bpm", [90.0, 93.5, 117.37, 600.0])
def test_a_tempo_of_two_decimals_comes_back_exactly(bpm: float) -> None:
    """A file holds whole microseconds per quarter: 666,667 is 89.99996 bpm, and what 90 is written as."""
    score = Score(notes=make_notes([(0, 24, 0, 60, 64)]), tempos=(Tempo(tick=0, bpm=bpm),))
    assert read_midi(write_midi(score)).tempos == score.tempos


def test_impossible_meters_are_left_out_and_repeats_on_a_barline_merge() -> None:
    track = meter(3, 2) + meter(0, 2, wait=480) + meter(4, 9, wait=480) + meter(3, 2, wait=480)
    track += meter(3, 2, wait=480) + meter(7, 3, wait=960)
    score = read_midi(midi_file(track, note(60, 480 * 12)))
    assert [(m.tick, str(m)) for m in score.meters] == [(0, "3/4"), (96, "3/4"), (144, "7/8")]


def test_of_overlapping_equal_notes_none_sounds_twice(assert_lawful: Callable[[Score], None]) -> None:
    track = b"\0\x90\x3c\x20" + b"\0\x90\x3c\x40" + number(240) + b"\x90\x3c\x50"
    track += number(480) + b"\x80\x3c\0" + b"\0\x80\x3c\0" + number(480) + b"\x80\x3c\0"
    score = read_midi(midi_file(track))
    assert_lawful(score)
    assert [row[:2] for row in rows(score.notes)] == [(0, 12), (12, 48)]
    assert score.notes["velocity"].tolist() == [64, 80]


def test_a_note_of_an_hour_is_cut_and_says_so() -> None:
    score = read_midi(midi_file(tempo(500_000) + note(60, 480 * 7200)))
    assert rows(score.notes) == [(0, MAX_NOTE_TICKS, 0, 60, 64)]
    assert score.tags == {"notes_cut": "1"}
    assert score.duration_s == 32.0


def test_a_million_notes_are_refused_with_their_number() -> None:
    with pytest.raises(ScoreError, match=r"holds 1,000,000 notes; the limit is 200,000"):
        read_midi(midi_file(note(60, 1) * 1_000_000))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"MThd", "broken MIDI"),
        (b"hello, I am text", r"not MIDI: it starts with b'hell'"),
        (midi_file(note(60, 480))[:-12], "broken MIDI: cut off"),
        (midi_file(b"\0\xc0")[:-4], "broken MIDI"),
        (midi_file(note(60, 480)).replace(b"\0\0\0\x0d", b"\xff\xff\xff\xff"), "has 13 of its 4,294,967,295 bytes"),
        (midi_file(b"\0\xc0\5"), "holds no notes"),
        (midi_file(note(60, 480), division=0), "0 ticks per quarter"),
        (midi_file(note(60, 480, wait=480 * 2 * 3600 * 5)), r"lasts 5.0 hours; the limit is 4"),
        (midi_file(note(60, 1, wait=2**28 - 1) * 8, division=1), "lasts more than 4 hours, even at 600 quarters"),
    ],
    ids=[
        "nothing",
        "head",
        "text",
        "cut",
        "half an event",
        "a chunk of 4 GB",
        "silent",
        "division 0",
        "5 hours",
        "years",
    ],
)
def test_what_is_no_score_says_why(data: bytes, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        read_midi(data)


def test_title_copyright_and_texts_are_kept_and_made_printable() -> None:
    track = (
        b"\0\xff\3\5Waltz"
        + b"\0\xff\2\7\xa9 2001\n"
        + b"\0\xb0\7\x64"
        + b"\0\xff\1\3a\0b"
        + b"\0\xff\1\1c"
        + note(60, 480)
    )
    score = read_midi(midi_file(track))
    assert score.title == "Waltz"
    assert score.tags == {"copyright": "© 2001", "text": "a b; c"}


@pytest.mark.parametrize("name", [b"Track 1", b"untitled", b"Conductor Track", b"midi seq-02", b""])
def test_a_name_that_names_nothing_is_no_title(name: bytes) -> None:
    track = b"\0\xff\3" + number(len(name)) + name + note(60, 480)
    assert read_midi(midi_file(track)).title == ""


def test_a_wrong_length_of_a_track_and_what_follows_the_last_do_no_harm() -> None:
    plain = midi_file(note(60, 480))
    for data in (plain + b"and so on", plain.replace(b"\0\0\0\x0d", b"\0\0\0\x0e") + b"\0"):
        assert rows(read_midi(data).notes) == [(0, 24, 0, 60, 64)]


def test_midi_inside_riff_is_read() -> None:
    plain = midi_file(note(60, 480))
    riff = b"RIFF" + (len(plain) + 12).to_bytes(4, "little") + b"RMIDdata" + len(plain).to_bytes(4, "little") + plain
    assert rows(read_midi(riff).notes) == [(0, 24, 0, 60, 64)]


scores = st.builds(
    lambda table, tempo_rows, meter_rows: Score(
        notes=make_notes(table),
        tempos=tuple(Tempo(tick=i * 7, bpm=60e6 / mspq) for i, mspq in enumerate(tempo_rows)),
        meters=tuple(
            Meter(tick=i * 3 * 96, numerator=numerator, denominator=denominator)
            for i, (numerator, denominator) in enumerate(meter_rows)
        ),
        title="A title",
        tags={"copyright": "© somebody", "text": "a remark"},
    ),
    st.lists(
        st.tuples(
            st.integers(0, 2000), st.integers(1, 400), st.integers(0, 128), st.integers(0, 127), st.integers(1, 127)
        ),
        min_size=1,
        max_size=60,
    ).map(lambda table: [*table, (2000, 400, 0, 0, 64)]),
    st.lists(st.integers(100_000, 6_000_000), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 8), (5, 16)]), min_size=1, max_size=3, unique=True),
)


@share(0.6)
@given(scores)
def test_what_is_written_reads_back_the_same(score: Score) -> None:
    again = read_midi(write_midi(score))
    assert rows(again.notes) == rows(score.notes)
    assert [t.tick for t in again.tempos] == [t.tick for t in score.tempos]
    np.testing.assert_allclose([t.bpm for t in again.tempos], [t.bpm for t in score.tempos], rtol=5e-6)
    assert again.meters == score.meters
    assert (again.title, again.tags) == (score.title, score.tags)
    assert write_midi(again) == write_midi(score)


def test_parts_of_one_program_stay_apart_where_that_is_wanted() -> None:
    notes = make_notes([(0, 24, 48, 60, 90), (0, 24, 48, 55, 80), (24, 24, 48, 62, 90), (0, 24, 0, 40, 70)])
    notes["part"] = [
        0 if program == 0 else 1 + (pitch < 60) for program, pitch in zip(notes["program"], notes["pitch"], strict=True)
    ]
    again = read_midi(write_midi(Score(notes=notes), by_part=True)).notes
    assert rows(again) == rows(notes)
    assert again["part"][again["pitch"] == 60] == again["part"][again["pitch"] == 62]
    assert len(set(again["part"])) == 3
    assert len(set(read_midi(write_midi(Score(notes=notes))).notes["part"])) == 2


def test_another_program_reads_the_same_music() -> None:
    """pretty_midi, which shares no code with our reader, agrees on seconds, programs, drums and meters."""
    score = Score(
        notes=make_notes([(0, 24, 40, 60, 90), (24, 48, 40, 64, 80), (0, 6, DRUMS, 36, 100), (48, 96, 33, 31, 70)]),
        tempos=(Tempo(tick=0, bpm=100.0), Tempo(tick=48, bpm=50.0)),
        meters=(Meter(tick=0, numerator=3, denominator=4), Meter(tick=72, numerator=6, denominator=8)),
    )
    theirs = pretty_midi.PrettyMIDI(io.BytesIO(write_midi(score)))
    found = sorted(
        (round(n.start, 6), round(n.end, 6), DRUMS if i.is_drum else i.program, n.pitch, n.velocity)
        for i in theirs.instruments
        for n in i.notes
    )
    assert found == [(0, 0.15, DRUMS, 36, 100), (0, 0.6, 40, 60, 90), (0.6, 2.4, 40, 64, 80), (1.2, 6.0, 33, 31, 70)]
    assert [(m.numerator, m.denominator, round(m.time, 6)) for m in theirs.time_signature_changes] == [
        (3, 4, 0.0),
        (6, 8, 2.4),
    ]
    assert {i.name for i in theirs.instruments} == {"Violin", "Fingered bass", "Drums"}


def test_drums_play_on_channel_10_alone_even_among_twenty_programs() -> None:
    table = [(i, 1, i, 60, 64) for i in range(20)] + [(0, 1, DRUMS, 38, 64)]
    data = write_midi(Score(notes=make_notes(table)))
    channels = {
        pitch: {data[i] & 15 for i in range(len(data) - 1) if data[i : i + 2] in _ons(pitch)} for pitch in (38, 60)
    }
    assert channels[38] == {9}
    assert channels[60] == set(range(16)) - {9}
    assert rows(read_midi(data).notes) == rows(make_notes(table))


def _ons(pitch: int) -> set[bytes]:
    return {bytes([0x90 | channel, pitch]) for channel in range(16)}


def test_every_track_ends_on_the_last_barline() -> None:
    score = Score(notes=make_notes([(0, 10, 0, 60, 64)]), meters=(Meter(tick=0, numerator=3, denominator=4),))
    assert pretty_midi.PrettyMIDI(io.BytesIO(write_midi(score))).get_end_time() == pytest.approx(10 / 48)
    assert write_midi(score).count(number(72 * 20) + b"\xff\x2f\0") == 1  # the conductor's; the notes' follows its end
    assert write_midi(score).count(number(62 * 20) + b"\xff\x2f\0") == 1


@pytest.mark.parametrize(
    ("corpus", "num_files", "num_notes"), [("freedoom", 112, 440_867), ("nottingham", 104, 34_790)]
)
def test_real_files_are_read_whole_and_survive_a_round_trip(
    corpus: str, num_files: int, num_notes: int, assert_lawful: Callable[[Score], None]
) -> None:
    """All of freedoom and every tenth tune of nottingham; some hold notes twice, here they count once."""
    folder = CORPORA / corpus
    if not folder.exists():
        pytest.skip(f"needs {folder}")
    files = sorted(folder.glob("*.mid"))[:: 1 if corpus == "freedoom" else 10]
    read = [read_midi(file.read_bytes()) for file in files]
    assert len(files) == num_files
    assert sum(len(score.notes) for score in read) == num_notes
    for score in read:
        assert_lawful(score)
    for score in read[::8]:
        again = read_midi(write_midi(score))
        assert rows(again.notes) == rows(score.notes)
        assert again.meters == score.meters
        np.testing.assert_allclose([t.bpm for t in again.tempos], [t.bpm for t in score.tempos], rtol=1e-6)


def test_another_program_finds_the_same_notes_in_real_files() -> None:
    folder = CORPORA / "nottingham"
    if not folder.exists():
        pytest.skip(f"needs {folder}")
    for file in sorted(folder.glob("*.mid"))[::150]:
        score = read_midi(file.read_bytes())
        theirs = pretty_midi.PrettyMIDI(str(file))
        found = {
            (int(theirs.time_to_tick(n.start) * 24 / theirs.resolution + 0.5), i.program, n.pitch)
            for i in theirs.instruments
            for n in i.notes
        }
        assert {(row[0], row[2], row[3]) for row in rows(score.notes)} == found


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.97])
def test_a_file_that_is_cut_off_is_refused_every_time(share: float) -> None:
    """It was read past its end, and was a piece or none depending on what stood there in memory."""
    notes = make_notes([(12 * i, 12, 0, 40 + i % 50, 80) for i in range(400)])
    data = write_midi(Score(notes=notes))
    assert len(read_midi(data).notes) == 400
    for _ in range(20):
        with pytest.raises(ScoreError, match="cut off, the track at byte"):
            read_midi(data[: int(len(data) * share)])


def test_a_wrong_length_of_a_whole_track_is_overlooked() -> None:
    data = bytearray(write_midi(Score(notes=make_notes([(0, 24, 0, 60, 80), (24, 24, 0, 62, 80)]))))
    at = data.rfind(b"MTrk") + 4
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + 9).to_bytes(4, "big")
    assert len(read_midi(bytes(data)).notes) == 2
