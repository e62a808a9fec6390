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
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lstm_core import storage
from lstm_core.blocks import BLOCK_SCHEMA, FORMAT, BlockEntry, write_block
from lstm_core.corpora.corpus import Corpus
from lstm_core.corpora.duplicates import SIGNATURE_SIZE, Shingles, group_duplicates
from lstm_core.corpora.parts import PARTS_VERSION, PIECES_SUFFIX, ROWS_SCHEMA, ROWS_SUFFIX
from lstm_core.decode.audio_fingerprint import DUPLICATE_THRESHOLD
from lstm_core.streams import STREAMS

REJECTS_SCHEMA = pa.schema([("uri", pa.string()), ("stage", pa.string()), ("reason", pa.string())])
PLAN_COLUMNS = ("part", "row", "piece_id", "style", "licence", "split", "group")
OPEN_PARTS = 64  # that the driver keeps open; those of a remote store are in its memory, a few MB each
_SIGNATURES = ("signature", "audio_signature")  # columns of parts that are read where they are needed alone
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


@dataclass(frozen=True, kw_only=True)
class Plan:
    blocks: tuple[PlannedBlock, ...]
    rejects: pa.Table  # REJECTS_SCHEMA, in ascending uri
    pieces: pa.Table = field(repr=False)  # the small rows of the pieces that count, with style, split and group
    num_groups: int = 0


def read_rows(folder_uri: str, known: dict[str, pa.Table] | None = None) -> dict[str, pa.Table]:
    """The small rows (ROWS_SCHEMA) of all finished parts of a folder, by the name of the part.

    A part whose pieces are missing or of the wrong size counts as unfinished. Those of `known` are not read again.
    """
    try:
        files = storage.list_files(folder_uri)
    except storage.MissingError:
        return {}
    sizes = {file.path: file.size_bytes for file in files}
    found: dict[str, pa.Table] = {}
    for path in sizes:
        name = path.removesuffix(ROWS_SUFFIX)
        if name == path:
            continue
        if known and name in known:
            found[name] = known[name]
            continue
        try:
            rows = pa.ipc.open_file(pa.py_buffer(storage.read_bytes(storage.join(folder_uri, path)))).read_all()
            size_bytes = int(rows.schema.metadata[b"size_bytes"])
        except (pa.ArrowInvalid, KeyError, TypeError, ValueError):
            continue
        if rows.schema.equals(ROWS_SCHEMA) and sizes.get(name + PIECES_SUFFIX) == size_bytes:
            found[name] = rows
    return found


def missing_files(manifest: pa.Table, parts: dict[str, pa.Table], *, retry: bool = False) -> pa.Table:
    """The rows of a manifest that no part has dealt with; with `retry` also those whose file was rejected.

    A file that could not be fetched was not dealt with: the store or its rights may have changed.
    """
    done: list[pa.Array] = []
    for rows in parts.values():
        settled = pc.is_null(rows["stage"]) if retry else pc.not_equal(pc.fill_null(rows["stage"], ""), "fetch")
        done.extend(rows["file_key"].filter(settled).chunks)
    keys = pa.chunked_array(done, type=pa.string())
    return manifest.filter(pc.invert(pc.is_in(manifest["file_key"], value_set=keys)))


