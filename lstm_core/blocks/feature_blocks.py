"""Feature blocks: Arrow files of pieces as events, a sidecar beside each, and the index that is written last.

BLOCKS/index.json              the blocks that count, their sha256, styles, licences, fingerprint
BLOCKS/blocks/NAME.arrow       rows of BLOCK_SCHEMA in ascending piece_id, uncompressed: read by memory mapping
BLOCKS/blocks/NAME.json        the sidecar: size, sha256, counts; a block without one does not exist
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lstm_core import storage
from lstm_core.blocks.piece_fields import PIECE_FIELDS
from lstm_core.foundation.errors import BlockError
from lstm_core.foundation.json_text import json_bytes
from lstm_core.notes.score import Meter, Tempo
from lstm_core.representations.note_events import REPRESENTATION, STREAMS, EventArray

FORMAT = "tonemill-blocks-3"  # a change of the schema, the sidecar or the index is a new format
INDEX_NAME = "index.json"
SPLITS = ("train", "valid")
COUNTED = ("codec", "sample_rate", "num_channels", "has_beat", "confidence")  # the last in tenths, rounded down
_ADVICE = "Run tonemill prepare again to make it anew."

BLOCK_SCHEMA = pa.schema(
    [
        *PIECE_FIELDS,
        pa.field("events", pa.binary()),  # uint8 [T, K], row by row
        pa.field("split", pa.string()),  # one of SPLITS
        pa.field("group", pa.string()),  # near-duplicates share one, and its split
    ]
)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One piece of a block set, as the trainer wants it."""

    piece_id: str
    title: str
    style: str
    events: EventArray  # uint8 [T, K], a read-only view of the mapped file
    meters: tuple[Meter, ...]
    tempos: tuple[Tempo, ...]
    key_tonic: int | None  # 0..11 from C up
    key_mode: str | None  # major or minor
    tempo_bpm: float
    density: float  # notes a quarter
    families: int  # bit mask over notes.FAMILIES
    num_bars: int


@dataclass(frozen=True, kw_only=True)
class BlockEntry:
    """What the sidecar of a block says."""

    name: str
    size_bytes: int
    sha256: str
    num_pieces: dict[str, int]  # by split
    num_events: dict[str, int]  # by split
    duration_s: float
    styles: dict[str, int]  # pieces by style
    licences: dict[str, int]  # pieces by licence
    recorded_s: float  # of the pieces that come from recordings
    recordings: dict[str, dict[str, int]]  # these by each of COUNTED, empty without any


@dataclass(frozen=True, kw_only=True)
class BlockIndex:
    """What a block set says of itself; the checkpoint carries it on."""

    representation: str
    streams: tuple[tuple[str, int], ...]  # (name, number of values) of each of the K streams
    styles: tuple[str, ...]  # sorted
    licences: dict[str, int]  # pieces by licence note
    notices: dict[str, str]  # full text of a licence note, where the corpus holds one
    num_pieces: dict[str, int]  # by split
    num_events: dict[str, int]  # by split
    duration_s: float
    recorded_s: float  # of the pieces that come from recordings
    recordings: dict[str, dict[str, int]]  # these by each of COUNTED, empty without any
    fingerprint: str  # hash of the representation and of the sha256 of all blocks
    blocks: tuple[BlockEntry, ...] = field(repr=False)


def block_uri(folder_uri: str | Path, name: str, suffix: str = ".arrow") -> str:
    """Where a block is, or with suffix .json its sidecar."""
    return storage.join(folder_uri, "blocks", name + suffix)


def write_block(folder_uri: str | Path, name: str, table: pa.Table) -> BlockEntry:
    """Writes one block atomically, then its sidecar, and gives back what that says. Equal tables give equal bytes."""
    table = table.select(BLOCK_SCHEMA.names).cast(BLOCK_SCHEMA).replace_schema_metadata({"format": FORMAT})
    data = arrow_bytes(table)
    storage.write_bytes(block_uri(folder_uri, name), data)
    splits, num_events = table["split"].to_pylist(), table["num_events"].to_pylist()
    entry = BlockEntry(
        name=name,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        num_pieces={split: splits.count(split) for split in SPLITS},
        num_events={s: sum(n for n, own in zip(num_events, splits, strict=True) if own == s) for s in SPLITS},
        duration_s=round(sum(table["duration_s"].to_pylist()), 3),
        styles=_counts(table["style"].to_pylist()),
        licences=_counts(table["licence"].to_pylist()),
        **_recording_counts(table),
    )
    storage.write_bytes(block_uri(folder_uri, name, ".json"), json_bytes(asdict(entry)))
    return entry


