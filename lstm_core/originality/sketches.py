"""Which piece of a corpus is most like a score, from a sample of short runs of each piece.

The runs whose hash is under a limit are kept, of the corpus and of the score alike, so that what two share is kept of
both (modulo sampling of Broder, "On the resemblance and containment of documents", 1997). A run counts by how few
pieces it stands in: long pieces hold every scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import Score
from lstm_core.originality.lines import Line, voice_lines
from lstm_core.originality.runs import Hashes, line_steps, run_hashes

SHORT_RUN_NOTES = 6
KEY_BITS = 28  # of a kept hash; of 200,000 one in 1,300 is taken for another


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Sketches:
    """Kept short runs, ascending, and the piece of each: one run stands once for each piece that holds it."""

    num_pieces: int
    num_halvings: int  # one of 2^num_halvings short runs is kept
    keys: Hashes  # [n]
    pieces: Hashes  # numbers of pieces: [n]

    def nearest(self, score: Score) -> tuple[int, float]:
        """The number of the piece that holds most of the short runs of a score, and the share that it holds.

        0 to 1; each run weighs as much as it says, the binary logarithm of pieces to pieces with it. (-1, 0.0) if
        nothing is shared.
        """
        own = np.unique(_keys(kept_runs(voice_lines(score), self.num_halvings), self.num_halvings))
        low, high = np.searchsorted(self.keys, own), np.searchsorted(self.keys, own, side="right")
        weight = np.frexp(self.num_pieces / np.maximum(high - low, 1))[1].astype(np.int64)  # equal on every machine
        found = np.zeros(max(self.num_pieces, 1), dtype=np.int64)
        for start, stop, value in zip(low.tolist(), high.tolist(), weight.tolist(), strict=True):
            found[np.unique(self.pieces[start:stop]).astype(np.int64)] += value
        best = int(found.argmax())
        return (best, float(found[best] / weight.sum())) if found[best] else (-1, 0.0)


class SketchCollector:
    """Gathers short runs of pieces, and keeps fewer of each the more there are: at most `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._num_halvings = self._num_pieces = 0
        self._hashes = np.zeros(0, dtype=np.uint64)
        self._pieces = np.zeros(0, dtype=np.uint64)

    def add(self, lines: list[Line]) -> None:
        """Takes in the lines of the next piece."""
        hashes = kept_runs(lines, self._num_halvings)
        self._hashes = np.concatenate([self._hashes, hashes])
        self._pieces = np.concatenate([self._pieces, np.full(len(hashes), self._num_pieces, dtype=np.uint64)])
        self._num_pieces += 1
        while len(self._hashes) > self._most:
            self._num_halvings += 1
            kept = _is_kept(self._hashes, self._num_halvings)
            self._hashes, self._pieces = self._hashes[kept], self._pieces[kept]

    def result(self) -> Sketches:
        """The sketches of all pieces so far."""
        keys = _keys(self._hashes, self._num_halvings)
        order = np.lexsort((self._pieces, keys))
        return Sketches(
            num_pieces=self._num_pieces,
            num_halvings=self._num_halvings,
            keys=keys[order],
            pieces=self._pieces[order],
        )


def kept_runs(lines: list[Line], num_halvings: int) -> Hashes:
    """Hashes of the short runs of a piece's lines that are kept, ascending: uint64 [n]."""
    hashes = [run_hashes(line_steps(line), SHORT_RUN_NOTES) for line in lines]
    found = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *hashes]))
    return found[_is_kept(found, num_halvings)]


def _is_kept(hashes: Hashes, num_halvings: int) -> npt.NDArray[np.bool_]:
    return hashes <= np.uint64((1 << 64 - num_halvings) - 1)


def _keys(hashes: Hashes, num_halvings: int) -> Hashes:
    return hashes >> np.uint64(64 - num_halvings - KEY_BITS)
