"""From parts to blocks: which pieces count, which are duplicates, which split each is on, which block holds it.

A block is a range of piece_ids, which begin with a hash of the file: a new file changes one block and no other. Its
name is a hash of all that decides its content, so a block that exists under its name is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lstm_core import storage
from lstm_core.blocks import BLOCK_SCHEMA, FORMAT, SPLITS, BlockEntry, write_block
from lstm_core.corpora.corpus import Corpus
from lstm_core.corpora.duplicates import Shingles, group_duplicates
from lstm_core.corpora.part_rows import Keys, PartRows, hashes_of, hexadecimal, keys_of, manifest_keys, places_in
from lstm_core.corpora.parts import PARTS_VERSION, PIECES_SUFFIX
from lstm_core.corpora.signatures import Signatures
from lstm_core.decode.audio_fingerprint import DUPLICATE_THRESHOLD
from lstm_core.streams import STREAMS

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
        """The rows in memory of their own, without what they share with those of other blocks."""
        texts = [pa.array(self.rows[name].to_pylist(), type=pa.string()) for name in _SHARED]
        return pa.table([*texts, *self.rows.select(_OWN).combine_chunks().columns], [*_SHARED, *_OWN])


@dataclass(frozen=True, kw_only=True)
class Plan:
    blocks: tuple[PlannedBlock, ...]
    rejects: pa.Table  # REJECTS_SCHEMA, in ascending uri
    pieces: pa.Table = field(repr=False)  # the small rows of the pieces that count, with style, split and group
    num_groups: int = 0


def plan_blocks(corpus: Corpus, parts: PartRows, folder_uri: str, settings: SplitSettings, *, block_bytes: int) -> Plan:
    """What the blocks of a corpus hold, from the small rows of its parts alone (and the shingles of likely pairs)."""
    rows = _current_rows(corpus.manifest, parts)
    is_piece = pc.is_null(rows["stage"])
    pieces = rows.filter(is_piece)
    refused = [_rejects(rows.filter(pc.invert(is_piece)))]
    refused.append(_reject_table([(path, "list", reason) for path, reason in corpus.denied]))
    del rows
    pieces, copies = _drop_copies(pieces)
    refused.append(copies)
    pieces, same = _drop_same_recordings(pieces, parts, folder_uri)
    refused.append(same)
    pieces = pieces.take(np.argsort(keys_of(pieces["piece_id"]), kind="stable")).combine_chunks()
    groups = _groups(pieces, _signatures(pieces, parts, "signature"), folder_uri, settings.near_duplicate)
    pieces = pieces.append_column("group", hashes_of(groups)).append_column("split", _splits(groups, settings))
    return Plan(
        blocks=tuple(_cut(pieces, block_bytes)),
        rejects=pa.concat_tables(refused).sort_by([(name, "ascending") for name in REJECTS_SCHEMA.names]),
        pieces=pieces,
        num_groups=len(np.unique(groups)),
    )


def assemble_block(folder_uri: str, blocks_uri: str, planned: PlannedBlock) -> BlockEntry:
    """Puts one block together from the parts in a folder, and writes it."""
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
        table = table.append_column(name, planned.rows[name].cast(pa.string()))
    table = table.append_column("group", pa.array(hexadecimal(keys_of(planned.rows["group"])), type=pa.string()))
    return write_block(blocks_uri, planned.name, table.select(BLOCK_SCHEMA.names))


def _open_pieces(folder_uri: str, part: str) -> pa.Table:
    uri = storage.join(folder_uri, part + PIECES_SUFFIX)
    path = storage.local_path(uri)
    source = pa.memory_map(str(path)) if path is not None else pa.py_buffer(storage.read_bytes(uri))
    return pa.ipc.open_file(source).read_all()


def _current_rows(manifest: pa.Table, parts: PartRows) -> pa.Table:
    """Rows of the files of the manifest, in its order, with path, style and licence; `part` as the name of the part.

    Each file comes from one part alone. Of several, when it was read again, one that made pieces of it goes first.
    """
    rows = parts.table
    keys = manifest_keys(manifest)
    order = np.argsort(keys, kind="stable")
    file = places_in(keys[order], keys_of(rows["file_key"]))  # place among the ordered keys
    known = np.flatnonzero(file >= 0)
    file = order[file[known]] if len(known) else file[known]
    stage = rows["stage"].take(known)
    rank = pc.is_valid(stage).to_numpy().astype(np.int8) + pc.equal(pc.fill_null(stage, ""), "fetch").to_numpy()
    part = rows["part"].to_numpy()[known]
    by_name = np.empty(len(parts.names), dtype=np.int64)  # the rank of each part's name
    by_name[np.argsort(np.array(parts.names, dtype="S"), kind="stable")] = np.arange(len(parts.names))
    best = np.lexsort((by_name[part], rank, file))
    first = best[np.flatnonzero(np.diff(file[best], prepend=-1))]
    part_of_file = np.full(len(manifest), -1, dtype=np.int32)
    part_of_file[file[first]] = part[first]
    taken = np.flatnonzero(part == part_of_file[file])
    index_in_file = pc.fill_null(rows["index_in_file"].take(known[taken]), -1).to_numpy()
    taken = taken[np.lexsort((index_in_file, file[taken]))]
    wanted = manifest.select(["path", "style", "licence"]).take(file[taken])
    found = rows.take(known[taken])
    numbers = found["part"].combine_chunks()
    names = pa.DictionaryArray.from_arrays(numbers, pa.array(parts.names, type=pa.string()))
    found = found.set_column(found.schema.get_field_index("part"), "part", names)
    for name in wanted.column_names:
        found = found.append_column(name, wanted[name])
    return found.combine_chunks()


def _rejects(rows: pa.Table) -> pa.Table:
    return rows.select(["path", "stage", "reason"]).rename_columns(REJECTS_SCHEMA.names).cast(REJECTS_SCHEMA)


def _reject_table(rows: list[tuple[str, str, str]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(REJECTS_SCHEMA.names, r, strict=True)) for r in rows], schema=REJECTS_SCHEMA)


def _drop_copies(pieces: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The pieces without exact copies, and the rejects that these become; the first by path stays."""
    hashes = keys_of(pieces["content_hash"])
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    original = first[which]
    is_copy = original != np.arange(len(hashes))
    paths = pieces["path"]
    rows = [
        (paths[int(i)].as_py(), "duplicate", f"duplicate of {paths[int(original[i])].as_py()}")
        for i in np.flatnonzero(is_copy)
    ]
    return pieces.filter(pa.array(~is_copy)), _reject_table(rows)