def read_entry(folder_uri: str | Path, name: str) -> BlockEntry:
    """What the sidecar of a block says; MissingError when the block was never finished."""
    uri = block_uri(folder_uri, name, ".json")
    try:
        return BlockEntry(**json.loads(storage.read_bytes(uri)))
    except (ValueError, TypeError) as error:
        raise BlockError(f"{uri} is damaged ({error}). Run tonemill prepare again.") from error


def is_finished(folder_uri: str | Path, name: str) -> bool:
    """Whether a block and its sidecar are there and agree: in size, and where files are local in every byte."""
    try:
        entry = read_entry(folder_uri, name)
        _check_size(folder_uri, entry)
        if storage.local_path(folder_uri) is not None:
            _open_block(folder_uri, entry, True)
    except (BlockError, storage.MissingError):
        return False
    return True


def write_index(folder_uri: str | Path, names: Iterable[str], *, notices: dict[str, str] | None = None) -> BlockIndex:
    """Writes the index over the named blocks, from their sidecars, and gives it back."""
    entries = sorted((read_entry(folder_uri, name) for name in names), key=lambda entry: entry.name)
    content = json_bytes([REPRESENTATION, sorted(entry.sha256 for entry in entries)])
    licences = _total(entry.licences for entry in entries)
    index = BlockIndex(
        representation=REPRESENTATION,
        streams=tuple((stream.name, stream.size) for stream in STREAMS),
        styles=tuple(sorted(_total(entry.styles for entry in entries))),
        licences=licences,
        notices={name: text for name, text in sorted((notices or {}).items()) if name in licences},
        num_pieces=_total(entry.num_pieces for entry in entries),
        num_events=_total(entry.num_events for entry in entries),
        duration_s=round(sum(entry.duration_s for entry in entries), 3),
        recorded_s=round(sum(entry.recorded_s for entry in entries), 3),
        recordings={
            name: _total(entry.recordings[name] for entry in entries if name in entry.recordings)
            for name in COUNTED
            if any(name in entry.recordings for entry in entries)
        },
        fingerprint=hashlib.sha256(content).hexdigest()[:32],
        blocks=tuple(entries),
    )
    storage.write_bytes(storage.join(folder_uri, INDEX_NAME), json_bytes({"format": FORMAT, **asdict(index)}))
    return index


def read_index(folder_uri: str | Path) -> BlockIndex:
    """The index of a block set. BlockError when there is none, or it is of another format."""
    uri = storage.join(folder_uri, INDEX_NAME)
    try:
        raw: dict[str, Any] = json.loads(storage.read_bytes(uri))
    except storage.MissingError as error:
        raise BlockError(
            f"{folder_uri} holds no {INDEX_NAME}, so it is no finished set of feature blocks. "
            "Make one with: tonemill prepare CORPUS BLOCKS"
        ) from error
    except ValueError as error:
        raise BlockError(f"{uri} is damaged ({error}). Run tonemill prepare again.") from error
    if raw.pop("format", None) != FORMAT:
        raise BlockError(f"{uri} is not of format {FORMAT}. Run tonemill prepare again with this version.")
    try:
        blocks = tuple(BlockEntry(**entry) for entry in raw.pop("blocks"))
        streams = tuple((str(name), int(size)) for name, size in raw.pop("streams"))
        return BlockIndex(**{**raw, "styles": tuple(raw["styles"])}, streams=streams, blocks=blocks)
    except (KeyError, TypeError, ValueError) as error:
        raise BlockError(f"{uri} is damaged ({error!r}). Run tonemill prepare again.") from error


def open_blocks(uri: str | Path, *, verify: bool = False) -> BlockSet:
    """A block set, its files memory-mapped (those of a remote store are first copied to a local cache).

    BlockError names a block that is missing or of the wrong size, and with `verify` also one whose bytes changed.
    """
    index = read_index(uri)
    return BlockSet(index, [_open_block(uri, entry, verify) for entry in index.blocks])


