"""Signatures of scores: how much of their lines two of them share, without either of them.

MinHash of the short runs of a score (Broder, "On the resemblance and containment of documents", 1997), of which each
value keeps BITS bits (b-bit MinHash: Li and König, 2010). Scores in another key or tempo, on other instruments or
with some other notes have nearly the same signature. A table finds what is near by bands of values (Gionis, Indyk and
Motwani, 1999).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import Score
from lstm_core.originality.lines import Ints, voice_lines
from lstm_core.originality.runs import Hashes
from lstm_core.originality.sketches import kept_runs

NUM_VALUES = 64  # of 8 bits: 128 hexadecimal digits; the shared part is known to +-0.05
BAND_VALUES = 4  # of 16 bands one is equal with a probability of 0.89 where 0.6 is shared, 0.988 where 0.7 is
FEWEST_RUNS = 24  # a score with fewer different short runs is a pattern or a drone, and has no signature
# Share of equal values from which two scores are versions of one. Measured (November 2026) on 48 tracks of the base
# model, 60 s: two of them share at most 0.06. A track shares with itself 0.88 in the median (least 0.59) after every
# hundredth note has moved, 0.77 (0.58) after every fiftieth, 0.58 (0.36) after every twentieth, 0.89 (0.55) without one
# of its parts, 0.80 (0.48) without its last fifth.
NEAR_SHARE = 0.6

_KEYS = np.arange(1, NUM_VALUES + 1, dtype=np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)

Signatures = npt.NDArray[np.uint8]  # [N, NUM_VALUES]


def signature_of(score: Score) -> str | None:
    """The signature of a score as hexadecimal digits; None for one with too few different runs."""
    runs = kept_runs(voice_lines(score), 0)
    if len(runs) < FEWEST_RUNS:
        return None
    values = (runs[None, :] ^ _KEYS) * _MULTIPLIER  # [NUM_VALUES, number of runs]
    values = (values ^ (values >> np.uint64(32))) * _MULTIPLIER
    least: Hashes = (values ^ (values >> np.uint64(29))).min(axis=1)
    return (least & np.uint64(0xFF)).astype(np.uint8).tobytes().hex()


class SignatureTable:
    """Signatures by number; those that are None, or of another version, are near none."""

    def __init__(self, signatures: Sequence[str | None]) -> None:
        parsed = [_parsed(signature) for signature in signatures]
        found = [number for number, values in enumerate(parsed) if values is not None]
        self._numbers: Ints = np.array(found, dtype=np.int64)
        rows = b"".join(values for values in parsed if values is not None)
        self._values: Signatures = np.frombuffer(rows, dtype=np.uint8).reshape(-1, NUM_VALUES)
        bands = _bands(self._values)  # [NUM_BANDS, N]
        self._order = np.argsort(bands, axis=1, kind="stable").astype(np.int32)
        self._bands = np.take_along_axis(bands, self._order, axis=1)

    def near(self, signature: str | None) -> Ints:
        """The numbers of the signatures that share NEAR_SHARE with one, ascending: int64 [n]."""
        values = _parsed(signature)
        if values is None:
            return np.zeros(0, dtype=np.int64)
        own: Signatures = np.frombuffer(values, dtype=np.uint8)
        candidates = []
        for band, order, key in zip(self._bands, self._order, _bands(own[None])[:, 0], strict=True):
            low, high = np.searchsorted(band, key), np.searchsorted(band, key, side="right")
            candidates.append(order[low:high])
        rows = np.unique(np.concatenate(candidates))
        is_near = (self._values[rows] == own).mean(axis=1) >= NEAR_SHARE
        found: Ints = self._numbers[rows[is_near]]
        return found


def _parsed(signature: str | None) -> bytes | None:
    """The values of a signature, NUM_VALUES of one byte; None if it is none."""
    try:
        values = bytes.fromhex(signature or "")
    except ValueError:
        return None
    return values if len(values) == NUM_VALUES else None


def _bands(values: Signatures) -> npt.NDArray[np.uint32]:
    """The values of each band as one number: uint32 [NUM_VALUES / BAND_VALUES, N]."""
    return np.ascontiguousarray(np.ascontiguousarray(values).view("<u4").T)
