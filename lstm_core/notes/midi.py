"""Standard MIDI files in and out: every track, program, velocity, tempo and meter, on the grid of notes.py."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.instruments import instrument_name
from lstm_core.notes.keys import num_sharps
from lstm_core.notes.limits import (
    MAX_BPM,
    MAX_DURATION_S,
    MAX_NOTE_TICKS,
    MAX_TEXT,
    MIN_BPM,
    check_duration,
    check_num_notes,
    cleaned_text,
    meter_map,
    tempo_map,
)
from lstm_core.notes.score import DRUMS, NOTE_DTYPE, TICKS_PER_QUARTER, NoteArray, Score, bar_starts, tidy

FILE_TICKS = 480  # ticks per quarter in the files we write: what sequencers expect; 20 of theirs are one of ours
DRUM_CHANNEL = 9
END_OF_TRACK = b"\xff\x2f\x00"
LONGEST_TRAILER = 64  # bytes that may follow the last event of a file
MAX_MISSING_BYTES = 2**20
MICROSECONDS = 60e6  # per minute
_NO_TITLE = re.compile(r"untitled|(midi |audio |conductor |tempo |master )?(track|seq(uence)?)?[-_ #.]*\d*", re.I)


def read_midi(data: bytes) -> Score:
    """The score of a standard MIDI file (formats 0, 1 and 2, also inside RIFF). `part` is the track it came from.

    Onsets and ends of notes go to the nearest tick; no note is shorter than 1 tick or longer than MAX_NOTE_TICKS (the
    tag `notes_cut` counts those that were). Pedals, bends and other controllers are left out.

    Raises:
        ScoreError: it is not MIDI, is broken, holds no notes, or exceeds MAX_NOTES or MAX_DURATION_S.
    """
    data = _unwrapped(data)
    parsed = _parsed(data)
    table, ticks_per_quarter = _note_table(parsed), parsed.ticks_per_quarter
    onset = _quantised(table["time"], ticks_per_quarter)
    duration = np.maximum(_quantised(table["time"] + table["duration"], ticks_per_quarter) - onset, 1)
    num_cut = int((duration > MAX_NOTE_TICKS).sum())
    notes = np.zeros(len(onset), dtype=NOTE_DTYPE)
    notes["onset"] = onset
    notes["duration"] = np.minimum(duration, MAX_NOTE_TICKS)
    for name in ("program", "part"):
        notes[name] = table[name]
    notes["pitch"] = table["pitch"]
    notes["velocity"] = np.clip(table["velocity"], 1, 127)
    title, tags = _texts(data)
    if num_cut:
        tags["notes_cut"] = str(num_cut)
    tempo_rows = parsed.tempos.numpy()
    meter_rows = parsed.time_signatures.numpy()
    end_tick = int((notes["onset"] + notes["duration"]).max())
    score = Score(
        notes=tidy(notes),
        tempos=tempo_map(
            zip(
                _quantised(tempo_rows["time"], ticks_per_quarter).tolist(),
                map(_bpm, tempo_rows["mspq"].tolist()),
                strict=True,
            ),
            end_tick,
        ),
        meters=meter_map(
            zip(
                _quantised(meter_rows["time"], ticks_per_quarter).tolist(),
                meter_rows["numerator"].tolist(),
                meter_rows["denominator"].tolist(),
                strict=True,
            ),
            end_tick,
        ),
        title=title,
        tags=tags,
    )
    check_duration(score)
    return score


def write_midi(score: Score, *, by_part: bool = False) -> bytes:
    """A standard MIDI file of the score: a track of tempos, meters and keys, then one per program, drums on channel 10.

    With `by_part` each part of a program has its own track, so that `read_midi` tells the parts apart.

    Every track ends on the barline that closes the piece, so that a sequencer loops it correctly. The same score gives
    the same bytes. The tags `copyright` and `text` are kept.
    """
    barlines = bar_starts(score.meters, score.end_tick)
    end = int(barlines[-1])
    tracks = [_track(_conductor_events(score), end)]
    melodic_channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    parts = score.notes["part"].astype(np.int64) if by_part else 0
    groups = score.notes["program"].astype(np.int64) * 2**16 + parts
    for i, group in enumerate(np.unique(groups).tolist()):
        program = group >> 16
        port, slot = divmod(i, len(melodic_channels))
        channel = DRUM_CHANNEL if program == DRUMS else melodic_channels[slot]
        notes = score.notes[groups == group]
        tracks.append(_track(_program_events(notes, program, channel, port), end))
    header = b"MThd" + (6).to_bytes(4, "big")
    header += b"".join(number.to_bytes(2, "big") for number in (1, len(tracks), FILE_TICKS))
    return header + b"".join(tracks)


def _unwrapped(data: bytes) -> bytes:
    """The file itself where it comes inside RIFF; raises ScoreError for what cannot be MIDI."""
    if not data:
        raise ScoreError("the file is empty (0 bytes)")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[20:]
    if data[:4] != b"MThd":
        raise ScoreError(f"not MIDI: it starts with {data[:4]!r} instead of b'MThd'")
    _check_tracks(data)
    return data


def _check_tracks(data: bytes) -> None:
    """Raises ScoreError when a track claims to be far longer than the file, or ends without its last event.

    For the first symusic would ask for memory to hold it; in the second it reads on past the end of the data, and what
    it finds there differs from one time to the next. Any other wrong length is left to it: it follows the events.
    """
    at = data.find(b"MTrk")
    while at >= 0:
        size, left = int.from_bytes(data[at + 4 : at + 8], "big"), max(len(data) - at - 8, 0)
        is_cut = size > left and END_OF_TRACK not in data[-LONGEST_TRAILER:]
        if size > left + MAX_MISSING_BYTES or is_cut:
            raise ScoreError(f"broken MIDI: cut off, the track at byte {at:,} has {left:,} of its {size:,} bytes")
        at = data.find(b"MTrk", at + 8)


def _parsed(data: bytes) -> Any:
    """symusic's score in ticks of the file."""
    import symusic  # here, so that to import this module stays cheap

    try:
        # Without sanitize_data some altered files end the process (symusic 0.5.9: 2 of 1,500 mutated ones, against 0).
        parsed = symusic.Score.from_midi(data, sanitize_data=True)
    except (RuntimeError, ValueError, IndexError, OverflowError) as error:
        reason = re.sub(r"^MiniMidi: |: iostream error$|! Cursor .*", "", str(error))
        raise ScoreError(f"broken MIDI: {reason}") from error
    if parsed.ticks_per_quarter <= 0:
        raise ScoreError(f"broken MIDI: its header says {parsed.ticks_per_quarter} ticks per quarter")
    num_notes = parsed.note_num()
    check_num_notes(num_notes)
    return parsed


