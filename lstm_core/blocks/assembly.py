"""From parts to blocks: which pieces count, which are duplicates, which split each is on, which block holds it.

A block is a range of piece_ids, which begin with a hash of the file: a new file changes one block and no other. Its
name is a hash of all that decides its content, so a block that exists under its name is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lstm_core import storage
from lstm_core.blocks.corpus import Corpus
from lstm_core.blocks.duplicates import RECORDING_THRESHOLD, group_duplicates
from lstm_core.blocks.feature_blocks import FORMAT, BlockEntry, block_schema, write_block
from lstm_core.blocks.part_rows import Keys, PartRows, hashes_of, hexadecimal, keys_of, manifest_keys, places_in
from lstm_core.blocks.parts import PARTS_VERSION, PIECES_SUFFIX
from lstm_core.blocks.piece_fields import SPLITS
from lstm_core.blocks.signatures import Signatures
from lstm_core.foundation.shingles import Shingles
from lstm_core.representations.notes import NOTES
from lstm_core.representations.representation import Representation

Numbers = npt.NDArray[np.int64]
REJECTS_SCHEMA = pa.schema([("uri", pa.string()), ("stage", pa.string()), ("reason", pa.string())])
_SHARED = ("part", "style", "licence", "split")  # as numbers into texts that all blocks have in common
_OWN = ("row", "group")
PLAN_COLUMNS = (*_SHARED, *_OWN)
OPEN_PARTS = 64  # that the driver keeps open; those of a remote store are in its memory, a few MB each
_HASHED = ("piece_id", "row_hash", "group")
_ROW_OVERHEAD_BYTES = 400  # of a piece in a block, besides its events and bars


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How pieces become train and valid."""

    seed: int = 0
    valid_share: float = 0.05  # of the groups of near-duplicates
    near_duplicate: float = 0.4  # Jaccard index of shingles; unrelated pieces of two corpora reach 0.13

    def __post_init__(self) -> None:
        if not 0.0 <= self.valid_share < 1.0:
            raise ValueError(f"split.valid_share is {self.valid_share}, it must be at least 0 and less than 1")
        if not 0.0 < self.near_duplicate <= 1.0:
            raise ValueError(f"split.near_duplicate is {self.near_duplicate}, it must be more than 0 and at most 1")
        if self.seed < 0:
            raise ValueError(f"split.seed is {self.seed}, it must not be negative")


@dataclass(frozen=True, kw_only=True)
class PlannedBlock:
    name: str
    rows: pa.Table  # PLAN_COLUMNS, in ascending piece_id
    size_bytes: int = 0  # about

    def plain_rows(self) -> pa.Table:
        """All of it as a table in its own memory, without what it shares with other blocks; with `block`, its name.

        `from_plain_rows` takes it back, on another machine.
        """
        texts = [pa.array(self.rows[name].to_pylist(), type=pa.string()) for name in _SHARED]
        block = pa.DictionaryArray.from_arrays(np.zeros(len(self.rows), dtype=np.int8), [self.name])
        return pa.table([*texts, *self.rows.select(_OWN).combine_chunks().columns, block], [*_SHARED, *_OWN, "block"])

    @staticmethod
    def from_plain_rows(rows: pa.Table) -> PlannedBlock:
        """The block whose plain rows these are; there is at least one."""
        return PlannedBlock(name=rows["block"][0].as_py(), rows=rows.select(PLAN_COLUMNS))


@dataclass(frozen=True, kw_only=True)
class Plan:
    blocks: tuple[PlannedBlock, ...]
    rejects: pa.Table  # REJECTS_SCHEMA, in ascending uri
    pieces: pa.Table = field(repr=False)  # the small rows of the pieces that count, with style, split and group
    num_groups: int = 0


