"""What is known of a track, or of an order row that became none; as JSON and back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from lstm_core.catalogue.form import TrackForm
from lstm_core.foundation.errors import TonemillError
from lstm_core.foundation.plain import PlainError, PlainReader

RECORD_VERSION = 2  # of the fields of a record; 1 had no field that said so
TRACKS_FOLDER = "tracks"
OPTIONAL = (
    *("form", "longest_shared_run", "nearest_piece", "nearest_similarity", "notes_signature"),
    *("tempos", "keys", "meters"),
    *("loop_start_bar", "loop_start_sample", "loop_end_sample"),
    "layers",
    "recording",
    "versions",
)  # absent when None
LISTS = ("tempos", "keys", "meters", "layers")  # of those, each of several rows
T = TypeVar("T")
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class CatalogueError(TonemillError):
    """A track or a catalogue is incomplete, altered, or was given impossible values."""


@dataclass(frozen=True, kw_only=True)
class GateVerdict:
    name: str
    is_passed: bool
    value: float | None  # what was measured, None when there is no number
    bound: str  # what it had to be, for people


@dataclass(frozen=True, kw_only=True)
class TrackFile:
    name: str  # inside the track's folder, with "/" between names
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class TrackTempo:
    """A tempo of a track, up to the next one."""

    bar: float  # it begins with, or in, the first being 0
    start_s: float
    bpm: float


@dataclass(frozen=True, kw_only=True)
class TrackKey:
    """A key of a track, up to the next one."""

    bar: int  # it begins with, the first being 0
    key: str  # "D minor"


@dataclass(frozen=True, kw_only=True)
class TrackMeter:
    """A meter of a track, up to the next one."""

    bar: int  # it begins with, the first being 0
    start_s: float
    meter: str  # "3/4"


@dataclass(frozen=True, kw_only=True)
class TrackLayer:
    """One of the files of a track that a game fades between."""

    name: str  # of the file, without its suffix
    parts: tuple[str, ...]  # that play, those that this layer adds last: "bass: fingered bass"
    loudness_lufs: float
    true_peak_dbtp: float


@dataclass(frozen=True, kw_only=True)
class MelodyRecording:
    """The recording that a track's melody was found in."""

    file: str  # its name
    num_notes: int  # of the melody, once through
    confidence: float  # of the transcription, 0 to 1


