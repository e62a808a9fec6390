"""Drawing a value from logits: counter-based random numbers, temperature, nucleus. Compiled, one row at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit

_ROUND_0, _ROUND_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
LEAST_EXPONENT = -40.0  # values of lesser weight beside the greatest are never drawn: numbers have 32 bits
MAX_LOOKS = 6
SCRATCH_ROWS = 6
LOG2_E, LN_2 = math.log2(math.e), math.log(2.0)
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
    offered: npt.NDArray[np.uint8],
    temperature: float,
    top_p: float,
    number: float,
    scratch: npt.NDArray[np.float64],
) -> int:
    """A value v with allowed[v], drawn with `number` in [0, 1) from softmax(logits / temperature) over the allowed.

    With top_p below 1 only the smallest set of most probable values whose share reaches top_p takes part: nucleus
    sampling of Holtzman et al. 2020. Where offered[v], v would repeat what was played, and whether to repeat is decided
    first: see _keep_nuclei. logits: float32 [V]; scratch: float64 [SCRATCH_ROWS, V or more], overwritten. -1 if nothing
    is allowed.
    """
    # What is allowed, side by side: the loops below then hold no branches that the processor could guess wrong.
    values = scratch[0].view(np.int64)
    count = 0
    for v in range(len(logits)):
        values[count] = v
        count += 1 if allowed[v] else 0
    if count < 2:
        return values[0] if count else -1
    highest = -math.inf
    chosen, repeats = scratch[1, :count], scratch[2, :count]  # repeats: 1 where a value repeats, else 0
    for i in range(count):
        chosen[i] = logits[values[i]]
        repeats[i] = 1.0 if offered[values[i]] else 0.0
        highest = max(highest, chosen[i])
    if highest == -math.inf:
        return -1
    weights, spare = scratch[3, :count], scratch[4:, :count]
    _set_weights(chosen, highest, temperature, weights, spare[0].view(np.int64))
    total = 0.0
    for i in range(count):
        total += weights[i]
    wanted = number * total
    if top_p < 1.0:
        wanted = number * _keep_nuclei(weights, repeats, total, top_p, spare)
    last = -1
    for i in range(count):
        if weights[i] > 0.0:
            last = values[i]
            wanted -= weights[i]
            if wanted < 0.0:
                return last
    return last


@njit(cache=True, nogil=True, error_model="numpy")
def _set_weights(
    logits: npt.NDArray[np.float64],
    highest: float,
    temperature: float,
    weights: npt.NDArray[np.float64],
    powers: npt.NDArray[np.int64],
) -> None:
    """Sets weights to exp((logits - highest) / temperature), and to 0 where that is under exp(LEAST_EXPONENT).

    In plain arithmetic, so that the compiler works on eight values at once: 2^k is made of bits, and e^g with
    |g| <= log(2) / 2 is its Taylor series to the eighth power, with an error of at most 2e-10 of it.
    """
    scale = 1.0 / temperature
    for v in range(len(logits)):
        exponent = max((logits[v] - highest) * scale, LEAST_EXPONENT)
        k = math.floor(exponent * LOG2_E + 0.5)
        g = exponent - k * LN_2
        series = 1.0 + g * (1.0 / 8.0)
        series = 1.0 + g * (1.0 / 7.0) * series
        series = 1.0 + g * (1.0 / 6.0) * series
        series = 1.0 + g * (1.0 / 5.0) * series
        series = 1.0 + g * (1.0 / 4.0) * series
        series = 1.0 + g * (1.0 / 3.0) * series
        series = 1.0 + g * (1.0 / 2.0) * series
        weights[v] = 1.0 + g * series if exponent > LEAST_EXPONENT else 0.0
        powers[v] = (np.int64(k) + 1023) << 52
    two_to_k = powers.view(np.float64)
    for v in range(len(logits)):
        weights[v] *= two_to_k[v]


@njit(cache=True, nogil=True)
def _keep_nuclei(
    weights: npt.NDArray[np.float64],
    repeats: npt.NDArray[np.float64],
    total: float,
    top_p: float,
    spare: npt.NDArray[np.float64],
) -> float:
    """Sets to zero what is unlikely, and gives back the sum of what is left.

    A nucleus over all values would cut off every departure from what was played, which has some 1 % at each note: a
    riff would repeat for ever. So the choice between repeating and departing is cut at a smaller share, and the
    nucleus is taken of the values that depart, which keep their share of the whole together.
    """
    repeating = 0.0
    for i in range(len(weights)):
        repeating += weights[i] * repeats[i]
    departing = total - repeating
    if repeating < (1.0 - top_p) * total:
        return _keep_nucleus(weights, total, top_p, spare[0])
    if departing < DEPARTURE * (1.0 - top_p) * total:
        for i in range(len(weights)):
            weights[i] *= repeats[i]
        return repeating
    rest = spare[1]
    for i in range(len(weights)):
        rest[i] = weights[i] * (1.0 - repeats[i])
    scale = departing / _keep_nucleus(rest, departing, top_p, spare[0])
    for i in range(len(weights)):
        weights[i] = weights[i] * repeats[i] + rest[i] * scale
    return total


@njit(cache=True, nogil=True)
def _keep_nucleus(
    weights: npt.NDArray[np.float64], total: float, top_p: float, candidates: npt.NDArray[np.float64]
) -> float:
    """Sets to zero all weights outside the nucleus and gives back the sum of those inside.

    Of equal weights at its border the lowest values are kept.
    """
    # All that lie under this together miss less than 1 - top_p, so that none of them can be needed.
    least = (1.0 - top_p) * total / len(weights)
    count = 0
    for weight in weights:
        candidates[count] = weight
        count += 1 if weight >= least else 0
    kept, threshold, num_at_border = _nucleus(candidates[:count], top_p * total)
    for v in range(len(weights)):
        if weights[v] == threshold and num_at_border > 0:
            num_at_border -= 1
        elif weights[v] <= threshold:
            weights[v] = 0.0
    return kept


@njit(cache=True, nogil=True)
def _nucleus(candidates: npt.NDArray[np.float64], wanted: float) -> tuple[float, float, int]:
    """Sum of the greatest candidates that reach `wanted`, the least of them, and how many of its size are among them.

    Most nuclei are a few values, which a look or two finds; a sort of all of them took half of the time of a draw.
    """
    kept, threshold = 0.0, math.inf
    for _ in range(MAX_LOOKS):
        greatest, num_equal = -1.0, 0
        for weight in candidates:
            if weight < threshold:
                if weight > greatest:
                    greatest, num_equal = weight, 1
                elif weight == greatest:
                    num_equal += 1
        threshold = greatest
        for number in range(num_equal):
            kept += threshold
            if kept >= wanted:
                return kept, threshold, number + 1
    ordered = np.sort(candidates)
    kept, place = 0.0, len(ordered)
    while place > 0 and kept < wanted:
        place -= 1
        kept += ordered[place]
    threshold = ordered[place]
    num_at_border = 0
    while place < len(ordered) and ordered[place] == threshold:
        num_at_border += 1
        place += 1
    return kept, threshold, num_at_border
