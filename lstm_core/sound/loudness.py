"""How loud a waveform is and how high it peaks, as Recommendation ITU-R BS.1770-4 (2015) says."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.elementary.angles import sin, tan_of
from lstm_core.foundation.elementary.powers import exp10_of, log10, log10_of
from lstm_core.sound.audio import Waveform

SILENCE_LUFS = -70.0  # blocks under the absolute gate count as silence; so does a waveform that has no others
RELATIVE_GATE_LU = -10.0
BLOCK_HOPS = 4  # a block is 400 ms, a hop 100 ms
SHORTEST_LOOP_HOPS = 60  # 6 s; shorter loops are measured for as many rounds as fill it
WARM_UP_S = 1.0  # the filters forget within: their slowest pole, at 38 Hz, has decayed by 200 dB in 0.1 s
OVERSAMPLING = 4
TAPS_PER_PHASE = 24  # half of them on either side; within 0.02 dB of ideal up to 0.42 of the sample rate
TILE_SAMPLES = 32  # looked at together
STATE_SIZE = 12  # what the filters of two channels remember


def integrated_loudness(waveform: Waveform, sample_rate: int, *, is_loop: bool = False) -> float:
    """Integrated loudness in LUFS of float32 [C, S], C 1 or 2; -inf when nothing passes the absolute gate.

    A loop is measured as if it had been playing for ever: filters start as they ended and blocks run over the seam,
    so loops may have any length. Of other audio only whole blocks count; what is shorter than one is one block.
    """
    hop = round(sample_rate / 10)
    num_samples = waveform.shape[1]
    if num_samples == 0:
        return -np.inf
    if is_loop:
        num_rounds = -(-SHORTEST_LOOP_HOPS * hop // num_samples)
        num_hops = -(-num_rounds * num_samples // hop) + BLOCK_HOPS - 1
    elif num_samples >= BLOCK_HOPS * hop:
        num_hops = num_samples // hop
    else:
        hop, num_hops = -(-num_samples // BLOCK_HOPS), BLOCK_HOPS
    warm_up = round(WARM_UP_S * sample_rate) if is_loop else 0
    right = waveform[1] if len(waveform) == 2 else np.zeros_like(waveform[0])
    energies = _weighted_energies(waveform[0], right, _k_weighting(sample_rate), hop, num_hops, warm_up)
    return _gated(_blocks(energies, hop))


class LoudnessMeter:
    """Integrated loudness of one or two channels that come in chunks: the same as that of all of it at once."""

    def __init__(self, sample_rate: int) -> None:
        self._filters = _k_weighting(sample_rate)
        self._hop = round(sample_rate / 10)
        self._state = np.zeros(STATE_SIZE)
        self._energies: list[float] = []  # of whole hops
        self._energy, self._num_weighed = 0.0, 0  # of the hop that has begun

    def add(self, chunk: Waveform) -> None:
        """Takes float32 [C, S], C 1 or 2."""
        right = chunk[1] if len(chunk) == 2 else np.zeros_like(chunk[0])
        first = 0
        while first < chunk.shape[1]:
            end = min(first + self._hop - self._num_weighed, chunk.shape[1])
            self._energy = _weigh(chunk[0, first:end], right[first:end], self._filters, self._state, self._energy)
            self._num_weighed += end - first
            if self._num_weighed == self._hop:
                self._energies.append(self._energy)
                self._energy, self._num_weighed = 0.0, 0
            first = end

    def hop_energies(self) -> npt.NDArray[np.float64]:
        """Energy of the K-weighted channels in each whole hop of 100 ms so far: float64 [hops]."""
        return np.array(self._energies)


def loudness_of_hops(energies: npt.NDArray[np.float64], sample_rate: int) -> float:
    """Integrated loudness in LUFS of energies from LoudnessMeter, those of several pairs of channels added up."""
    if len(energies) < BLOCK_HOPS:
        return -np.inf
    hop = round(sample_rate / 10)
    return _gated(_blocks(energies, hop))


def true_peak_dbtp(waveform: Waveform, *, is_loop: bool = False) -> float:
    """Highest peak between and on the samples in dBTP of float32 [C, S], at four times the rate; -inf for silence.

    Around the seam of a loop both are looked at: what sounds when it repeats, and what a meter sees that reads the
    file once.
    """
    filters, reach = _interpolators()
    peak = max((float(_true_peak(channel, filters, reach, is_loop)) for channel in waveform), default=0.0)
    return float(20 * log10_of(peak)) if peak > 0 else -np.inf


def tile_peaks(waveform: Waveform, floor: float, *, is_loop: bool = False) -> npt.NDArray[np.float32]:
    """Highest true peak over both channels in each tile of 32 samples, exact where over `floor`: float32 [tiles]."""
    filters, reach = _interpolators()
    peaks = np.zeros(-(-waveform.shape[1] // TILE_SAMPLES), dtype=np.float32)
    for channel in waveform:
        _raise_to_tile_peaks(channel, filters, reach, is_loop, np.float32(floor), peaks)
    return peaks


def _blocks(energies: npt.NDArray[np.float64], hop: int) -> npt.NDArray[np.float64]:
    """Mean energy of each block of those in hops."""
    num_blocks = len(energies) - BLOCK_HOPS + 1
    total = sum(energies[first : first + num_blocks] for first in range(BLOCK_HOPS))
    return np.asarray(total / (BLOCK_HOPS * hop))


def _gated(blocks: npt.NDArray[np.float64]) -> float:
    """Loudness of block energies under the two gates of Annex 1."""

    def loudness(energy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return -0.691 + 10 * log10(energy)

    audible = blocks[loudness(blocks) > SILENCE_LUFS]
    if len(audible) == 0:
        return -np.inf
    gate = float(loudness(audible.mean())) + RELATIVE_GATE_LU
    return float(loudness(audible[loudness(audible) > gate].mean()))


@lru_cache(maxsize=8)
def _k_weighting(sample_rate: int) -> npt.NDArray[np.float64]:
    """Coefficients b0 b1 b2 a1 a2 of the shelf and of the high-pass: float64 [2, 5].

    The two analogue filters behind the table of the Recommendation, for any rate (B. De Man, Evaluation of
    implementations of the EBU R128 loudness measurement, AES 145, 2018); at 48 kHz they are that table.
    """
    k = tan_of(np.pi * 1681.974450955533 / sample_rate)
    q, gain = 0.7071752369554196, 3.999843853973347 / 20
    high, band = exp10_of(gain), exp10_of(0.4996667741545416 * gain)
    norm = 1 + k / q + k * k
    shelf = np.array([high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k])
    poles = np.array([2 * (k * k - 1), 1 - k / q + k * k])
    first = np.concatenate([shelf, poles]) / norm
    k, q = tan_of(np.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    norm = 1 + k / q + k * k
    second = np.array([1.0, -2.0, 1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm])
    return np.stack([first, second])


@njit(cache=True, nogil=True)
def _weighted_energies(left, right, filters, hop, num_hops, warm_up):  # type: ignore[no-untyped-def]
    """Energy of the K-weighted signals in each hop: float64 [num_hops]. They are read as a loop."""
    energies = np.zeros(num_hops)
    state = np.zeros(STATE_SIZE)
    size = len(left)
    at = (size - warm_up % size) % size
    for number in range(-1, num_hops):
        energy, wanted = 0.0, hop if number >= 0 else warm_up
        while wanted > 0:
            count = min(wanted, size - at)
            energy = _weigh(left[at : at + count], right[at : at + count], filters, state, energy)
            at = at + count if at + count < size else 0
            wanted -= count
        if number >= 0:
            energies[number] = energy
    return energies


@njit(cache=True, nogil=True)
def _weigh(left, right, filters, state, energy):  # type: ignore[no-untyped-def]
    """`energy` with that of the K-weighted signals added; `state`, float64 [STATE_SIZE], continues from call to call.

    Direct form, and both channels at once: the chain from sample to sample is short, and the processor works on two.
    """
    b0, b1, b2, a1, a2 = filters[0]
    _, _, _, c1, c2 = filters[1]  # its zeros are 1, -2, 1
    x1, x2, y1, y2, z1, z2 = state[0], state[1], state[2], state[3], state[4], state[5]
    u1, u2, v1, v2, w1, w2 = state[6], state[7], state[8], state[9], state[10], state[11]
    for i in range(len(left)):
        x, u = np.float64(left[i]), np.float64(right[i])
        y = ((b0 * x + b1 * x1 + b2 * x2) - a2 * y2) - a1 * y1
        v = ((b0 * u + b1 * u1 + b2 * u2) - a2 * v2) - a1 * v1
        z = ((y - 2.0 * y1 + y2) - c2 * z2) - c1 * z1
        w = ((v - 2.0 * v1 + v2) - c2 * w2) - c1 * w1
        x2, x1, y2, y1, z2, z1 = x1, x, y1, y, z1, z
        u2, u1, v2, v1, w2, w1 = u1, u, v1, v, w1, w
        energy += z * z + w * w
    state[0], state[1], state[2], state[3], state[4], state[5] = x1, x2, y1, y2, z1, z2
    state[6], state[7], state[8], state[9], state[10], state[11] = u1, u2, v1, v2, w1, w2
    return energy


@lru_cache(maxsize=1)
def _interpolators() -> tuple[npt.NDArray[np.float32], float]:
    """Filters for the three points between two samples, float32 [3, TAPS_PER_PHASE], and how far they can overshoot."""
    half = TAPS_PER_PHASE // 2
    offsets = np.arange(1 - half, half + 1) - np.arange(1, OVERSAMPLING)[:, None] / OVERSAMPLING
    filters = sin(np.pi * offsets) / (np.pi * offsets) * _i0(6.0 * np.sqrt(np.maximum(1 - (offsets / half) ** 2, 0)))
    filters /= filters.sum(axis=1, keepdims=True)
    return filters.astype(np.float32), float(np.abs(filters).sum(axis=1).max())


def _i0(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The Bessel function of Kaiser's window by its series, for x up to 6: float64, as x."""
    term = total = np.ones_like(x)
    for n in range(1, 30):
        term = term * (x * x) / (4.0 * n * n)
        total = total + term
    return total