def _note_table(parsed: Any) -> dict[str, npt.NDArray[np.int64]]:
    """Columns time, duration, pitch, velocity, program and part of all valid notes: int64 [N] each."""
    tracks = [track for track in parsed.tracks if len(track.notes)]
    columns = [track.notes.numpy() for track in tracks]
    sizes = [len(column["time"]) for column in columns]
    programs = [DRUMS if track.is_drum else int(track.program) & 127 for track in tracks]
    table = {
        name: np.concatenate([column[name] for column in columns]).astype(np.int64)
        for name in ("time", "duration", "pitch", "velocity")
    }
    table["program"] = np.repeat(programs, sizes)
    table["part"] = np.repeat(np.minimum(np.arange(len(tracks)), 255), sizes)
    sound = (
        (table["time"] >= 0) & (table["duration"] >= 0) & (table["pitch"] >= 0)
    )  # times past 2^31 come back negative
    if not sound.all():
        table = {name: column[sound] for name, column in table.items()}
    if len(table["time"]) == 0:
        raise ScoreError("holds no notes whose times make sense")
    # The latest onset that MAX_DURATION_S lets through at MAX_BPM; what lies beyond would not fit a 32-bit tick.
    latest = MAX_DURATION_S / 60 * MAX_BPM * parsed.ticks_per_quarter
    if table["time"].max() > latest:
        raise ScoreError(
            f"lasts more than {MAX_DURATION_S / 3600:.0f} hours, even at {MAX_BPM:.0f} quarters per minute"
        )
    return table


def _quantised(ticks: npt.NDArray[Any], ticks_per_quarter: int) -> npt.NDArray[np.int64]:
    """Times of the file on our grid, halves upward."""
    return (ticks.astype(np.int64) * (2 * TICKS_PER_QUARTER) + ticks_per_quarter) // (2 * ticks_per_quarter)


def _bpm(mspq: int) -> float:
    """Tempo of so many microseconds per quarter: of all that are written so, one of two decimals if there is one."""
    if mspq <= 0:
        return 0.0
    bpm = MICROSECONDS / mspq
    return round(bpm, 2) if bpm >= MIN_BPM and round(MICROSECONDS / round(bpm, 2)) == mspq else bpm