class BlockSet:
    """The pieces of a set of blocks, by split and number; their order is that of piece_id."""

    def __init__(self, index: BlockIndex, tables: Sequence[pa.Table]) -> None:
        self.index = index
        self.tables = tuple(tables)  # memory-mapped, rows of BLOCK_SCHEMA
        self._places = {split: self._order(split) for split in SPLITS}

    def num_pieces(self, split: str) -> int:
        """Number of pieces of a split."""
        return len(self._places[split])

    def piece(self, split: str, number: int) -> Piece:
        """Piece `number` of a split, 0 to num_pieces(split) - 1."""
        block, row = self._places[split][number]
        table = self.tables[block]
        values = {
            name: table.column(name)[int(row)].as_py()
            for name in Piece.__dataclass_fields__
            if name not in ("events", "meters", "tempos")
        }
        return Piece(
            events=_events(table, int(row), len(self.index.streams)),
            meters=tuple(Meter(**meter) for meter in table.column("meters")[int(row)].as_py()),
            tempos=tuple(Tempo(**tempo) for tempo in table.column("tempos")[int(row)].as_py()),
            **values,
        )

    def events_of_row(self, row: int) -> EventArray:
        """Events of a row of all tables one after another: uint8 [T, K]."""
        for table in self.tables:
            if row < table.num_rows:
                return _events(table, row, len(self.index.streams))
            row -= table.num_rows
        raise IndexError(f"there are fewer rows than {row}")

    def _order(self, split: str) -> npt.NDArray[np.int64]:
        """Block and row of each piece of a split in ascending piece_id: int64 [pieces, 2]."""
        places, keys = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0, dtype="S1")]
        for number, table in enumerate(self.tables):
            rows = np.flatnonzero(np.array(table.column("split").to_pylist(), dtype=object) == split)
            places.append(np.stack([np.full(len(rows), number), rows], axis=1).astype(np.int64))
            keys.append(np.array(table.column("piece_id").take(rows).to_pylist(), dtype="S"))
        order = np.argsort(np.concatenate([key.astype("S64") for key in keys]), kind="stable")
        return np.concatenate(places)[order]


def arrow_bytes(table: pa.Table) -> bytes:
    """A table as an Arrow IPC file of one uncompressed record batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=None)) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def _check_size(folder_uri: str | Path, entry: BlockEntry) -> None:
    uri = block_uri(folder_uri, entry.name)
    try:
        size_bytes = storage.file_size(uri)
    except storage.MissingError as error:
        raise BlockError(f"Block {uri} is missing. {_ADVICE}") from error
    if size_bytes != entry.size_bytes:
        kind = "truncated" if size_bytes < entry.size_bytes else "altered"
        raise BlockError(f"Block {uri} is {kind}: {size_bytes} bytes, the index says {entry.size_bytes}. {_ADVICE}")


def _open_block(folder_uri: str | Path, entry: BlockEntry, verify: bool) -> pa.Table:
    _check_size(folder_uri, entry)
    uri = block_uri(folder_uri, entry.name)
    try:
        path = storage.local_copy(uri, entry.sha256, size_bytes=entry.size_bytes)
    except storage.ChangedError as error:
        raise BlockError(f"Block {uri} is altered: its sha256 is not the one in the index. {_ADVICE}") from error
    if verify and storage.sha256_of(path) != entry.sha256:
        raise BlockError(f"Block {uri} is altered: its sha256 is not the one in the index. {_ADVICE}")
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise BlockError(f"Block {uri} is altered: it is no Arrow file any more ({error}). {_ADVICE}") from error
    if not table.schema.equals(BLOCK_SCHEMA):
        raise BlockError(f"Block {uri} has the columns of another version. {_ADVICE}")
    return table


def _events(table: pa.Table, row: int, num_streams: int) -> EventArray:
    buffer = table.column("events")[row].as_buffer()
    events = np.frombuffer(buffer, dtype=np.uint8).reshape(-1, num_streams)
    events.flags.writeable = False  # Arrow calls its buffer writable; a write would end the process
    return events


def _recording_counts(table: pa.Table) -> dict[str, Any]:
    """What the sidecar of a block says of the pieces that come from recordings."""
    rows = [row for row in table.select([*COUNTED, "duration_s"]).to_pylist() if row["codec"] is not None]
    for row in rows:
        row["confidence"] = f"{int(row['confidence'] * 10) / 10:.1f}"
    counts = {name: _counts(str(row[name]).lower() for row in rows) for name in COUNTED}
    return {"recorded_s": round(sum(row["duration_s"] for row in rows), 3), "recordings": counts if rows else {}}


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))