def plan_blocks(
    corpus: Corpus,
    parts: PartRows,
    folder_uri: str,
    settings: SplitSettings,
    *,
    block_bytes: int,
    representations: Sequence[str] = (NOTES.name,),
) -> Plan:
    """What the blocks of a corpus hold, from the small rows of its parts alone (and the shingles of likely pairs)."""
    rows = _current_rows(corpus.manifest, parts)
    is_piece = pc.is_null(parts.table["stage"]).to_numpy()[rows.row]
    refused = [_rejects(rows.only(~is_piece)), _reject_table([(path, "list", why) for path, why in corpus.denied])]
    rows = rows.only(is_piece)
    for drop in (_copies, _same_recordings):
        is_other, rejects = drop(rows, folder_uri)
        refused.append(rejects)
        rows = rows.only(~is_other)
    rows = rows.at(np.argsort(rows.keys("piece_id"), kind="stable"))
    groups = _groups(rows, folder_uri, settings.near_duplicate)
    pieces = rows.table().append_column("group", hashes_of(groups)).append_column("split", _splits(groups, settings))
    return Plan(
        blocks=tuple(_cut(pieces, block_bytes, representations)),
        rejects=pa.concat_tables(refused).sort_by([(name, "ascending") for name in REJECTS_SCHEMA.names]),
        pieces=pieces,
        num_groups=len(np.unique(groups)),
    )


def assemble_block(
    folder_uri: str, blocks_uri: str, planned: PlannedBlock, representations: Sequence[Representation] | None = None
) -> BlockEntry:
    """Puts one block together from the parts in a folder, and writes it.

    The representations are those of the parts, looked up by name where none are given.
    """
    tables, places = [], []
    part_of_row = np.array(planned.rows["part"].to_pylist(), dtype=object)
    row = planned.rows["row"].to_numpy()
    for part in sorted(set(part_of_row)):
        place = np.flatnonzero(part_of_row == part)
        tables.append(_open_pieces(folder_uri, part).take(row[place]))
        places.append(place)
    order = np.argsort(np.concatenate(places), kind="stable")
    table = pa.concat_tables(tables).take(order).drop_columns(["shingles", "audio_shingles"])
    for name in ("style", "licence", "split"):
        # Copied: bytes of a block must not depend on how its rows came here.
        table = table.append_column(name, pa.array(planned.rows[name].to_pylist(), type=pa.string()))
    table = table.append_column("group", pa.array(hexadecimal(keys_of(planned.rows["group"])), type=pa.string()))
    return write_block(blocks_uri, planned.name, table.select(block_schema([]).names), representations)


def _open_pieces(folder_uri: str, part: str) -> pa.Table:
    uri = storage.join(folder_uri, part + PIECES_SUFFIX)
    path = storage.local_path(uri)
    source = pa.memory_map(str(path)) if path is not None else pa.py_buffer(storage.read_bytes(uri))
    return pa.ipc.open_file(source).read_all()


@dataclass(frozen=True)
class _Rows:
    """Some rows of the parts, and the files of the manifest that they are of: numbers, so that nothing is copied."""

    manifest: pa.Table
    parts: PartRows
    row: Numbers  # of parts.table
    file: Numbers  # of the manifest

    def at(self, numbers: Numbers) -> _Rows:
        """Those of some numbers, in that order."""
        return _Rows(self.manifest, self.parts, self.row[numbers], self.file[numbers])

    def only(self, mask: npt.NDArray[np.bool_]) -> _Rows:
        """Those where the mask says so."""
        return self.at(np.flatnonzero(mask))

    def keys(self, name: str) -> Keys:
        """A column of hashes."""
        return keys_of(self.parts.table[name])[self.row]

    def path(self, number: int) -> str:
        """Path of the file of a row."""
        path: str = self.manifest["path"][int(self.file[number])].as_py()
        return path

    def signatures(self, name: str) -> Signatures:
        """Signatures of all rows."""
        return Signatures(self.parts.signatures, self.parts.table[f"{name}_at"].to_numpy()[self.row].astype(np.int64))

    def table(self) -> pa.Table:
        """All columns, with path, style and licence, and `part` as the name of the part."""
        found = self.parts.table.take(self.row)
        names = pa.array(self.parts.names, type=pa.string())
        named = pa.DictionaryArray.from_arrays(found["part"].combine_chunks(), names)
        found = found.set_column(found.schema.get_field_index("part"), "part", named)
        for name in ("path", "style"):
            found = found.append_column(name, self.manifest[name].take(self.file))
        return found.append_column("licence", self._licences(found["tag_licence"])).drop_columns(["tag_licence"])

    def _licences(self, tagged: pa.ChunkedArray) -> pa.ChunkedArray:
        """Licence of each row: that of its tags where the table of styles gives none."""
        given = self.manifest["is_licence_given"].take(self.file)
        tagged = pc.if_else(given, pa.scalar(None, pa.string()), tagged)
        return pc.coalesce(tagged, self.manifest["licence"].take(self.file).cast(pa.string())).dictionary_encode()