@dataclass(frozen=True, kw_only=True)
class TrackRecord:
    """All that is known of a finished track."""

    track_id: str
    name: str
    style: str
    duration_s: float
    num_samples: int  # per channel
    sample_rate: int
    bit_depth: int  # 16, 24, or 32 for float
    format: str  # a name in OUTPUT_FORMATS
    loudness_lufs: float
    true_peak_dbtp: float
    loop: bool
    bpm: float
    key: str  # "D minor"; empty when the order left it open and none was found
    meter: str  # "4/4"
    num_bars: int
    instruments: tuple[str, ...]
    seed: int
    attempt: int  # 0 for the first take, n for the n-th derived seed
    gates: tuple[GateVerdict, ...]
    order: dict[str, Any]  # the requested row
    checkpoint: dict[str, Any]  # fingerprint, name, corpus_fingerprint, licences
    soundfont: dict[str, Any]  # name, sha256
    arithmetic: str  # bf16 or float32
    score_fingerprint: str
    loop_start_bar: int | None = None  # bars that are played once before the loop; None: all goes round, or nothing
    loop_start_sample: int | None = None  # where the loop begins after them
    loop_end_sample: int | None = None  # where it begins again
    form: TrackForm | None = None  # None for a track that was made without a plan
    longest_shared_run: int | None = None  # notes that stand in a training piece, 0: none; None: pieces are unknown
    nearest_piece: str | None = None  # the training piece that is most like it, "" if none is
    nearest_similarity: float | None = None  # 0 to 1: the share of its short runs that it holds, by rarity
    notes_signature: str | None = None  # for near-duplicates, see originality/signatures.py; None: too few notes
    tempos: tuple[TrackTempo, ...] | None = None  # where there is more than one; bpm is then the main one
    keys: tuple[TrackKey, ...] | None = None  # where there is more than one; key is then the first one
    meters: tuple[TrackMeter, ...] | None = None  # the same of meters
    layers: tuple[TrackLayer, ...] | None = None  # from the softest on, where they were ordered
    recording: MelodyRecording | None = None  # that the melody was found in, where the order named one
    versions: dict[str, str] | None = (
        None  # of the libraries that its bytes depend on; None: made before they were kept
    )
    files: tuple[TrackFile, ...] = ()  # filled when the track is committed, sorted by name
    format_version: int = 1  # of the code between an order and its bytes, tracks.identity.FORMAT_VERSION
    record_version: int = RECORD_VERSION
    extra: dict[str, Any] = field(default_factory=dict)  # what a later version wrote and this one does not know

    def __post_init__(self) -> None:
        if not _SAFE_ID.fullmatch(self.track_id):
            raise CatalogueError(f"track_id {self.track_id!r} must be 1 to 128 letters, digits, '-' or '_'.")
        if not 0 <= self.seed < 2**64:
            raise CatalogueError(f"{self.name}: seed {self.seed} must lie from 0 to 2**64 - 1.")
        if self.sample_rate <= 0 or self.num_samples <= 0:
            raise CatalogueError(f"{self.name}: {self.num_samples} samples at {self.sample_rate} Hz are no track.")
        if abs(self.duration_s * self.sample_rate - self.num_samples) > 1:
            raise CatalogueError(
                f"{self.name}: duration_s {self.duration_s} disagrees with {self.num_samples} samples "
                f"at {self.sample_rate} Hz."
            )

    @property
    def folder(self) -> str:
        """Where the track's files are, relative to the catalogue."""
        return f"{TRACKS_FOLDER}/{self.track_id}"

    def to_json(self) -> bytes:
        """The record as JSON: keys sorted, UTF-8, equal bytes for equal records; a form stands in one line.

        Fields that are OPTIONAL and None are left out.
        """
        content = {key: value for key, value in vars(self).items() if key != "extra"} | self.extra
        content["gates"] = [vars(gate) for gate in self.gates]
        content["files"] = [vars(file) for file in self.files]
        for name in LISTS:
            if content[name] is not None:
                content[name] = [vars(entry) for entry in content[name]]
        content["recording"] = None if self.recording is None else vars(self.recording)
        for name in (name for name in OPTIONAL if content[name] is None):
            del content[name]
        if self.form is None:
            return _json_bytes(content)
        line = json.dumps(self.form.to_plain(), sort_keys=True, separators=(",", ":"))
        return _json_bytes(content | {"form": None}).replace(b'\n "form": null', b'\n "form": ' + line.encode(), 1)

    @staticmethod
    def from_json(data: bytes) -> TrackRecord:
        """The record that JSON holds; fields that this version does not know are kept in `extra`.

        Raises:
            CatalogueError: no JSON object, or a field is missing or impossible.
        """
        try:
            content = json.loads(data)
        except ValueError as error:
            raise CatalogueError(f"not JSON: {error}") from error
        if not isinstance(content, dict):
            raise CatalogueError(f"a JSON object is wanted, not {type(content).__name__}")
        return make_record({"record_version": 1, **content})

    def with_files(self, files: tuple[TrackFile, ...]) -> TrackRecord:
        """The record as it is stored: with its files, and see `make_record`."""
        known = {key: value for key, value in vars(self).items() if key != "extra"}
        return make_record({**known, **self.extra, "files": files})


@dataclass(frozen=True, kw_only=True)
class TrackFailure:
    """An order row that no attempt could turn into a track that passes."""

    track_id: str
    name: str
    style: str
    reason: str
    num_attempts: int
    seed: int
    gates: tuple[GateVerdict, ...] = ()  # of the last attempt
    order: dict[str, Any] = field(default_factory=dict)


_STORED = PlainReader(ignores_unknown=True)


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def make_record(content: Mapping[str, Any]) -> TrackRecord:
    """A track record from plain or numpy values, its gates and files from mappings or dataclasses.

    Floats are rounded to six decimals: the last bits of a measurement differ from one processor to the next.

    Raises:
        CatalogueError: a field is missing or has an impossible value.
    """
    values = {key: _plain(value) for key, value in content.items()}
    known = {item.name for item in fields(TrackRecord)} - {"extra"}
    extra = {key: values.pop(key) for key in sorted(values.keys() - known)}
    return stored_record({**values, "extra": extra})


def stored_record(values: Mapping[str, Any]) -> TrackRecord:
    """A track record from its fields as they were stored: plain and rounded already."""
    return _read(TrackRecord, values, "a track")


def make_failure(content: Mapping[str, Any]) -> TrackFailure:
    """A failure from plain or numpy values; see make_record."""
    return _read(TrackFailure, {key: _plain(value) for key, value in content.items()}, "a failure")


def _read(cls: type[T], values: Mapping[str, Any], what: str) -> T:
    try:
        return _STORED.read(cls, values)
    except PlainError as error:  # one odd value in one record must not break the table of a hundred thousand
        raise CatalogueError(f"the record of {what} is malformed: {error}") from error


def _plain(value: Any) -> Any:
    """A value as JSON has it: numpy unwrapped, floats rounded, what is not finite None, text valid UTF-8."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(float(value), 6) + 0.0 if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return _plain(value.tolist()) if hasattr(value, "tolist") else str(value)
