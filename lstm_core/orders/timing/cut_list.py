"""Cut lists: the seconds at which something happens in a picture, from an EDL (CMX3600) or a CSV of markers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from lstm_core.orders.timing.timecode import DROP_RATE, TIMECODE, FrameRate, frame_of, parse_fps

SUFFIXES = (".edl", ".csv")
_FCM = re.compile(r"FCM:\s*(NON[- ]?)?DROP[- ]?FRAME", re.IGNORECASE)
_EVENT = re.compile(
    rf"\d+\s+\S+\s+\S+\s+\S+(?:\s+\d+)?\s+{TIMECODE.pattern}\s+{TIMECODE.pattern}\s+({TIMECODE.pattern})\s+{TIMECODE.pattern}\s*"
)
_TIME_COLUMNS = ("seconds", "timecode", "time")
_DECIMALS = 6  # of seconds: a microsecond, so that rows of orders stay readable
_WRITE_FPS = "does not say its frame rate: write hits_fps, such as 25 or 29.97"

Rows = list[tuple[int, str]]  # number of a line and the time that stands in it


def read_cut_list(data: bytes, name: str, fps: str = "") -> tuple[float, ...]:
    """The seconds of a cut list in ascending order, each once.

    Of an EDL they are the record-in times of its events, counted from that of its first event. Of a CSV they are the
    times of its rows as they stand there, seconds or timecodes.

    Args:
        data: Of the file.
        name: Of the file; its end says what it is.
        fps: The frame rate, such as "25" or "29.97df", where the file does not say.

    Raises:
        ValueError: the file is malformed or its frame rate is not known; the message names the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # names of clips in old files
    read = _csv_seconds if name.lower().endswith(".csv") else _edl_seconds
    seconds = read(text, fps)
    return tuple(sorted(set(seconds)))


def _edl_seconds(text: str, fps: str) -> list[float]:
    rows: Rows = []
    is_drop: bool | None = None
    fcm_line = 0
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if said := _FCM.match(line):
            if is_drop is not None and is_drop == bool(said[1]):
                raise ValueError(f"line {number}: FCM changes within the list, from line {fcm_line}. Split it there.")
            is_drop, fcm_line = not said[1], number
        elif event := _EVENT.fullmatch(line):
            rows.append((number, event[1]))
        elif line[:1].isdigit():
            raise ValueError(f'line {number}: "{line[:60]}" begins like an event and does not hold four timecodes.')
    if not rows:
        raise ValueError("holds no events. An EDL (CMX3600) has lines such as 001 AX V C and four timecodes.")
    rate, is_drop = _counting(rows, fps, is_drop, fcm_line)
    frames = [_frame(row, rate, is_drop) for row in rows]
    for (number, timecode), frame in zip(rows, frames, strict=True):
        if frame < frames[0]:
            raise ValueError(
                f"line {number}: record-in {timecode} lies before that of the first event, {rows[0][1]}. Sort the list."
            )
    return [_seconds(frame - frames[0], rate) for frame in frames]


def _csv_seconds(text: str, fps: str) -> list[float]:
    reader = csv.reader(io.StringIO(text, newline=""))
    cells = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    column = 0
    if cells:
        names = [cell.strip().lower() for cell in cells[0][1]]
        column = next((names.index(name) for name in _TIME_COLUMNS if name in names), 0)
        cells = cells[1:] if names[column] in _TIME_COLUMNS else cells
    if not cells:
        raise ValueError("holds no markers. Write rows of seconds,name.")
    rows = [(number, row[column].strip() if column < len(row) else "") for number, row in cells]
    coded = [row for row in rows if TIMECODE.fullmatch(row[1])]
    if not coded:
        return [_number(row) for row in rows]
    rate, is_drop = _counting(coded, fps, None, 0)
    return [_seconds(_frame(row, rate, is_drop), rate) if row in coded else _number(row) for row in rows]


def _counting(rows: Rows, fps: str, is_drop: bool | None, fcm_line: int) -> tuple[FrameRate, bool]:
    """Frame rate of a list and whether it is drop-frame, by its FCM line, its semicolons and `fps`."""
    rate, asked = parse_fps(fps) if fps else (None, None)
    marked = next((number for number, timecode in rows if ";" in timecode), 0)
    if marked and is_drop is False:
        raise ValueError(f"line {marked}: a semicolon means drop-frame, but line {fcm_line} says non-drop frame.")
    where = f"line {fcm_line or marked or rows[0][0]}"
    said = True if marked else is_drop
    if said is not None and asked not in (None, said):
        raise ValueError(
            f'{where} says {"" if said else "non-"}drop frame, but hits_fps is "{fps}". Correct one of them.'
        )
    said = bool(said if said is not None else asked)
    if said and rate not in (None, DROP_RATE):
        raise ValueError(f'{where} says drop frame, which is counted at {DROP_RATE.name} alone, hits_fps is "{fps}".')
    if rate is None and not said:
        raise ValueError(f"{where} {_WRITE_FPS}.")
    return rate or DROP_RATE, said


def _frame(row: tuple[int, str], rate: FrameRate, is_drop: bool) -> int:
    try:
        return frame_of(row[1], rate, is_drop=is_drop)
    except ValueError as error:
        raise ValueError(f"line {row[0]}: {error}.") from error


def _seconds(frame: int, rate: FrameRate) -> float:
    return round(float(frame / rate.per_second), _DECIMALS)


def _number(row: tuple[int, str]) -> float:
    try:
        value = float(row[1])
    except ValueError:
        value = float("nan")
    if not 0.0 <= value < float("inf"):
        raise ValueError(f'line {row[0]}: "{row[1]}" is no time. Write seconds such as 12.5, or a timecode.')
    return round(value, _DECIMALS)


def is_cut_list(text: str) -> bool:
    """Whether a text is the name of a cut list."""
    return text.strip().lower().endswith(SUFFIXES)


def spelled(seconds: Iterable[float]) -> str:
    """Seconds as an order row holds them: numbers with spaces between."""
    return " ".join(f"{value!r}" for value in seconds)
