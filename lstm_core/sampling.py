"""Drawing a value from logits: counter-based random numbers, temperature, nucleus. Compiled, one row at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

_ROUND_0, _ROUND_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
OFFERED = 2  # of what is allowed: a value that would repeat what was played
DEPARTURE = 0.3  # share of 1 - top_p under which a departure is cut off; measured, see DECISIONS.md
_WORD = np.uint64(32)


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
def uniform(seed: int, event: int, stream: int) -> float:
    """The random number in [0, 1) of one choice of one track: it depends on nothing else."""
    return float(philox(event, stream, 0, 0, seed)[0]) * 2.0**-32


@njit(cache=True, nogil=True)
def draw(
    logits: npt.NDArray[np.float32],
    allowed: npt.NDArray[np.uint8],
    temperature: float,
    top_p: float,
    number: float,
    scratch: npt.NDArray[np.float64],
) -> int:
    """A value v with allowed[v], drawn with `number` in [0, 1) from softmax(logits / temperature) over the allowed.

    With top_p below 1 only the smallest set of most probable values whose share reaches top_p takes part: nucleus
    sampling of Holtzman et al. 2020. Where allowed[v] is OFFERED, v would repeat what was played, and whether to
    repeat is decided first: see _keep_nuclei. logits: float32 [V]; scratch: float64 [V], overwritten. -1 if nothing
    is allowed.
    """
    size = len(logits)
    highest = -math.inf
    for v in range(size):
        if allowed[v] and logits[v] > highest:
            highest = logits[v]
    if highest == -math.inf:
        return -1
    total, repeating = 0.0, 0.0
    for v in range(size):
        scratch[v] = math.exp((logits[v] - highest) / temperature) if allowed[v] else 0.0
        total += scratch[v]
        if allowed[v] == OFFERED:
            repeating += scratch[v]
    wanted = number * total
    if top_p < 1.0:
        wanted = number * _keep_nuclei(scratch, allowed, total, repeating, top_p)
    last = -1
    for v in range(size):
        if scratch[v] > 0.0:
            last = v
            wanted -= scratch[v]
            if wanted < 0.0:
                return v
    return last


@njit(cache=True, nogil=True)
def _keep_nuclei(
    weights: npt.NDArray[np.float64], allowed: npt.NDArray[np.uint8], total: float, repeating: float, top_p: float
) -> float:
    """Sets to zero what is unlikely, and gives back the sum of what is left.

    A nucleus over all values would cut off every departure from what was played, which has some 1 % at each note: a
    riff would go round for ever. So the choice between repeating and departing is cut at a smaller share, and the
    nucleus is taken of the values that depart, which keep their share of the whole together.
    """
    departing = total - repeating
    if repeating < (1.0 - top_p) * total:
        return _keep_nucleus(weights, total, top_p)
    if departing < DEPARTURE * (1.0 - top_p) * total:
        for v in range(len(weights)):
            if allowed[v] != OFFERED:
                weights[v] = 0.0
        return repeating
    rest = np.empty(len(weights), dtype=np.float64)
    for v in range(len(weights)):
        rest[v] = 0.0 if allowed[v] == OFFERED else weights[v]
    scale = departing / _keep_nucleus(rest, departing, top_p)
    for v in range(len(weights)):
        if allowed[v] != OFFERED:
            weights[v] = rest[v] * scale
    return total


@njit(cache=True, nogil=True)
def _keep_nucleus(weights: npt.NDArray[np.float64], total: float, top_p: float) -> float:
    """Sets to zero all weights outside the nucleus and gives back the sum of those inside.

    Of equal weights at its border the lowest values are kept.
    """
    # All that lie under this together miss less than 1 - top_p, so that none of them can be needed.
    least = (1.0 - top_p) * total / len(weights)
    candidates = np.empty(len(weights), dtype=np.float64)
    count = 0
    for weight in weights:
        if weight >= least:
            candidates[count] = weight
            count += 1
    ordered = np.sort(candidates[:count])
    kept, place = 0.0, count
    while place > 0 and kept < top_p * total:
        place -= 1
        kept += ordered[place]
    threshold = ordered[place]
    num_at_border = 0
    while place < count and ordered[place] == threshold:
        num_at_border += 1
        place += 1
    for v in range(len(weights)):
        if weights[v] == threshold and num_at_border > 0:
            num_at_border -= 1
        elif weights[v] <= threshold:
            weights[v] = 0.0
    return kept
