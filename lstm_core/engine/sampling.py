"""Drawing a value from logits: counter-based random numbers, temperature, nucleus. Compiled, one row at a time.

All in integers, so that the same logits give the same value on every machine; see fixed_point.py for the units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.fixed_point import ALL_SHARES, POWER_BITS, SHARE_BITS, WEIGHT_BITS, power_table

Ints = npt.NDArray[np.int64]

_ROUND_0, _ROUND_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
SCRATCH_ROWS = 6
DEPARTURE_PERCENT = 30  # of 1 - top_p, under which a departure is cut off; measured, see DECISIONS.md
_POWERS = power_table()
_BIN_BITS = POWER_BITS - 3
_NUM_BINS = (WEIGHT_BITS + 1) << 3
_HALF_SHARE = 1 << (SHARE_BITS - 1)
_LAST_FRACTION = (1 << POWER_BITS) - 1


@njit(cache=True, nogil=True)
def philox(counter_0: int, counter_1: int, counter_2: int, counter_3: int, key: int) -> tuple[Any, Any, Any, Any]:
    """Four random words of 32 bits for a counter of four words and a key of 64 bits, its low word first.

    Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
    """
    x0, x1 = np.uint64(counter_0) & _LOW, np.uint64(counter_1) & _LOW
    x2, x3 = np.uint64(counter_2) & _LOW, np.uint64(counter_3) & _LOW
    k0, k1 = np.uint64(key) & _LOW, np.uint64(key) >> _WORD
    for _ in range(10):
        product_0, product_1 = _ROUND_0 * x0, _ROUND_1 * x2
        x0, x2 = (product_1 >> _WORD) ^ x1 ^ k0, (product_0 >> _WORD) ^ x3 ^ k1
        x1, x3 = product_1 & _LOW, product_0 & _LOW
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return x0, x1, x2, x3


@njit(cache=True, nogil=True)
def random_word(seed: int, event: int, stream: int) -> Any:
    """The random number of 32 bits of one choice of one track: it depends on nothing else."""
    return np.int64(philox(event, stream, 0, 0, seed)[0])


@njit(cache=True, nogil=True)
def draw(
    logits: npt.NDArray[np.int32],
    allowed: npt.NDArray[np.uint8],
    offered: npt.NDArray[np.uint8],
    sharp: int,
    top_p: int,
    word: int,
    scratch: Ints,
) -> int:
    """A value v with allowed[v], drawn with a random `word` from softmax(logits / temperature) over the allowed.

    `sharp` is sharpness(temperature) and `top_p` a share. Below 1 only the smallest set of most probable values whose
    share reaches top_p takes part: nucleus sampling of Holtzman et al. 2020. Where offered[v], v would repeat what was
    played, and whether to repeat is decided first: see _keep_nuclei. logits: int32 [V] in the unit 2^-LOGIT_BITS, V at
    most 65,536; scratch: int64 [SCRATCH_ROWS, V or more], overwritten. -1 if nothing is allowed.
    """
    # What is allowed, side by side: the loops below then hold no branches that the processor could guess wrong.
    values = scratch[0]
    count = 0
    for v in range(len(logits)):
        values[count] = v
        count += 1 if allowed[v] else 0
    if count < 2:
        return values[0] if count else -1
    chosen, repeats = scratch[1, :count], scratch[2, :count]  # repeats: 1 where a value repeats, else 0
    highest = np.int64(logits[values[0]])
    for i in range(count):
        chosen[i] = logits[values[i]]
        repeats[i] = 1 if offered[values[i]] else 0
        highest = max(highest, chosen[i])
    weights, spare = scratch[3, :count], scratch[4:, :count]
    total = _set_weights(chosen, highest, sharp, weights)
    if top_p < ALL_SHARES:
        total = _keep_nuclei(weights, chosen, repeats, total, top_p, spare)
    wanted = _part(total, word)
    last = -1
    for i in range(count):
        if weights[i] > 0:
            last = values[i]
            wanted -= weights[i]
            if wanted < 0:
                return last
    return last


@njit(cache=True, nogil=True)
def _part(total: int, word: int) -> int:
    """total word / 2^32, rounded down: total below 2^47 and word below 2^32, so that nothing overflows."""
    high, low = total >> 16, total & 0xFFFF
    return (high * word + ((low * word) >> 16)) >> 16


@njit(cache=True, nogil=True)
def _set_weights(logits: Ints, highest: int, sharp: int, weights: Ints) -> Any:
    """Sets logits to p = (highest - logits) log2(e) / temperature in the unit 2^-POWER_BITS, and weights to
    2^(WEIGHT_BITS - p), rounded down; returns their sum.
    """
    for v in range(len(logits)):
        logits[v] = ((highest - logits[v]) * sharp + _HALF_SHARE) >> SHARE_BITS
    total = np.int64(0)
    for v in range(len(logits)):
        weight = _POWERS[logits[v] & _LAST_FRACTION] >> min(logits[v] >> POWER_BITS, WEIGHT_BITS + 1)
        weights[v] = weight
        total += weight
    return total


@njit(cache=True, nogil=True)
def _keep_nuclei(weights: Ints, powers: Ints, repeats: Ints, total: int, top_p: int, spare: Ints) -> Any:
    """Sets to zero what is unlikely, and gives back the sum of what is left.

    A nucleus over all values would cut off every departure from what was played, which has some 1 % at each note: a
    riff would repeat for ever. So the choice between repeating and departing is cut at a smaller share, and the
    nucleus is taken of the values that depart, which keep their share of the whole together.
    """
    repeating = np.int64(0)
    for i in range(len(weights)):
        repeating += weights[i] * repeats[i]
    departing = total - repeating
    outside = total - ((total * top_p) >> SHARE_BITS)
    if repeating < outside:
        return _keep_nucleus(weights, powers, total, top_p, spare[0])
    if departing < outside * DEPARTURE_PERCENT // 100:
        for i in range(len(weights)):
            weights[i] *= repeats[i]
        return repeating
    rest = spare[1]
    for i in range(len(weights)):
        rest[i] = weights[i] * (1 - repeats[i])
    kept = _keep_nucleus(rest, powers, departing, top_p, spare[0])
    scale = (departing << SHARE_BITS) // max(kept, 1)
    total = 0
    for i in range(len(weights)):
        weights[i] = weights[i] * repeats[i] + ((rest[i] * scale) >> SHARE_BITS)
        total += weights[i]
    return total


@njit(cache=True, nogil=True)
def _keep_nucleus(weights: Ints, powers: Ints, total: int, top_p: int, members: Ints) -> Any:
    """Sets to zero all weights outside the nucleus and gives back the sum of those inside.

    The most probable come first, that is those of the least powers; of equally probable ones the lowest values. They
    are added up in bins of eighths of an octave, and one by one in the bin at the border alone.
    """
    sums = np.zeros(_NUM_BINS, dtype=np.int64)
    for v in range(len(weights)):
        sums[min(powers[v] >> _BIN_BITS, _NUM_BINS - 1)] += weights[v]
    wanted, kept, border = max((total * top_p) >> SHARE_BITS, 1), np.int64(0), 0
    while border < _NUM_BINS - 1 and kept + sums[border] < wanted:
        kept += sums[border]
        border += 1
    count = 0
    for v in range(len(weights)):
        members[count] = v
        count += 1 if min(powers[v] >> _BIN_BITS, _NUM_BINS - 1) == border and weights[v] > 0 else 0
    last, num_last = np.int64(-1), np.int64(0)  # the greatest power inside, and how many of it
    while kept < wanted:
        least, num_least, weight = np.int64(1) << np.int64(62), np.int64(0), np.int64(1)
        for i in range(count):
            power = powers[members[i]]
            if last < power < least:
                least, num_least, weight = power, np.int64(1), weights[members[i]]
            elif power == least:
                num_least += 1
        if num_least == 0:
            break  # nothing is left
        last, num_last = least, min(num_least, (wanted - kept + weight - 1) // weight)
        kept += num_last * weight
    for v in range(len(weights)):
        if powers[v] == last and num_last > 0:
            num_last -= 1 if weights[v] > 0 else 0
        elif powers[v] >= last:
            weights[v] = 0
    return kept