def plan_blocks(
    corpus: Corpus, parts: dict[str, pa.Table], folder_uri: str, settings: SplitSettings, *, block_bytes: int
) -> Plan:
    """What the blocks of a corpus hold, from the small rows of its parts alone (and the shingles of likely pairs)."""
    rows = _current_rows(corpus.manifest, parts)
    is_piece = pc.is_null(rows["stage"])
    pieces = rows.filter(is_piece).sort_by([("path", "ascending"), ("index_in_file", "ascending")])
    refused = [_rejects(rows.filter(pc.invert(is_piece)))]
    refused.append(_reject_table([(path, "list", reason) for path, reason in corpus.denied]))
    pieces, copies = _drop_copies(pieces)
    refused.append(copies)
    pieces, same = _drop_same_recordings(pieces, parts, folder_uri)
    refused.append(same)
    pieces = pieces.sort_by("piece_id")
    groups = _groups(pieces, _signatures(pieces, parts, "signature"), folder_uri, settings.near_duplicate)
    pieces = pieces.append_column("group", groups).append_column("split", _splits(groups, settings))
    return Plan(
        blocks=tuple(_cut(pieces, block_bytes)),
        rejects=pa.concat_tables(refused).sort_by([(name, "ascending") for name in REJECTS_SCHEMA.names]),
        pieces=pieces,
        num_groups=pc.count_distinct(groups).as_py(),
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
    for name in ("style", "licence", "split", "group"):
        table = table.append_column(name, planned.rows[name])
    return write_block(blocks_uri, planned.name, table.select(BLOCK_SCHEMA.names))


def _open_pieces(folder_uri: str, part: str) -> pa.Table:
    uri = storage.join(folder_uri, part + PIECES_SUFFIX)
    path = storage.local_path(uri)
    source = pa.memory_map(str(path)) if path is not None else pa.py_buffer(storage.read_bytes(uri))
    return pa.ipc.open_file(source).read_all()


def _current_rows(manifest: pa.Table, parts: dict[str, pa.Table]) -> pa.Table:
    """Rows of the files of the manifest, with path, style, licence, part and place in its rows, without signatures.

    Each file comes from one part alone. Of several, when it was read again, one that made pieces of it goes first.
    """
    tables = [
        rows.drop_columns(list(_SIGNATURES))
        .append_column("part", pa.array([name] * len(rows), type=pa.string()))
        .append_column("place", pa.array(np.arange(len(rows)), type=pa.int32()))
        .replace_schema_metadata(None)
        for name, rows in sorted(parts.items())
    ]
    rows = pa.concat_tables(tables)
    is_reject = pc.cast(pc.is_valid(rows["stage"]), pa.int8())
    is_unfetched = pc.cast(pc.equal(pc.fill_null(rows["stage"], ""), "fetch"), pa.int8())
    best = (
        rows.select(["file_key", "part"])
        .append_column("rank", pc.add(is_reject, is_unfetched))
        .sort_by([("file_key", "ascending"), ("rank", "ascending"), ("part", "ascending")])
        .group_by("file_key", use_threads=False)
        .aggregate([("part", "first")])
        .rename_columns({"part_first": "part"})
    )
    columns = ["file_key", "path", "style", "licence", "is_licence_given"]
    wanted = manifest.select(columns).join(best, "file_key", join_type="inner")
    return _with_licences(rows.join(wanted, ["file_key", "part"], join_type="inner").combine_chunks())


def _with_licences(rows: pa.Table) -> pa.Table:
    """The rows with the licence of their tags where the table of styles gives none."""
    told = pc.if_else(rows["is_licence_given"], pa.scalar(None, pa.string()), rows["tag_licence"])
    licence = pc.coalesce(told, rows["licence"])
    rows = rows.drop_columns(["is_licence_given", "tag_licence"])
    return rows.set_column(rows.schema.get_field_index("licence"), "licence", licence)


def _rejects(rows: pa.Table) -> pa.Table:
    return rows.select(["path", "stage", "reason"]).rename_columns(REJECTS_SCHEMA.names).cast(REJECTS_SCHEMA)


def _reject_table(rows: list[tuple[str, str, str]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(REJECTS_SCHEMA.names, r, strict=True)) for r in rows], schema=REJECTS_SCHEMA)