def _current_rows(manifest: pa.Table, parts: PartRows) -> _Rows:
    """Rows of the files of the manifest, in its order; each file's come from one part alone."""
    keys = manifest_keys(manifest)  # [M], one per file
    order = np.argsort(keys, kind="stable")
    places = places_in(keys[order], keys_of(parts.table["file_key"]))  # [P], one per row of the parts; -1: of no file
    row = np.flatnonzero(places >= 0)  # [R]
    rows = _Rows(manifest, parts, row, order[places[row]])
    part = parts.table["part"].to_numpy()[row]
    rows = rows.only(part == _part_of_file(rows, part)[rows.file])
    index_in_file = pc.fill_null(parts.table["index_in_file"], -1).to_numpy()[rows.row]
    return rows.at(np.lexsort((index_in_file, rows.file)))


def _part_of_file(rows: _Rows, part: Numbers) -> Numbers:
    """The part that counts of each file of the manifest, [M], -1 of one that no row is of.

    Of several, when a file was read again, one that made pieces of it comes before one that refused it, and this before
    one that could not fetch it; then the first by name.

    Args:
        rows: Some rows of the parts, R of them.
        part: The part that each is in, [R].
    """
    stage = rows.parts.table["stage"]
    rank = pc.is_valid(stage).to_numpy().astype(np.int8)  # [P]
    rank += pc.equal(pc.fill_null(stage, ""), "fetch").to_numpy()
    names = np.array(rows.parts.names, dtype="S")
    place_of_name = np.empty(len(names), dtype=np.int64)
    place_of_name[np.argsort(names, kind="stable")] = np.arange(len(names))
    best_first = np.lexsort((place_of_name[part], rank[rows.row], rows.file))  # [R], file by file
    first = best_first[np.flatnonzero(np.diff(rows.file[best_first], prepend=-1))]  # one of each file that has any
    part_of_file = np.full(len(rows.manifest), -1, dtype=np.int64)
    part_of_file[rows.file[first]] = part[first]
    return part_of_file


def _rejects(rows: _Rows) -> pa.Table:
    failed = rows.parts.table.select(["stage", "reason"]).take(rows.row)
    columns = [rows.manifest["path"].take(rows.file), *failed.columns]
    return pa.table(columns, REJECTS_SCHEMA.names).cast(REJECTS_SCHEMA)


def _reject_table(rows: list[tuple[str, str, str]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(REJECTS_SCHEMA.names, r, strict=True)) for r in rows], schema=REJECTS_SCHEMA)


def _copies(pieces: _Rows, _folder_uri: str) -> tuple[npt.NDArray[np.bool_], pa.Table]:
    """Which pieces are exact copies, and the rejects that these become; the first by path is none."""
    hashes = pieces.keys("content_hash")
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    original = first[which]
    is_copy: npt.NDArray[np.bool_] = original != np.arange(len(hashes))
    rows = [
        (pieces.path(i), "duplicate", f"duplicate of {pieces.path(int(original[i]))}")
        for i in np.flatnonzero(is_copy).tolist()
    ]
    return is_copy, _reject_table(rows)


def _same_recordings(pieces: _Rows, folder_uri: str) -> tuple[npt.NDArray[np.bool_], pa.Table]:
    """Which pieces are recordings that are another one in other bytes (codec, rate, gain), and the rejects these
    become; the first by path is none. Pieces are in ascending order of path.
    """
    is_same = np.zeros(len(pieces.row), dtype=bool)
    numbers = np.flatnonzero(pc.is_valid(pieces.parts.table["codec"]).to_numpy()[pieces.row])
    if len(numbers) < 2:
        return is_same, _reject_table([])
    recordings = pieces.at(numbers)
    load = _shingle_loader(recordings, folder_uri, "audio_shingles")
    leaders = group_duplicates(recordings.signatures("audio_signature"), load, RECORDING_THRESHOLD)
    is_other = leaders != np.arange(len(leaders))
    rows = [
        (recordings.path(i), "duplicate", f"the same recording as {recordings.path(leaders[i])}, by its fingerprint")
        for i in np.flatnonzero(is_other).tolist()
    ]
    is_same[numbers[is_other]] = True
    return is_same, _reject_table(rows)


