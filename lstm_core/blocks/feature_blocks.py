"""Feature blocks: Arrow files of pieces as events, a sidecar beside each, and the index that is written last.

A piece is stored in one representation or in several.

BLOCKS/index.json              the blocks that count, their sha256, representations, styles, licences, fingerprint
BLOCKS/blocks/NAME.arrow       rows of `block_schema` in ascending piece_id, uncompressed: read by memory mapping
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
from lstm_core.blocks.piece_fields import PIECE_FIELDS, SPLITS, events_field
from lstm_core.blocks.stored_representations import (
    StoredRepresentation,
    check_holds,
    is_spelt,
    stored_from_json,
    stored_in,
    total_counts,
    total_of_blocks,
)
from lstm_core.foundation.errors import BlockError
from lstm_core.foundation.json_text import json_bytes
from lstm_core.notes.score import Meter, Tempo
from lstm_core.representations.notes import NOTES
from lstm_core.representations.representation import EventArray, Piece, Representation
from lstm_core.representations.table import representation_named

FORMAT = "tonemill-blocks-4"  # a change of the schema, the sidecar or the index is a new format
INDEX_NAME = "index.json"
COUNTED = ("codec", "sample_rate", "num_channels", "has_beat", "confidence")  # the last in tenths, rounded down
_ADVICE = "Run tonemill prepare again to replace it."


def block_schema(representations: Iterable[str]) -> pa.Schema:
    """The columns of a block that holds its pieces in some representations."""
    return pa.schema(
        [
            *PIECE_FIELDS,
            events_field(representations),
            pa.field("split", pa.string()),  # one of SPLITS
            pa.field("group", pa.string()),  # near-duplicates share one, and its split
        ]
    )


BLOCK_SCHEMA = block_schema([NOTES.name])  # of a set in the representation that tracks are made of


@dataclass(frozen=True, kw_only=True)
class BlockEntry:
    """The content of the sidecar of a block."""

    name: str
    size_bytes: int
    sha256: str
    num_pieces: dict[str, int]  # by split
    representations: tuple[StoredRepresentation, ...]
    duration_s: float
    styles: dict[str, int]  # pieces by style
    licences: dict[str, int]  # pieces by licence
    recorded_s: float  # of the pieces that come from recordings
    recordings: dict[str, dict[str, int]]  # these by each of COUNTED, empty without any


@dataclass(frozen=True, kw_only=True)
class BlockIndex:
    """The facts of a block set, which checkpoints take over."""

    representations: tuple[StoredRepresentation, ...]
    styles: tuple[str, ...]  # sorted
    licences: dict[str, int]  # pieces by licence note
    notices: dict[str, str]  # full text of a licence note, where the corpus holds one
    num_pieces: dict[str, int]  # by split
    duration_s: float
    recorded_s: float  # of the pieces that come from recordings
    recordings: dict[str, dict[str, int]]  # these by each of COUNTED, empty without any
    fingerprint: str  # hash of the representations and of the sha256 of all blocks
    blocks: tuple[BlockEntry, ...] = field(repr=False)


def block_uri(folder_uri: str | Path, name: str, suffix: str = ".arrow") -> str:
    """Where a block is, or with suffix .json its sidecar."""
    return storage.join(folder_uri, "blocks", name + suffix)


def write_block(
    folder_uri: str | Path, name: str, table: pa.Table, representations: Sequence[Representation] | None = None
) -> BlockEntry:
    """Writes one block atomically, then its sidecar, and returns the content of that. Equal tables give equal bytes.

    The fields of `events` of the table name its representations; they are looked up by name if none are given.
    """
    names = [item.name for item in table.schema.field("events").type]
    representations = [representation_named(name) for name in names] if representations is None else representations
    assert [representation.name for representation in representations] == names
    schema = block_schema(names)
    table = table.select(schema.names).cast(schema).replace_schema_metadata({"format": FORMAT})
    data = arrow_bytes(table)
    storage.write_bytes(block_uri(folder_uri, name), data)
    splits = table["split"].to_pylist()
    entry = BlockEntry(
        name=name,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        num_pieces={split: splits.count(split) for split in SPLITS},
        representations=tuple(stored_in(representation, table) for representation in representations),
        duration_s=round(sum(table["duration_s"].to_pylist()), 3),
        styles=_counts(table["style"].to_pylist()),
        licences=_counts(table["licence"].to_pylist()),
        **_recording_counts(table),
    )
    storage.write_bytes(block_uri(folder_uri, name, ".json"), json_bytes(asdict(entry)))
    return entry


def read_entry(folder_uri: str | Path, name: str) -> BlockEntry:
    """The content of the sidecar of a block; raises MissingError when the block was never finished."""
    uri = block_uri(folder_uri, name, ".json")
    try:
        return _entry(json.loads(storage.read_bytes(uri)))
    except (KeyError, ValueError, TypeError) as error:
        raise BlockError(f"{uri} is damaged ({error!r}). Run tonemill prepare again.") from error


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
    """Writes the index over the named blocks, from their sidecars, and returns it."""
    entries = sorted((read_entry(folder_uri, name) for name in names), key=lambda entry: entry.name)
    stored = total_of_blocks([entry.representations for entry in entries])
    content = json_bytes([*(one.name for one in stored), sorted(entry.sha256 for entry in entries)])
    licences = total_counts(entry.licences for entry in entries)
    index = BlockIndex(
        representations=stored,
        styles=tuple(sorted(total_counts(entry.styles for entry in entries))),
        licences=licences,
        notices={name: text for name, text in sorted((notices or {}).items()) if name in licences},
        num_pieces=total_counts(entry.num_pieces for entry in entries),
        duration_s=round(sum(entry.duration_s for entry in entries), 3),
        recorded_s=round(sum(entry.recorded_s for entry in entries), 3),
        recordings={
            name: total_counts(entry.recordings[name] for entry in entries if name in entry.recordings)
            for name in COUNTED
            if any(name in entry.recordings for entry in entries)
        },
        fingerprint=hashlib.sha256(content).hexdigest()[:32],
        blocks=tuple(entries),
    )
    storage.write_bytes(storage.join(folder_uri, INDEX_NAME), json_bytes({"format": FORMAT, **asdict(index)}))
    return index


def read_index(folder_uri: str | Path) -> BlockIndex:
    """The index of a block set. Raises BlockError when there is none, or it is of another format."""
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
        blocks = tuple(_entry(entry) for entry in raw.pop("blocks"))
        stored = tuple(stored_from_json(one) for one in raw.pop("representations"))
        return BlockIndex(**{**raw, "styles": tuple(raw["styles"])}, representations=stored, blocks=blocks)
    except (KeyError, TypeError, ValueError) as error:
        raise BlockError(f"{uri} is damaged ({error!r}). Run tonemill prepare again.") from error


def open_blocks(
    uri: str | Path, *, representation: Representation | str | None = None, verify: bool = False
) -> BlockSet:
    """A block set, its files memory-mapped (those of a remote store are first copied to a local cache).

    Its pieces are those that `representation` can spell, by default the first that the set holds.

    Raises:
        BlockError: a block is missing, of the wrong size, or with `verify` of other bytes; or the set does not hold
            the representation, or holds another one of its name.
        RepresentationError: there is none with this name.
    """
    index = read_index(uri)
    if representation is None:
        representation = index.representations[0].name
    if isinstance(representation, str):
        representation = representation_named(representation)
    check_holds(index.representations, representation, uri)
    if representation.given is not None:
        check_holds(index.representations, representation_named(representation.given), uri)
    return BlockSet(index, [_open_block(uri, entry, verify) for entry in index.blocks], representation)


class BlockSet:
    """The pieces of a set of blocks that a representation can spell, by split and number, in ascending piece_id."""

    def __init__(self, index: BlockIndex, tables: Sequence[pa.Table], representation: Representation) -> None:
        self.index, self.representation = index, representation
        self._given = None if representation.given is None else representation_named(representation.given)
        self.tables = tuple(tables)  # memory-mapped, rows of `block_schema`
        self._places = {split: self._order(split) for split in SPLITS}

    def num_pieces(self, split: str) -> int:
        """Number of pieces of a split."""
        return len(self._places[split])

    def style_of(self, split: str, number: int) -> str:
        """Style of piece `number` of a split."""
        block, row = self._places[split][number]
        return str(self.tables[block].column("style")[int(row)].as_py())

    def piece(self, split: str, number: int) -> Piece:
        """Piece `number` of a split, 0 to num_pieces(split) - 1."""
        block, row = self._places[split][number]
        table = self.tables[block]
        values = {
            name: table.column(name)[int(row)].as_py()
            for name in Piece.__dataclass_fields__
            if name not in ("events", "given", "meters", "tempos")
        }
        return Piece(
            events=self._events(table, int(row), self.representation),
            given=None if self._given is None else self._events(table, int(row), self._given),
            meters=tuple(Meter(**meter) for meter in table.column("meters")[int(row)].as_py()),
            tempos=tuple(Tempo(**tempo) for tempo in table.column("tempos")[int(row)].as_py()),
            **values,
        )

    def events_of_row(self, row: int) -> EventArray:
        """Events of a row of all tables one after another: [T, K]."""
        return self._events(*self._table_of(row), self.representation)

    def given_of_row(self, row: int) -> EventArray | None:
        """Events of a row that are known before its own, None where the representation knows none: [T, K]."""
        return None if self._given is None else self._events(*self._table_of(row), self._given)

    def _table_of(self, row: int) -> tuple[pa.Table, int]:
        for table in self.tables:
            if row < table.num_rows:
                return table, row
            row -= table.num_rows
        raise IndexError(f"there are fewer rows than {row}")

    @staticmethod
    def _events(table: pa.Table, row: int, representation: Representation) -> EventArray:
        buffer = table.column("events")[row][representation.name].as_buffer()
        events: EventArray = np.frombuffer(buffer, dtype=representation.dtype)
        events = events.reshape(-1, len(representation.streams))
        events.flags.writeable = False  # Arrow calls its buffer writable; a write would end the process
        return events

    def _order(self, split: str) -> npt.NDArray[np.int64]:
        """Block and row of each piece of a split in ascending piece_id: int64 [pieces, 2]."""
        places, keys = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0, dtype="S1")]
        for number, table in enumerate(self.tables):
            is_own = np.array(table.column("split").to_pylist(), dtype=object) == split
            rows = np.flatnonzero(is_own & is_spelt(table, self.representation.name))
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
    if not table.schema.equals(block_schema(one.name for one in entry.representations)):
        raise BlockError(f"Block {uri} has the columns of another version. {_ADVICE}")
    return table


def _entry(raw: dict[str, Any]) -> BlockEntry:
    return BlockEntry(**(raw | {"representations": tuple(stored_from_json(one) for one in raw["representations"])}))


def _recording_counts(table: pa.Table) -> dict[str, Any]:
    """The counts of the pieces that come from recordings, for the sidecar of a block."""
    rows = [row for row in table.select([*COUNTED, "duration_s"]).to_pylist() if row["codec"] is not None]
    for row in rows:
        row["confidence"] = f"{int(row['confidence'] * 10) / 10:.1f}"
    counts = {name: _counts(str(row[name]).lower() for row in rows) for name in COUNTED}
    return {"recorded_s": round(sum(row["duration_s"] for row in rows), 3), "recordings": counts if rows else {}}


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
