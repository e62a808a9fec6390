"""The columns of a piece, in parts and in feature blocks."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

SPLITS = ("train", "valid")
_METERS = pa.list_(pa.struct([("tick", pa.int32()), ("numerator", pa.int16()), ("denominator", pa.int16())]))
_TEMPOS = pa.list_(pa.struct([("tick", pa.int32()), ("bpm", pa.float32())]))
PIECE_FIELDS = (
    pa.field("piece_id", pa.string()),  # hash of uri and index_in_file, 32 hexadecimal digits
    pa.field("uri", pa.string()),  # path of the file inside the corpus
    pa.field("index_in_file", pa.int32()),
    pa.field("title", pa.string()),
    pa.field("style", pa.string()),
    pa.field("licence", pa.string()),
    pa.field("content_hash", pa.string()),  # of the notes and meters alone
    pa.field("meters", _METERS),
    pa.field("tempos", _TEMPOS),
    pa.field("key_tonic", pa.int8()),  # 0..11 from C up; null when there are no pitches
    pa.field("key_mode", pa.string()),  # major or minor
    pa.field("key_clarity", pa.float32()),
    pa.field("tempo_bpm", pa.float32()),
    pa.field("meter", pa.string()),  # the one that holds longest
    pa.field("num_bars", pa.int32()),
    pa.field("duration_s", pa.float64()),
    pa.field("num_notes", pa.int32()),
    pa.field("density", pa.float32()),  # notes per quarter
    pa.field("polyphony_mean", pa.float32()),
    pa.field("polyphony_max", pa.int16()),
    pa.field("pitch_min", pa.int16()),
    pa.field("pitch_max", pa.int16()),
    pa.field("families", pa.int32()),  # bit mask over notes.FAMILIES
    pa.field("bar_key", pa.list_(pa.int8())),  # of each bar: tonic 0..11, plus 12 in minor; -1 without pitches
    pa.field("bar_density", pa.list_(pa.float32())),  # onsets per quarter
    pa.field("bar_polyphony", pa.list_(pa.float32())),
    pa.field("bar_pitch_min", pa.list_(pa.int16())),  # -1 without pitches
    pa.field("bar_pitch_max", pa.list_(pa.int16())),
    pa.field("bar_families", pa.list_(pa.int32())),
    pa.field("tags", pa.string()),  # JSON object of the source's own tags
    pa.field("source", pa.string()),  # score or recording; the fields below are null of scores
    pa.field("codec", pa.string()),
    pa.field("sample_rate", pa.int32()),  # Hz
    pa.field("num_channels", pa.int16()),
    pa.field("loudness_lufs", pa.float32()),  # integrated
    pa.field("brightness_hz", pa.float32()),  # spectral centroid
    pa.field("confidence", pa.float32()),  # of the transcription, 0 to 1
    pa.field("has_beat", pa.bool_()),  # False: notes are on a plain grid at 120 bpm
)
MEASURES = (  # of a recording, null of a score
    "codec",
    "sample_rate",
    "num_channels",
    "loudness_lufs",
    "brightness_hz",
    "confidence",
    "has_beat",
)


def events_field(representations: Iterable[str]) -> pa.Field:
    """The events of a piece in each of some representations, row by row in the dtype of each: null where it cannot
    spell the piece.
    """
    return pa.field("events", pa.struct([(name, pa.binary()) for name in representations]))
