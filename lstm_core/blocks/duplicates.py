"""Near-duplicates by content: the same music in another key, tempo, instrumentation or with some notes changed.

A piece becomes a set of shingles: hashes of a few notes in a row of its upper and lower outline, as intervals and
ratios of durations, so that key and tempo do not matter. Pieces are alike when the Jaccard index of their sets
is high. Candidates come from MinHash signatures in bands (Broder, "On the resemblance and containment of documents",
1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3), then the sets themselves are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.shingles import MAX_SHINGLES, Shingles, jaccard
from lstm_core.notes.score import DRUMS, NoteArray

SHINGLE_NOTES = 6  # notes in a row that make one shingle
NUM_BANDS, BAND_ROWS = 42, 3  # a pair of Jaccard index 0.4 shares a band with probability 0.94, one of 0.1 with 0.04
SIGNATURE_SIZE = NUM_BANDS * BAND_ROWS
_ESTIMATE_SLACK = 0.2  # four standard deviations of the Jaccard index that signatures of this size estimate
_BANDS_AT_ONCE = 6  # worked on together: each pass reads all signatures, each band takes 8 bytes per piece
_MAX_REPRESENTATIVES = 16  # unlike pieces of one bucket that a further one is compared with

# Of fingerprints (recordings/fingerprint.py): two with a greater Jaccard index are one recording. Measured on up to
# 25 s each of 18 pieces (5 for bands, 4 tunes, 4 chorales, rendered; 5 recordings), November 2026. Against its own
# WAV a piece has 0.38 or more as Opus at 48 kbit/s, MP3 at 64, AAC, Vorbis and WMA at 96, in mono, cut by 1.2 s, at
# 22 kHz; medians 0.7 to 1; any two versions 0.27. Versions of different pieces have at most 0.065.
RECORDING_THRESHOLD = 0.2

Signature = npt.NDArray[np.uint32]


class SignatureRows(Protocol):
    """Signatures of N pieces, wherever they lie; signatures.Signatures in a job."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Signature: ...

    def windows(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]]:
        """All of them in runs: numbers of pieces, int64 [n], and uint32 [n, SIGNATURE_SIZE]."""
        ...


def shingles(notes: NoteArray) -> Shingles:
    """The set of shingles of a piece that holds notes, ascending: uint32 [at most MAX_SHINGLES]."""
    melodic = notes[notes["program"] != DRUMS]
    if len(melodic):
        lines = [_outline(melodic, upper=True), _outline(melodic, upper=False)]
        hashes = [_line_shingles(onset, np.diff(pitch), i) for i, (onset, pitch) in enumerate(lines)]
    else:  # of drums a key is an instrument, so that it counts as it is
        onset, pitch = _outline(notes, upper=False)
        hashes = [_line_shingles(onset, pitch[1:], 2)]
    return np.unique(np.concatenate(hashes))[:MAX_SHINGLES]


def signature(shingle_set: Shingles) -> Signature:
    """The MinHash signature of a set of shingles: uint32 [SIGNATURE_SIZE]."""
    values = shingle_set.astype(np.uint64)
    hashed = (_MULTIPLIERS[:, None] * values[None, :] + _OFFSETS[:, None]) >> np.uint64(32)
    least: Signature = hashed.min(axis=1, initial=2**32 - 1).astype(np.uint32)
    return least


def group_duplicates(
    signatures: SignatureRows, load_shingles: Callable[[int], Shingles], threshold: float
) -> npt.NDArray[np.int64]:
    """The least number of a piece of its group, for each piece: int64 [N].

    Args:
        signatures: of all N pieces.
        load_shingles: gives the set of a piece by its number; called only for likely pairs.
        threshold: Jaccard index from which on two pieces are near-duplicates; their near-duplicates join the group.
    """
    parent = np.arange(len(signatures), dtype=np.int64)
    load = lru_cache(maxsize=256)(load_shingles)
    for bucket in _buckets(signatures):
        representatives: list[int] = []
        for piece in bucket.tolist():
            roots = {_root(parent, other) for other in representatives}
            if _root(parent, piece) in roots:
                continue
            for other in representatives:
                estimate = float(np.mean(signatures[piece] == signatures[other]))
                if estimate >= threshold - _ESTIMATE_SLACK and jaccard(load(piece), load(other)) >= threshold:
                    _unite(parent, piece, other)
                    break
            else:
                if len(representatives) < _MAX_REPRESENTATIVES:
                    representatives.append(piece)
    return np.fromiter((_root(parent, piece) for piece in range(len(parent))), dtype=np.int64, count=len(parent))