@njit(cache=True, nogil=True)
def _tile_maxima(x):  # type: ignore[no-untyped-def]
    """Highest sample of each tile: float32 [tiles].

    Floats without their sign bit are ordered as integers are, and a maximum of integers over fixed lanes is one that
    the compiler makes fast.
    """
    bits = x.view(np.int32)
    maxima = np.zeros(-(-len(x) // TILE_SAMPLES), dtype=np.int32)
    lanes = np.empty(TILE_SAMPLES // 2, dtype=np.int32)
    for tile in range(len(x) // TILE_SAMPLES):
        first = np.uint64(tile * TILE_SAMPLES)
        for i in range(TILE_SAMPLES // 2):
            here = bits[first + np.uint64(i)] & np.int32(0x7FFFFFFF)
            there = bits[first + np.uint64(i + TILE_SAMPLES // 2)] & np.int32(0x7FFFFFFF)
            lanes[i] = max(here, there)
        top = np.int32(0)
        for lane in lanes:
            top = max(top, lane)
        maxima[tile] = top
    for i in range(len(x) // TILE_SAMPLES * TILE_SAMPLES, len(x)):
        maxima[-1] = max(maxima[-1], bits[i] & np.int32(0x7FFFFFFF))
    return maxima.view(np.float32)


@njit(cache=True, nogil=True)
def _peak_of_tile(x, tile, filters, is_loop, rows):  # type: ignore[no-untyped-def]
    """Highest true peak from a tile's first sample up to the next one's, of a loop both ways; `rows`: `_scratch`."""
    size = len(x)
    first = tile * TILE_SAMPLES
    count = min(TILE_SAMPLES, size - first)
    start = first - TAPS_PER_PHASE // 2 + 1
    if start >= 0 and start + TILE_SAMPLES + TAPS_PER_PHASE <= size:
        return _peak_within(x, start, count, filters, rows[1], rows[2])
    near = rows[0]
    for i in range(len(near)):
        near[i] = x[start + i] if 0 <= start + i < size else np.float32(0.0)
    top = _peak_within(near, 0, count, filters, rows[1], rows[2])
    if is_loop:
        for i in range(len(near)):
            near[i] = x[(start + i) % size]
        top = max(top, _peak_within(near, 0, count, filters, rows[1], rows[2]))
    return top


@njit(cache=True, nogil=True)
def _peak_within(x, start, count, filters, sums, tops):  # type: ignore[no-untyped-def]
    """Highest true peak of `count` samples that begin half a filter after `start`.

    Eight taps at a time, and indices without a sign, which need no check for counting from the end: six times as fast
    as the plain loops.
    """
    one = np.uint64(1)
    for i in range(TILE_SAMPLES):
        tops[i] = abs(x[start + TAPS_PER_PHASE // 2 - 1 + i])
    for phase in range(OVERSAMPLING - 1):
        taps = filters[phase]
        sums[:] = 0.0
        for tap in range(0, TAPS_PER_PHASE, 8):
            a, b, c, d = taps[tap], taps[tap + 1], taps[tap + 2], taps[tap + 3]
            e, f, g, h = taps[tap + 4], taps[tap + 5], taps[tap + 6], taps[tap + 7]
            for i in range(TILE_SAMPLES):
                j = np.uint64(start + tap + i)
                k = j + np.uint64(4)
                sums[i] = (
                    sums[i]
                    + (a * x[j] + b * x[j + one] + c * x[j + one + one] + d * x[k - one])
                    + (e * x[k] + f * x[k + one] + g * x[k + one + one] + h * x[k + np.uint64(3)])
                )
        for i in range(TILE_SAMPLES):
            tops[i] = max(tops[i], abs(sums[i]))
    top = np.float32(0.0)
    for i in range(count):
        top = max(top, tops[i])
    return top


@njit(cache=True, nogil=True)
def _scratch():  # type: ignore[no-untyped-def]
    """Rows for the samples around a tile, sums of products and highest values: float32 [3, tile and filter]."""
    return np.zeros((3, TILE_SAMPLES + TAPS_PER_PHASE), dtype=np.float32)


@njit(cache=True, nogil=True)
def _true_peak(x, filters, reach, is_loop):  # type: ignore[no-untyped-def]
    """Highest true peak. Only tiles that can beat the highest so far are interpolated.

    No interpolated value is higher than `reach` times the highest sample under the filter, which lies in the tile or in
    one beside it.
    """
    maxima = _tile_maxima(x)
    best = maxima.max()
    rows = _scratch()
    num_tiles = len(maxima)
    for tile in range(num_tiles):
        around = max(maxima[tile - 1], maxima[tile], maxima[(tile + 1) % num_tiles])
        if tile < 2 or tile >= num_tiles - 2:
            around = best  # a short last tile lets the filter reach one further
        if around * reach > best:
            best = max(best, _peak_of_tile(x, tile, filters, is_loop, rows))
    return best


@njit(cache=True, nogil=True)
def _raise_to_tile_peaks(x, filters, reach, is_loop, floor, peaks):  # type: ignore[no-untyped-def]
    """Raises each of `peaks` to the true peak of its tile where that is over `floor`."""
    maxima = _tile_maxima(x)
    rows = _scratch()
    num_tiles = len(maxima)
    for tile in range(num_tiles):
        around = max(maxima[tile - 1], maxima[tile], maxima[(tile + 1) % num_tiles])
        if around * reach > floor or tile < 2 or tile >= num_tiles - 2:
            peaks[tile] = max(peaks[tile], maxima[tile], _peak_of_tile(x, tile, filters, is_loop, rows))