def _groups(pieces: _Rows, folder_uri: str, threshold: float) -> Keys:
    """Group of each piece: the least content_hash among its near-duplicates, so that names of files do not matter."""
    load = _shingle_loader(pieces, folder_uri, "shingles")
    leaders = group_duplicates(pieces.signatures("signature"), load, threshold)
    hashes = pieces.keys("content_hash")
    by_hash = np.argsort(hashes, kind="stable")
    _, first, which = np.unique(leaders[by_hash], return_index=True, return_inverse=True)
    names = np.empty(len(hashes), dtype="S16")
    names[by_hash] = hashes[by_hash][first][which]
    return names


def _shingle_loader(pieces: _Rows, folder_uri: str, column: str) -> Callable[[int], Shingles]:
    """A function that gives the shingles of a piece by its number, from its part."""
    open_part = lru_cache(maxsize=OPEN_PARTS)(partial(_open_pieces, folder_uri))
    rows = pieces.parts.table

    def load_shingles(number: int) -> Shingles:
        row = int(pieces.row[number])
        table = open_part(pieces.parts.names[rows["part"][row].as_py()])
        values: Shingles = table[column][rows["row"][row].as_py()].values.to_numpy()
        return values

    return load_shingles


def _splits(groups: Keys, settings: SplitSettings) -> pa.Array:
    """Split of each piece, the same for a whole group, by a keyed hash of the group: it stays when pieces are added.

    A group of more pieces than all of valid should have stays in train. Of two groups or more each split gets one.
    """
    names, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    key = settings.seed.to_bytes(8, "little")
    raw = names.tobytes()
    drawn = b"".join(
        hashlib.blake2b(raw[first : first + 16].hex().encode(), key=key, digest_size=8).digest()
        for first in range(0, len(raw), 16)
    )
    draws = np.frombuffer(drawn, dtype="<u8")
    fits = sizes <= max(1.0, settings.valid_share * len(groups))
    is_valid = (draws / 2.0**64 < settings.valid_share) & fits
    if len(names) >= 2 and settings.valid_share > 0 and not is_valid.any():
        is_valid[np.lexsort((draws, sizes))[0]] = True
    if len(names) and is_valid.all():
        is_valid[np.argmax(draws)] = False
    return pa.DictionaryArray.from_arrays(is_valid[which].astype(np.int8), list(SPLITS))


def _cut(pieces: pa.Table, block_bytes: int, representations: Sequence[str]) -> Iterable[PlannedBlock]:
    """Blocks of the pieces, which are in ascending piece_id: ranges of equal width, about `block_bytes` at most."""
    sizes = pieces["event_bytes"].to_numpy() + _ROW_OVERHEAD_BYTES
    bits = 0
    while bits < 16 and sizes.sum() > block_bytes << bits:
        bits += 1
    ids = keys_of(pieces["piece_id"]).view("u1").reshape(-1, 16).astype(np.int64)
    ranges = (ids[:, 0] * 256 + ids[:, 1]) >> (16 - bits)
    for number in np.unique(ranges).tolist():
        start, stop = np.searchsorted(ranges, [number, number + 1]).tolist()
        rows = pieces.slice(start, stop - start)
        digest = hashlib.sha256(" ".join([FORMAT, str(PARTS_VERSION), *representations]).encode())
        for column in ("piece_id", "row_hash", "style", "licence", "split", "group"):
            texts = hexadecimal(keys_of(rows[column])) if column in _HASHED else rows[column].to_pylist()
            digest.update("\0".join(texts).encode())
        name = f"{number << (16 - bits):04x}-{digest.hexdigest()[:20]}"
        size_bytes = int(sizes[start:stop].sum())
        yield PlannedBlock(name=name, rows=rows.select(PLAN_COLUMNS), size_bytes=size_bytes)
