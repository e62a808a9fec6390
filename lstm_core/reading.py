"""Files in: bytes of any format we know become scores."""

from __future__ import annotations

from lstm_core.errors import ScoreError
from lstm_core.midi import read_midi
from lstm_core.notation import read_notation
from lstm_core.notes import Score

MIDI_SUFFIXES = (".mid", ".midi", ".kar")
NOTATION_SUFFIXES = (".musicxml", ".xml", ".mxl", ".abc", ".krn")
SUFFIXES = MIDI_SUFFIXES + NOTATION_SUFFIXES


def read_score(data: bytes, suffix: str) -> list[Score]:
    """The scores of one file; a suffix that lies is not believed.

    Raises:
        ScoreError: the file cannot be read, and why.
    """
    if data[:4] == b"MThd" or suffix.lower() in MIDI_SUFFIXES:
        return [read_midi(data)]
    if suffix.lower() in NOTATION_SUFFIXES:
        return read_notation(data, suffix)
    raise ScoreError(f"{suffix!r} is no kind of score that we read; known are {', '.join(SUFFIXES)}")