def _drop_copies(pieces: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The pieces without exact copies, and the rejects that these become; the first by path stays."""
    hashes = np.array(pieces["content_hash"].to_pylist(), dtype="S32")
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    original = first[which]
    is_copy = original != np.arange(len(hashes))
    paths = pieces["path"]
    rows = [
        (paths[int(i)].as_py(), "duplicate", f"duplicate of {paths[int(original[i])].as_py()}")
        for i in np.flatnonzero(is_copy)
    ]
    return pieces.filter(pa.array(~is_copy)), _reject_table(rows)


def _drop_same_recordings(pieces: pa.Table, parts: dict[str, pa.Table], folder_uri: str) -> tuple[pa.Table, pa.Table]:
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
    paths = recordings["path"].to_pylist()
    rows = [
        (paths[i], "duplicate", f"the same recording as {paths[leaders[i]]}, by its fingerprint")
        for i in np.flatnonzero(is_other).tolist()
    ]
    keep = np.ones(len(pieces), dtype=bool)
    keep[numbers[is_other]] = False
    return pieces.filter(pa.array(keep)), _reject_table(rows)


def _signatures(pieces: pa.Table, parts: dict[str, pa.Table], column: str) -> npt.NDArray[np.uint32]:
    """Signatures of the pieces: uint32 [pieces, SIGNATURE_SIZE], the largest thing that the driver holds of each."""
    found = np.zeros((len(pieces), SIGNATURE_SIZE), dtype=np.uint32)
    place = pieces["place"].to_numpy()
    names = pieces["part"].combine_chunks().dictionary_encode()
    which = names.indices.to_numpy()
    order = np.argsort(which, kind="stable")
    edges = np.searchsorted(which[order], np.arange(len(names.dictionary) + 1))
    for number, name in enumerate(names.dictionary.to_pylist()):
        own = order[edges[number] : edges[number + 1]]
        raw = b"".join(parts[name][column].take(place[own]).to_pylist())
        found[own] = np.frombuffer(raw, dtype="<u4").reshape(-1, SIGNATURE_SIZE)
    return found


def _groups(pieces: pa.Table, signatures: npt.NDArray[np.uint32], folder_uri: str, threshold: float) -> pa.Array:
    """Group of each piece: the least content_hash among its near-duplicates, so that names of files do not matter."""
    leaders = group_duplicates(signatures, _shingle_loader(pieces, folder_uri, "shingles"), threshold)
    hashes = np.array(pieces["content_hash"].to_pylist(), dtype="S32")
    by_hash = np.argsort(hashes, kind="stable")
    _, first, which = np.unique(leaders[by_hash], return_index=True, return_inverse=True)
    names = np.empty(len(hashes), dtype="S32")
    names[by_hash] = hashes[by_hash][first][which]
    return pa.array(names.astype(str), type=pa.string())


def _shingle_loader(pieces: pa.Table, folder_uri: str, column: str) -> Callable[[int], Shingles]:
    """What gives the shingles of a piece by its number, from its part."""
    open_part = lru_cache(maxsize=OPEN_PARTS)(partial(_open_pieces, folder_uri))

    def load_shingles(number: int) -> Shingles:
        table = open_part(pieces["part"][number].as_py())
        values: Shingles = table[column][pieces["row"][number].as_py()].values.to_numpy()
        return values

    return load_shingles


def _splits(groups: pa.Array, settings: SplitSettings) -> pa.Array:
    """Split of each piece, the same for a whole group, by a keyed hash of the group: it stays when pieces are added.

    A group of more pieces than all of valid should have stays in train. Of two groups or more each split gets one.
    """
    names, which, sizes = np.unique(np.array(groups.to_pylist(), dtype="S32"), return_inverse=True, return_counts=True)
    key = settings.seed.to_bytes(8, "little")
    draws = np.array(
        [int.from_bytes(hashlib.blake2b(name, key=key, digest_size=8).digest(), "little") for name in names.tolist()],
        dtype=np.uint64,
    )
    fits = sizes <= max(1.0, settings.valid_share * len(groups))
    is_valid = (draws / 2.0**64 < settings.valid_share) & fits
    if len(names) >= 2 and settings.valid_share > 0 and not is_valid.any():
        is_valid[np.lexsort((draws, sizes))[0]] = True
    if len(names) and is_valid.all():
        is_valid[np.argmax(draws)] = False
    labels: npt.NDArray[np.str_] = np.where(is_valid, "valid", "train")
    return pa.array(labels[which], type=pa.string())


def _cut(pieces: pa.Table, block_bytes: int) -> Iterable[PlannedBlock]:
    """Blocks of the pieces, which are in ascending piece_id: ranges of equal width, about `block_bytes` at most."""
    sizes = pieces["num_events"].to_numpy() * len(STREAMS) + _ROW_OVERHEAD_BYTES
    bits = 0
    while bits < 16 and sizes.sum() > block_bytes << bits:
        bits += 1
    ranges = np.array([int(piece_id[:4], 16) >> (16 - bits) for piece_id in pieces["piece_id"].to_pylist()], dtype=int)
    for number in np.unique(ranges).tolist():
        start, stop = np.searchsorted(ranges, [number, number + 1]).tolist()
        rows = pieces.slice(start, stop - start)
        digest = hashlib.sha256(f"{FORMAT} {PARTS_VERSION}".encode())
        for column in ("piece_id", "row_hash", "style", "licence", "split", "group"):
            digest.update("\0".join(rows[column].to_pylist()).encode())
        name = f"{number << (16 - bits):04x}-{digest.hexdigest()[:20]}"
        size_bytes = int(sizes[start:stop].sum())
        yield PlannedBlock(name=name, rows=rows.select(PLAN_COLUMNS).combine_chunks(), size_bytes=size_bytes)
