"""The sound of a recording as a set of shingles that other codecs, rates, levels and starts hardly change.

After Haitsma and Kalker, "A highly robust audio fingerprinting system" (2002): each bit says whether the difference of
two neighbouring bands grew. Theirs is made for finding three seconds in a million songs, and one word in thirty
survives a poor codec. Here whole recordings are compared by the share of words that they have in common, so the
energies are smoothed over 1.5 s and compared over 0.8 s, in 14 bits: such a word stays for a quarter of a second, and
the sequence of words is the same wherever the frames begin. Words that last under 60 ms are left out.

The sets go into lstm_core.blocks.duplicates as those of scores do, with RECORDING_THRESHOLD.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.shingles import MAX_SHINGLES, Shingles
from lstm_core.recordings.resampling import Resampler

RATE = 7350  # Hz
FRAME_SAMPLES, HOP_SAMPLES = 1024, 147  # 139 ms, 20 ms
NUM_BITS = 14
LOW_HZ, HIGH_HZ = 200.0, 1800.0  # what all codecs keep
SMOOTHED_FRAMES = 75  # 1.5 s
LAG_FRAMES = 40  # 0.8 s
LEAST_FRAMES = 3  # that a word must last
BAND_FLOOR = 0.03  # of the power in all bands, added to each: what lies 15 dB under the rest comes from the codec
SILENT_POWER = 1e-3  # in all bands: a sine of -78 dBFS
SEGMENT_S = 600  # words of different segments differ, or those of long recordings would fill all 2**14
LEAST_WORDS = 8  # with fewer, different recordings could look alike by chance: only copies count
_BLOCK_FRAMES = 250  # processed together, so that results do not depend on the lengths of chunks


class Fingerprinter:
    """The fingerprint of a recording that comes as mono chunks; it does not depend on their lengths."""

    def __init__(self, sample_rate: int) -> None:
        self._resampler = Resampler(sample_rate, RATE)
        self._held = np.zeros(0, dtype=np.float32)
        self._bands = np.zeros((0, NUM_BITS + 1))  # not smoothed yet
        self._logs = np.zeros((0, NUM_BITS))
        self._words: list[npt.NDArray[np.int32]] = []  # of each frame, -1 where it is silent; 1 MB for an hour
        self._digest = 0

    def add(self, mono: npt.NDArray[np.float32]) -> None:
        """Takes float32 [S]."""
        self._take(self._resampler.add(mono))

    def finish(self) -> Shingles:
        """The set of shingles of all that was added, ascending: uint32 [1 to MAX_SHINGLES]."""
        self._take(self._resampler.finish())
        num_frames = (len(self._held) - FRAME_SAMPLES) // HOP_SAMPLES + 1
        if num_frames > 0:
            self._work(num_frames)
        words = np.concatenate([np.zeros(0, dtype=np.int32), *self._words])
        starts = np.flatnonzero(np.diff(words, prepend=-2))
        lengths = np.diff(np.append(starts, len(words)))
        kept = starts[(lengths >= LEAST_FRAMES) & (words[starts] >= 0)]
        segments = kept * HOP_SAMPLES // (RATE * SEGMENT_S)
        shingles = np.unique(_mix((segments << NUM_BITS | words[kept]).astype(np.uint32)))
        if len(shingles) < LEAST_WORDS:
            return np.array([self._digest], dtype=np.uint32)
        return shingles[:MAX_SHINGLES]

    def _take(self, mono: npt.NDArray[np.float32]) -> None:
        self._digest = zlib.crc32(np.rint(mono * 32767).clip(-32768, 32767).astype("<i2").tobytes(), self._digest)
        self._held = np.concatenate([self._held, mono])
        while len(self._held) >= FRAME_SAMPLES + (_BLOCK_FRAMES - 1) * HOP_SAMPLES:
            self._work(_BLOCK_FRAMES)

    def _work(self, num_frames: int) -> None:
        """Words of the next frames held."""
        frames = np.lib.stride_tricks.sliding_window_view(self._held, FRAME_SAMPLES)[::HOP_SAMPLES][:num_frames]
        power = np.abs(np.fft.rfft(frames * _WINDOW, axis=1)) ** 2  # [frames, F]
        self._held = self._held[num_frames * HOP_SAMPLES :].copy()
        self._bands = np.concatenate([self._bands, power @ _BAND_WEIGHTS])
        num_smooth = len(self._bands) - SMOOTHED_FRAMES + 1
        if num_smooth <= 0:
            return
        smooth = np.lib.stride_tricks.sliding_window_view(self._bands, SMOOTHED_FRAMES, axis=0) @ _SMOOTHING
        self._bands = self._bands[num_smooth:].copy()
        total = smooth.sum(axis=1, keepdims=True)
        logs = np.log(smooth + BAND_FLOOR * total + 1e-9)
        self._logs = np.concatenate([self._logs, logs[:, :-1] - logs[:, 1:]])
        num_words = len(self._logs) - LAG_FRAMES
        if num_words <= 0:
            return
        grew = self._logs[LAG_FRAMES:] > self._logs[:-LAG_FRAMES]
        words = (grew @ (1 << np.arange(NUM_BITS))).astype(np.int32)
        words[total[-num_words:, 0] < SILENT_POWER] = -1
        self._words.append(words)
        self._logs = self._logs[num_words:].copy()


def audio_fingerprint(chunks: Iterable[npt.NDArray[np.float32]], sample_rate: int) -> Shingles:
    """The set of shingles of mono chunks float32 [S], ascending: uint32 [1 to MAX_SHINGLES]."""
    fingerprinter = Fingerprinter(sample_rate)
    for chunk in chunks:
        fingerprinter.add(chunk)
    return fingerprinter.finish()


def _band_weights() -> npt.NDArray[np.float64]:
    """Triangles of equal width on a logarithmic scale, half overlapping: float64 [F, NUM_BITS + 1]."""
    edges = np.geomspace(LOW_HZ, HIGH_HZ, NUM_BITS + 3) * FRAME_SAMPLES / RATE
    bins = np.arange(FRAME_SAMPLES // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights: npt.NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return weights


def _mix(values: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """A bijection that scatters: those of least value become a fair sample (finaliser of MurmurHash3, Appleby)."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))


_WINDOW = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
_SMOOTHING = np.hanning(SMOOTHED_FRAMES + 2)[1:-1] / np.hanning(SMOOTHED_FRAMES + 2).sum()
_BAND_WEIGHTS = _band_weights()
