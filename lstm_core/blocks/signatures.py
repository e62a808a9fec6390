"""MinHash signatures of a whole corpus, half a kilobyte each: in a temporary file, not in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lstm_core.blocks.duplicates import SIGNATURE_SIZE, Signature

ROW_BYTES = 4 * SIGNATURE_SIZE
_WINDOW_ROWS = 2048  # read at once, 1 MB


class SignatureFile:
    """Signatures one after another in a file without a name, which is deleted with this object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="tonemill-")  # noqa: SIM115 - it lives as long as this
        self.num_rows = 0

    def append(self, signatures: bytes) -> int:
        """The place of the first of some signatures, uint32 [n, SIGNATURE_SIZE] as bytes; the others follow it."""
        first = self.num_rows
        self._file.write(signatures)
        self.num_rows += len(signatures) // ROW_BYTES
        return first

    def read(self, first: int, count: int) -> npt.NDArray[np.uint32]:
        """Signatures from a place on: uint32 [count, SIGNATURE_SIZE]."""
        self._file.flush()
        raw = os.pread(self._file.fileno(), count * ROW_BYTES, first * ROW_BYTES)
        return np.frombuffer(raw, dtype="<u4").reshape(-1, SIGNATURE_SIZE)


class Signatures:
    """The signatures of some pieces, which lie in a file at `places`: int64 [N]."""

    def __init__(self, file: SignatureFile, places: npt.NDArray[np.int64]) -> None:
        self._file, self._places = file, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Signature:
        row: Signature = self._file.read(int(self._places[number]), 1)[0]
        return row

    def windows(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]]:
        """All of them, some thousand at a time: numbers of pieces, int64 [n], and uint32 [n, SIGNATURE_SIZE]."""
        order = np.argsort(self._places, kind="stable")
        places = self._places[order]
        for first in range(0, self._file.num_rows, _WINDOW_ROWS):
            low, high = np.searchsorted(places, [first, first + _WINDOW_ROWS]).tolist()
            if low < high:
                rows = self._file.read(first, min(_WINDOW_ROWS, self._file.num_rows - first))
                yield order[low:high], rows[places[low:high] - first]


def in_file(signatures: npt.NDArray[np.uint32]) -> Signatures:
    """Signatures that were an array: uint32 [N, SIGNATURE_SIZE]."""
    file = SignatureFile()
    file.append(signatures.astype("<u4").tobytes())
    return Signatures(file, np.arange(len(signatures), dtype=np.int64))