def _outline(notes: NoteArray, *, upper: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Onsets and pitches of the highest or lowest note at each onset: int64 [M] each."""
    pitch = notes["pitch"].astype(np.int64)
    order = np.lexsort((-pitch if upper else pitch, notes["onset"]))
    onset = notes["onset"].astype(np.int64)[order]
    first = np.flatnonzero(np.diff(onset, prepend=-1))
    return onset[first], pitch[order][first]


def _line_shingles(onset: npt.NDArray[np.int64], steps: npt.NDArray[np.int64], kind: int) -> Shingles:
    """Shingles of a line of M onsets and the M - 1 steps between them; a line too short for one is one itself."""
    gaps = np.diff(onset).astype(np.float64)
    ratios = np.zeros(len(gaps), dtype=np.int64)
    if len(gaps) > 1:
        ratios[1:] = np.rint(2.0 * np.log2(gaps[1:] / gaps[:-1])).clip(-8, 8)  # half octaves of duration
    symbols = ((steps + 128) * 32 + ratios + 16).astype(np.uint64)
    length = min(SHINGLE_NOTES - 1, max(len(symbols), 1))
    if len(symbols) == 0:
        symbols = np.zeros(1, dtype=np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(symbols, length).copy()
    windows[:, 0] |= np.uint64(31)  # the first ratio depends on the note before the shingle
    mixed = np.full(len(windows), kind + 1, dtype=np.uint64)
    for column in range(length):
        mixed = _mix(mixed ^ (windows[:, column] + np.uint64(column << 20)))
    return (mixed >> np.uint64(32)).astype(np.uint32)


def _buckets(signatures: SignatureRows) -> Iterator[npt.NDArray[np.int64]]:
    """Numbers of pieces, ascending, that agree in a whole band, for each such set of two or more."""
    for first in range(0, NUM_BANDS, _BANDS_AT_ONCE):
        keys = np.zeros((min(_BANDS_AT_ONCE, NUM_BANDS - first), len(signatures)), dtype=np.uint64)
        for numbers, rows in signatures.windows():
            for band, own in enumerate(keys, start=first):
                mixed = np.zeros(len(rows), dtype=np.uint64)
                for column in range(band * BAND_ROWS, (band + 1) * BAND_ROWS):
                    mixed = _mix(mixed ^ rows[:, column].astype(np.uint64))
                own[numbers] = mixed
        for own in keys:
            yield from _runs(own)


def _runs(keys: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.int64]]:
    """Numbers of equal keys, ascending, for each key that comes twice or more."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_same = np.zeros(len(keys) + 1, dtype=np.int8)
    is_same[1:-1] = ordered[1:] == ordered[:-1]
    edges = np.diff(is_same)
    for start, stop in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        yield order[start : stop + 1]


def _root(parent: npt.NDArray[np.int64], piece: int) -> int:
    while parent[piece] != piece:
        parent[piece] = parent[parent[piece]]
        piece = int(parent[piece])
    return piece


def _unite(parent: npt.NDArray[np.int64], left: int, right: int) -> None:
    low, high = sorted((_root(parent, left), _root(parent, right)))
    parent[high] = low


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Step of SplitMix64 (Steele, Lea, Flood, 2014): a bijection; every output bit depends on all input bits."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


_MULTIPLIERS = _mix(np.arange(SIGNATURE_SIZE, dtype=np.uint64)) | np.uint64(1)
_OFFSETS = _mix(np.arange(SIGNATURE_SIZE, dtype=np.uint64) + np.uint64(1 << 32))
