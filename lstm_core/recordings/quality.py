"""Quality of a recording as a signal, measured in one pass over its chunks, and bounds that it must keep.

Not measured: whether it is speech. The known cheap measures (modulation at 4 Hz, share of quiet frames: Scheirer and
Slaney, 1997) take music in quavers at 120 bpm for speech. Nor clipping that was turned down afterwards: square waves,
which are music, look the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.errors import RecordingError
from lstm_core.recordings.recording import Chunk
from lstm_core.recordings.resampling import mix_to_mono, mono_shares
from lstm_core.sound.loudness import LoudnessMeter, loudness_of_hops

BLOCK_S = 0.05  # looked at for silence together
SILENCE_DBFS = -60.0  # a block whose RMS without DC lies under it is silent: 40 dB under music at -20 LUFS
FULL_SCALE = 0.999  # of 16-bit samples the last 32; lossy codecs give more than 1 where a master was clipped
CLIPPED_RUN = 3  # samples in a row at full scale; one or two are a peak
FRAME_S, FRAME_PERIOD_S = 0.046, 0.25  # spectra: 2048 samples at 44.1 kHz, four per second
OCTAVES_HZ = (400.0, 800.0, 1600.0, 3200.0, 6400.0)  # flatness is measured within each, so that no slope hides noise
AUDIBLE_SHARE = 1e-4  # of a frame's power that an octave must hold: under a pure tone lies flat rounding noise
SURROUND_WEIGHT = 1.41  # BS.1770-4, table 3
_FRONT = ("FL", "FR", "FC", "")
_LOW = ("LFE", "LFE2")

# Bounds of check_quality.
MIN_DURATION_S = 1.0  # less holds no music
MAX_SILENCE_SHARE = 0.95  # hardly any sound is left
# Loud masters have up to 0.01; five recordings pushed 12 dB over full scale had 0.04 to 0.10, the distortion then lying
# 11 dB under the music.
MAX_CLIPPED_SHARE = 0.05
MAX_FLATNESS = 0.5  # noise of any slope has 0.53 to 0.58, melodic music 0.05 to 0.22, a loop of drums and bass 0.35
MIN_MONO_DB = -20.0  # of the mono mix against the channels: uncorrelated ones give -3, opposite ones nothing


@dataclass(frozen=True, kw_only=True)
class RecordingQuality:
    """Measures of one recording."""

    duration_s: float
    loudness_lufs: float  # integrated, BS.1770-4; -inf for silence
    sample_peak_dbfs: float  # -inf for digital silence; over 0 after some lossy codecs
    silence_share: float  # 0 to 1
    longest_silence_s: float
    clipped_share: float  # of all samples, those in runs at full scale
    dc_offset: float  # greatest of a channel's, full scale at 1
    brightness_hz: float  # centroid of the magnitude spectrum, mean of the frames that sound; 0 without any
    flatness: float  # spectral flatness within octaves, mean of the frames that sound; 0 without any
    mono_db: float  # power of the mono mix against the mean of the channels; 0 for one channel and for silence


class QualityMeter:
    """Measures a recording that comes in chunks; the results do not depend on their lengths."""

    def __init__(self, sample_rate: int, channel_names: Sequence[str]) -> None:
        self._sample_rate, self._num_channels = sample_rate, len(channel_names)
        self._shares = mono_shares(channel_names)
        self._gains = np.sqrt([_loudness_weight(name) for name in channel_names]).astype(np.float32)
        self._loudness = [LoudnessMeter(sample_rate) for _ in range(0, self._num_channels, 2)]
        self._block = round(BLOCK_S * sample_rate)
        self._scans = [_Scan() for _ in channel_names]
        self._frames = _FrameMeter(sample_rate)
        self._num_samples = 0
        self._mono_energy = 0.0

    def add(self, chunk: Chunk) -> None:
        """Takes float32 [C, S]."""
        mono = mix_to_mono(chunk, self._shares)
        self._frames.add(mono)
        self._mono_energy += float(np.dot(mono, mono))
        for channel, scan in zip(chunk, self._scans, strict=True):
            scan.add(channel, self._block)
        for i, meter in enumerate(self._loudness):
            pair = chunk[2 * i : 2 * i + 2]
            gains = self._gains[2 * i : 2 * i + 2]
            meter.add(pair if (gains == 1).all() else pair * gains[:, None])
        self._num_samples += chunk.shape[1]

    def finish(self) -> RecordingQuality:
        """The measures of all that was added."""
        count = max(self._num_samples, 1)
        scans = self._scans
        blocks = np.mean([scan.block_powers() for scan in scans], axis=0)
        is_silent = blocks < 10 ** (SILENCE_DBFS / 10)
        peak = max(scan.state[_PEAK] for scan in scans)
        mean_energy = float(np.mean([scan.energy for scan in scans]))
        is_mixed = self._num_channels > 1 and mean_energy > 0
        brightness, flatness = self._frames.means()
        return RecordingQuality(
            duration_s=self._num_samples / self._sample_rate,
            loudness_lufs=loudness_of_hops(
                np.sum([meter.hop_energies() for meter in self._loudness], axis=0), self._sample_rate
            ),
            sample_peak_dbfs=_decibels(peak * peak),
            silence_share=float(is_silent.mean()) if len(is_silent) else 1.0,
            longest_silence_s=_longest_run(is_silent) * BLOCK_S,
            clipped_share=float(sum(scan.state[_CLIPPED] for scan in scans)) / (count * self._num_channels),
            dc_offset=float(max(abs(scan.total) for scan in scans)) / count,
            brightness_hz=brightness,
            flatness=flatness,
            mono_db=_decibels(self._mono_energy / mean_energy) if is_mixed else 0.0,
        )


def check_quality(quality: RecordingQuality) -> None:
    """Returns None where the quality of a recording is within all bounds.

    Raises:
        RecordingError: of stage "quality", with the figure and its bound.
    """
    q = quality
    if q.duration_s < MIN_DURATION_S:
        _refuse(f"lasts {q.duration_s:.3f} s, under {MIN_DURATION_S:g} s")
    if q.silence_share == 1.0 and q.dc_offset > 10 ** (SILENCE_DBFS / 20):
        _refuse(
            f"is direct current alone: a constant {q.dc_offset:.3f} of full scale, no sound above {SILENCE_DBFS:g} dBFS"
        )
    if q.silence_share > MAX_SILENCE_SHARE:
        _refuse(f"is silent: {q.silence_share:.1%} of it under {SILENCE_DBFS:g} dBFS, over {MAX_SILENCE_SHARE:.0%}")
    if q.flatness > MAX_FLATNESS:
        _refuse(f"is noise: spectral flatness {q.flatness:.2f}, over {MAX_FLATNESS:g} (white noise has 0.58)")
    if q.clipped_share > MAX_CLIPPED_SHARE:
        _refuse(f"is clipped: {q.clipped_share:.1%} of its samples at full scale, over {MAX_CLIPPED_SHARE:.0%}")
    if q.mono_db < MIN_MONO_DB:
        _refuse(f"cancels itself: its mono mix lies {-q.mono_db:.0f} dB under its channels, over {-MIN_MONO_DB:g} dB")


def _refuse(reason: str) -> None:
    raise RecordingError("quality", reason)


class _Scan:
    """Sums, peak and clipping of one channel."""

    def __init__(self) -> None:
        self.state = np.zeros(_SCAN_SIZE)
        self.total, self.energy = 0.0, 0.0
        self._powers: list[npt.NDArray[np.float32]] = []

    def add(self, channel: npt.NDArray[np.float32], block: int) -> None:
        blocks = np.zeros((len(channel) // block + 2, 2))
        num_blocks = _scan(channel, block, self.state, blocks)
        self.total += float(self.state[_CHUNK_SUM])
        self.energy += float(self.state[_CHUNK_ENERGY])
        sums, energies = blocks[:num_blocks].T / block
        self._powers.append((energies - sums * sums).astype(np.float32))

    def block_powers(self) -> npt.NDArray[np.float32]:
        """Power without DC of each whole block: float32 [blocks]."""
        return np.concatenate([np.zeros(0, dtype=np.float32), *self._powers])


# Places of a scan's state.
_PEAK, _CLIPPED, _RUN, _IN_BLOCK, _SUM, _ENERGY, _CHUNK_SUM, _CHUNK_ENERGY, _SCAN_SIZE = range(9)


@njit(cache=True, nogil=True)
def _scan(x, block, state, blocks):  # type: ignore[no-untyped-def]
    """Number of blocks completed, their sums and energies in `blocks`; a peak says whether clipping is looked for."""
    at, number = 0, 0
    state[_CHUNK_SUM] = state[_CHUNK_ENERGY] = 0.0
    while at < len(x):
        count = min(block - int(state[_IN_BLOCK]), len(x) - at)
        part = x[at : at + count]
        total, energy, peak = _sums(part)
        state[_PEAK] = max(state[_PEAK], peak)
        if peak >= FULL_SCALE or state[_RUN] > 0:
            _count_clipped(part, state)
        state[_SUM] += total
        state[_ENERGY] += energy
        state[_CHUNK_SUM] += total
        state[_CHUNK_ENERGY] += energy
        state[_IN_BLOCK] += count
        at += count
        if state[_IN_BLOCK] == block:
            blocks[number, 0], blocks[number, 1] = state[_SUM], state[_ENERGY]
            number += 1
            state[_IN_BLOCK] = state[_SUM] = state[_ENERGY] = 0.0
    return number


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _sums(x):  # type: ignore[no-untyped-def]
    """Sum, energy and highest magnitude."""
    total, energy, low, high = 0.0, 0.0, np.float32(0.0), np.float32(0.0)
    for v in x:
        total += v
        energy += np.float64(v) * v
        low, high = min(low, v), max(high, v)
    return total, energy, max(high, -low)


@njit(cache=True, nogil=True)
def _count_clipped(x, state):  # type: ignore[no-untyped-def]
    """Adds the samples in runs of CLIPPED_RUN or more at full scale."""
    run = state[_RUN]
    for v in x:
        if abs(v) >= FULL_SCALE:
            run += 1
            if run == CLIPPED_RUN:
                state[_CLIPPED] += CLIPPED_RUN
            elif run > CLIPPED_RUN:
                state[_CLIPPED] += 1
        else:
            run = 0
    state[_RUN] = run


class _FrameMeter:
    """Spectra of short frames at regular times: their centroids and how flat they are."""

    def __init__(self, sample_rate: int) -> None:
        self._size = 2 ** round(np.log2(FRAME_S * sample_rate))
        self._period = round(FRAME_PERIOD_S * sample_rate)
        self._window = np.hanning(self._size + 1)[:-1].astype(np.float32)
        self._frequencies = np.fft.rfftfreq(self._size, 1 / sample_rate)
        edges = np.searchsorted(self._frequencies, OCTAVES_HZ)
        self._octaves = [(a, b) for a, b in pairwise(edges) if b < len(self._frequencies)]
        self._held = np.zeros(0, dtype=np.float32)
        self._skipped = 0  # samples up to the next frame that are not needed
        self._floor = 10 ** (SILENCE_DBFS / 10) * self._size
        self._centroids: list[npt.NDArray[np.float64]] = []
        self._flatness: list[npt.NDArray[np.float64]] = []

    def add(self, mono: npt.NDArray[np.float32]) -> None:
        """Takes float32 [S]."""
        dropped = min(self._skipped, len(mono))
        self._skipped -= dropped
        self._held = np.concatenate([self._held, mono[dropped:]])
        num_frames = (len(self._held) - self._size) // self._period + 1 if len(self._held) >= self._size else 0
        if num_frames == 0:
            return
        windows = np.lib.stride_tricks.sliding_window_view(self._held, self._size)[:: self._period][:num_frames]
        self._measure(windows)
        used = num_frames * self._period
        self._skipped = max(used - len(self._held), 0)
        self._held = self._held[used:].copy()

    def means(self) -> tuple[float, float]:
        """Centroid in Hz and flatness, of the frames that sound."""
        if not self._centroids:
            return 0.0, 0.0
        centroids, flatness = np.concatenate(self._centroids), np.concatenate(self._flatness)
        return (float(centroids.mean()), float(flatness.mean())) if len(centroids) else (0.0, 0.0)

    def _measure(self, windows: npt.NDArray[np.float32]) -> None:
        sounding = windows - windows.mean(axis=1, keepdims=True)
        sounding = sounding[np.einsum("fs,fs->f", sounding, sounding) > self._floor]
        power = np.abs(np.fft.rfft(sounding * self._window, axis=1)).astype(np.float64) ** 2  # [frames, F]
        magnitude = np.sqrt(power)
        self._centroids.append((magnitude @ self._frequencies) / np.maximum(magnitude.sum(axis=1), 1e-12))
        total = power.sum(axis=1)
        flatness, num_audible = np.zeros(len(power)), np.zeros(len(power))
        for first, end in self._octaves:
            band = power[:, first:end] + 1e-12
            is_audible = band.sum(axis=1) > AUDIBLE_SHARE * total
            flatness += is_audible * np.exp(np.log(band).mean(axis=1)) / band.mean(axis=1)
            num_audible += is_audible
        self._flatness.append(flatness / np.maximum(num_audible, 1))


def _loudness_weight(name: str) -> float:
    return 1.0 if name in _FRONT else 0.0 if name in _LOW else SURROUND_WEIGHT


def _decibels(power: float) -> float:
    return float(10 * np.log10(power)) if power > 0 else -np.inf


def _longest_run(flags: npt.NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