def _drop_same_recordings(pieces: pa.Table, parts: PartRows, folder_uri: str) -> tuple[pa.Table, pa.Table]:
    """The pieces without recordings that are another one in other bytes (codec, rate, gain), and the rejects these
    become; the first by path stays. Pieces are in ascending order of path.
    """
    numbers = np.flatnonzero(pc.is_valid(pieces["codec"]).to_numpy())
    if len(numbers) < 2:
        return pieces, _reject_table([])
    recordings = pieces.take(numbers)
    load = _shingle_loader(recordings, folder_uri, "audio_shingles")
    leaders = group_duplicates(_signatures(recordings, parts, "audio_signature"), load, DUPLICATE_THRESHOLD)
    is_other = leaders != np.arange(len(leaders))
    paths = recordings["path"]
    rows = [
        (paths[i].as_py(), "duplicate", f"the same recording as {paths[int(leaders[i])].as_py()}, by its fingerprint")
        for i in np.flatnonzero(is_other).tolist()
    ]
    keep = np.ones(len(pieces), dtype=bool)
    keep[numbers[is_other]] = False
    return pieces.filter(pa.array(keep)), _reject_table(rows)


def _signatures(pieces: pa.Table, parts: PartRows, column: str) -> Signatures:
    return Signatures(parts.signatures, pieces[f"{column}_at"].to_numpy().astype(np.int64))


def _groups(pieces: pa.Table, signatures: Signatures, folder_uri: str, threshold: float) -> Keys:
    """Group of each piece: the least content_hash among its near-duplicates, so that names of files do not matter."""
    leaders = group_duplicates(signatures, _shingle_loader(pieces, folder_uri, "shingles"), threshold)
    hashes = keys_of(pieces["content_hash"])
    by_hash = np.argsort(hashes, kind="stable")
    _, first, which = np.unique(leaders[by_hash], return_index=True, return_inverse=True)
    names = np.empty(len(hashes), dtype="S16")
    names[by_hash] = hashes[by_hash][first][which]
    return names


def _shingle_loader(pieces: pa.Table, folder_uri: str, column: str) -> Callable[[int], Shingles]:
    """What gives the shingles of a piece by its number, from its part."""
    open_part = lru_cache(maxsize=OPEN_PARTS)(partial(_open_pieces, folder_uri))

    def load_shingles(number: int) -> Shingles:
        table = open_part(pieces["part"][number].as_py())
        values: Shingles = table[column][pieces["row"][number].as_py()].values.to_numpy()
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


def _cut(pieces: pa.Table, block_bytes: int) -> Iterable[PlannedBlock]:
    """Blocks of the pieces, which are in ascending piece_id: ranges of equal width, about `block_bytes` at most."""
    sizes = pieces["num_events"].to_numpy() * len(STREAMS) + _ROW_OVERHEAD_BYTES
    bits = 0
    while bits < 16 and sizes.sum() > block_bytes << bits:
        bits += 1
    ids = keys_of(pieces["piece_id"]).view("u1").reshape(-1, 16).astype(np.int64)
    ranges = (ids[:, 0] * 256 + ids[:, 1]) >> (16 - bits)
    for number in np.unique(ranges).tolist():
        start, stop = np.searchsorted(ranges, [number, number + 1]).tolist()
        rows = pieces.slice(start, stop - start)
        digest = hashlib.sha256(f"{FORMAT} {PARTS_VERSION}".encode())
        for column in ("piece_id", "row_hash", "style", "licence", "split", "group"):
            texts = hexadecimal(keys_of(rows[column])) if column in _HASHED else rows[column].to_pylist()
            digest.update("\0".join(texts).encode())
        name = f"{number << (16 - bits):04x}-{digest.hexdigest()[:20]}"
        size_bytes = int(sizes[start:stop].sum())
        yield PlannedBlock(name=name, rows=rows.select(PLAN_COLUMNS), size_bytes=size_bytes)
