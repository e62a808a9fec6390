"""Sorted keys, each with a value of a few bits, as few bits: gaps of keys in Rice's code, then the value.

Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979. Of n keys spread evenly over a range each
takes about log2(range / n) + 1.6 bits. The bytes are the same on every machine.
"""

# mypy: allow-untyped-decorators

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.originality.runs import Hashes

_HEAD = struct.Struct("<QBBBQ")  # number of keys, bits of a key, bits of a value, bits of a remainder, bytes
BITS_OF_A_GAP = 1.6  # beyond log2(range / n)


def pack_sorted(keys: Hashes, values: Hashes, *, key_bits: int, value_bits: int) -> bytes:
    """The bytes of ascending keys under 2^key_bits with values under 2^value_bits."""
    mean_gap_bits = key_bits - (max(len(keys), 1).bit_length() - 1)
    rest_bits = max(mean_gap_bits - 1, 0)
    gaps = np.diff(keys, prepend=np.uint64(0))
    num_bits = int((gaps >> np.uint64(rest_bits)).sum()) + len(keys) * (1 + rest_bits + value_bits)
    packed: npt.NDArray[np.uint8] = _pack(
        gaps, values, rest_bits, value_bits, np.zeros(num_bits // 8 + 1, dtype=np.uint8)
    )
    return bytes(_HEAD.pack(len(keys), key_bits, value_bits, rest_bits, len(packed)) + packed.tobytes())


def unpack_sorted(data: bytes, offset: int) -> tuple[Hashes, Hashes, int, int, int]:
    """Keys, values, bits of a key, bits of a value, and the offset after them."""
    num_keys, key_bits, value_bits, rest_bits, size = _HEAD.unpack_from(data, offset)
    start = offset + _HEAD.size
    keys, values = _unpack(np.frombuffer(data, np.uint8, size, start), num_keys, rest_bits, value_bits)
    return keys, values, key_bits, value_bits, start + size


@njit(cache=True, nogil=True)
def _pack(
    gaps: Hashes, values: Hashes, rest_bits: int, value_bits: int, packed: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    place = 0
    for i in range(len(gaps)):
        for _ in range(gaps[i] >> np.uint64(rest_bits)):
            packed[place >> 3] |= np.uint8(1 << (place & 7))
            place += 1
        place += 1  # a zero ends the ones
        for bit in range(rest_bits):
            packed[place >> 3] |= np.uint8(((gaps[i] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place & 7))
            place += 1
        for bit in range(value_bits):
            packed[place >> 3] |= np.uint8(((values[i] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place & 7))
            place += 1
    return packed


@njit(cache=True, nogil=True)
def _unpack(packed: npt.NDArray[np.uint8], num_keys: int, rest_bits: int, value_bits: int) -> tuple[Hashes, Hashes]:
    keys, values = np.zeros(num_keys, dtype=np.uint64), np.zeros(num_keys, dtype=np.uint64)
    place, key = 0, np.uint64(0)
    for i in range(num_keys):
        gap = np.uint64(0)
        while packed[place >> 3] >> (place & 7) & 1:
            gap += np.uint64(1)
            place += 1
        place += 1
        gap <<= np.uint64(rest_bits)
        for bit in range(rest_bits):
            gap |= np.uint64(packed[place >> 3] >> (place & 7) & 1) << np.uint64(bit)
            place += 1
        key += gap
        keys[i] = key
        for bit in range(value_bits):
            values[i] |= np.uint64(packed[place >> 3] >> (place & 7) & 1) << np.uint64(bit)
            place += 1
    return keys, values