def _texts(data: bytes) -> tuple[str, dict[str, str]]:
    """Title and tags from what stands at time 0 of the first track (symusic drops texts and copyright notices)."""
    found: dict[int, list[str]] = {1: [], 2: [], 3: []}
    at = data.find(b"MTrk") + 8
    for _ in range(256):
        if at < 8 or at + 4 > len(data) or data[at] != 0:
            break
        status = data[at + 1]
        if status == 0xFF:
            kind, size, at = data[at + 2], data[at + 3] & 127, at + 4
            while data[at - 1] & 128 and at < len(data):
                size, at = size << 7 | data[at] & 127, at + 1
            if kind in found:
                found[kind].append(_text(data[at : at + min(size, MAX_TEXT)]))
            at += size
        elif 0x80 <= status < 0xF0:
            at += 3 if 0xC0 <= status < 0xE0 else 4
        else:
            break
    title = next((text for text in found[3] if text and not _NO_TITLE.fullmatch(text)), "")
    tags = {name: "; ".join(filter(None, found[kind]))[:MAX_TEXT] for name, kind in (("copyright", 2), ("text", 1))}
    return title, {name: text for name, text in tags.items() if text}


def _text(raw: bytes) -> str:
    """Text of a meta event on one line: UTF-8 where it is, else Latin-1, as old files are."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return cleaned_text(text)


def _conductor_events(score: Score) -> list[tuple[int, bytes]]:
    """Rows of (tick, message): title, tags, meters, keys, tempos."""
    rows = [(0, _meta(3, score.title.encode()[:120]))]
    rows += [
        (0, _meta(kind, score.tags.get(name, "").encode()[:120])) for kind, name in ((2, "copyright"), (1, "text"))
    ]
    rows = [row for row in rows if len(row[1]) > 3]
    for meter in score.meters:
        click = max(1, 96 // meter.denominator)  # MIDI clocks per metronome click
        rows.append((meter.tick, _meta(0x58, bytes([meter.numerator, meter.denominator.bit_length() - 1, click, 8]))))
    for change in score.keys:
        signature = bytes([num_sharps(change.key) & 0xFF, int(change.key >= 12)])
        rows.append((change.tick, _meta(0x59, signature)))
    for tempo in score.tempos:
        mspq = min(max(round(MICROSECONDS / tempo.bpm), 1), 0xFFFFFF)
        rows.append((tempo.tick, _meta(0x51, mspq.to_bytes(3, "big"))))
    return sorted(rows, key=lambda row: row[0])


def _program_events(notes: NoteArray, program: int, channel: int, port: int) -> list[tuple[int, bytes]]:
    """Rows of (tick, message): name, program, then notes; at one tick ends come before beginnings."""
    rows = [(0, _meta(3, instrument_name(program).capitalize().encode()))]
    if port:  # more than fifteen programs: the same channel again, on another port
        rows.append((0, _meta(0x21, bytes([port]))))
    rows.append((0, bytes([0xC0 | channel, 0 if program == DRUMS else program])))
    begins, ends = notes["onset"].tolist(), (notes["onset"] + notes["duration"]).tolist()
    pitches, velocities = notes["pitch"].tolist(), notes["velocity"].tolist()
    sounds = [(tick, 1, pitch, velocity) for tick, pitch, velocity in zip(begins, pitches, velocities, strict=True)]
    sounds += [(tick, 0, pitch, 64) for tick, pitch in zip(ends, pitches, strict=True)]
    for tick, is_on, pitch, velocity in sorted(sounds):
        rows.append((tick, bytes([(0x90 if is_on else 0x80) | channel, pitch, velocity])))
    return rows


def _track(rows: list[tuple[int, bytes]], end_tick: int) -> bytes:
    """A track chunk of rows of (tick, message) in order of time, closed at `end_tick`."""
    scale = FILE_TICKS // TICKS_PER_QUARTER
    body, now = bytearray(), 0
    for tick, message in [*rows, (max(end_tick, rows[-1][0] if rows else 0), _meta(0x2F, b""))]:
        body += _variable_length((tick - now) * scale) + message
        now = tick
    return b"MTrk" + len(body).to_bytes(4, "big") + bytes(body)


def _meta(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + _variable_length(len(content)) + content


def _variable_length(number: int) -> bytes:
    """Seven bits per byte, the most significant first, all but the last with bit 7 set (Standard MIDI Files 1.0)."""
    septets = [number & 127]
    while number := number >> 7:
        septets.append(number & 127 | 128)
    return bytes(reversed(septets))
