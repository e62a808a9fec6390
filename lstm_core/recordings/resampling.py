"""Chunks of any rate and any channels become one channel at another rate, exactly as if they were one.

The filters are torchaudio's windowed sincs, one for each place of a sample out between samples in. Its own convolution
multiplies by all their zeros too, which for 192 kHz to 22,050 Hz are 1,200 of 1,300; here the zeros are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torchaudio

from lstm_core.foundation.compiling import njit

FILTER_WIDTH = 6  # zero crossings of the sinc on either side, torchaudio's own default
MAX_RATIO_TERM = 2048  # of a ratio of rates in lowest terms; 192,000 to 22,050 has 1280. Others are off by under 1e-6

# Shares of a channel in mono, before they are made to sum to one: front at 1, centre and surround 3 dB less, no LFE
# (Recommendation ITU-R BS.775-3, table 2, left and right added).
_SHARES = {"FL": 1.0, "FR": 1.0, "FC": np.sqrt(2.0), "LFE": 0.0, "LFE2": 0.0}
_SURROUND_SHARE = np.sqrt(0.5)


def mono_shares(channel_names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Share of each channel in the mono mix: float32 [C], of sum 1; channels without names count alike."""
    if not channel_names or "" in channel_names:
        shares = np.ones(len(channel_names))
    else:
        shares = np.array([_SHARES.get(name, _SURROUND_SHARE) for name in channel_names])
    if shares.sum() == 0:
        shares = np.ones(len(channel_names))  # of LFE alone
    normed: npt.NDArray[np.float32] = (shares / shares.sum()).astype(np.float32)
    return normed


class Resampler:
    """Resamples mono chunks, one after the other.

    Args:
        from_rate: of the chunks, in Hz.
        to_rate: of the result, in Hz.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        if from_rate <= 0 or to_rate <= 0:
            raise ValueError(f"sample rates must be positive, got {from_rate} and {to_rate}")
        self.ratio = Fraction(to_rate, from_rate).limit_denominator(MAX_RATIO_TERM)
        if self.ratio == 0 or self.ratio > MAX_RATIO_TERM:
            raise ValueError(f"cannot resample from {from_rate} to {to_rate} Hz")
        self._filters = _filters(self.ratio)
        self._held = np.zeros(self._filters.width, dtype=np.float32)  # silence goes before

    def add(self, chunk: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The output so far after `chunk`, float32 [S]: float32 [S'], some samples late."""
        if self.ratio == 1:
            return chunk
        self._held = np.concatenate([self._held, chunk])
        num_periods = (len(self._held) - 2 * self._filters.width) // self.ratio.denominator
        resampled = self._resample(max(num_periods, 0))
        self._held = self._held[max(num_periods, 0) * self.ratio.denominator :].copy()
        return resampled

    def finish(self) -> npt.NDArray[np.float32]:
        """The rest: float32 [S']. All results together have ceil(S * to_rate / from_rate) samples."""
        left = len(self._held) - self._filters.width
        if self.ratio == 1 or left == 0:
            return np.zeros(0, dtype=np.float32)
        num_periods = -(-left // self.ratio.denominator)
        after = num_periods * self.ratio.denominator - left + self._filters.width
        self._held = np.concatenate([self._held, np.zeros(after, dtype=np.float32)])
        return self._resample(num_periods)[: -(-left * self.ratio.numerator // self.ratio.denominator)]

    def _resample(self, num_periods: int) -> npt.NDArray[np.float32]:
        """The samples of the next periods of those held."""
        resampled = np.empty(num_periods * self.ratio.numerator, dtype=np.float32)
        _apply(self._held, num_periods, self.ratio.denominator, self._filters.starts, self._filters.taps, resampled)
        return resampled


def resample_mono(
    chunks: Iterable[npt.NDArray[np.float32]],
    from_rate: int,
    to_rate: int,
    channel_names: Sequence[str] | None = None,
) -> Iterator[npt.NDArray[np.float32]]:
    """Mono of chunks float32 [C, S] at another rate: float32 [S'], none of them empty.

    Args:
        chunks: of any lengths; the result does not depend on them.
        from_rate: of the chunks, in Hz.
        to_rate: of the result, in Hz.
        channel_names: of `RecordingFacts`, for the mix; without them all channels count alike.
    """
    resampler = Resampler(from_rate, to_rate)
    shares: npt.NDArray[np.float32] | None = None
    for chunk in chunks:
        if shares is None:
            shares = mono_shares(channel_names or ("",) * len(chunk))
        resampled = resampler.add(mix_to_mono(chunk, shares))
        if len(resampled):
            yield resampled
    rest = resampler.finish()
    if len(rest):
        yield rest


def mix_to_mono(chunk: npt.NDArray[np.float32], shares: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Weighted sum of the channels of float32 [C, S]: float32 [S]."""
    mono: npt.NDArray[np.float32] = chunk[0] * shares[0]
    for channel, share in zip(chunk[1:], shares[1:], strict=True):
        if share:
            mono += channel * share
    return mono


@dataclass(frozen=True, kw_only=True)
class _Filters:
    width: int  # samples on either side of a period that its filters look at
    starts: npt.NDArray[np.int64]  # first sample that each filter looks at, from `width` before the period on
    taps: npt.NDArray[np.float32]  # [filters, taps]


@lru_cache(maxsize=8)
def _filters(ratio: Fraction) -> _Filters:
    """torchaudio's filters without their zeros."""
    made = torchaudio.transforms.Resample(ratio.denominator, ratio.numerator, lowpass_filter_width=FILTER_WIDTH)
    if ratio == 1:
        return _Filters(width=0, starts=np.zeros(1, dtype=np.int64), taps=np.ones((1, 1), dtype=np.float32))
    kernel = made.kernel[:, 0].numpy()
    is_used = kernel != 0
    starts = is_used.argmax(axis=1)
    num_taps = int((kernel.shape[1] - is_used[:, ::-1].argmax(axis=1) - starts).max())
    num_taps = min(-(-num_taps // 8) * 8, kernel.shape[1])  # eight at a time are multiplied
    starts = np.minimum(starts, kernel.shape[1] - num_taps)
    taps = np.stack([row[start : start + num_taps] for row, start in zip(kernel, starts, strict=True)])
    return _Filters(width=int(made.width), starts=starts.astype(np.int64), taps=np.ascontiguousarray(taps))


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _apply(held, num_periods, period, starts, taps, resampled):  # type: ignore[no-untyped-def]
    """Fills `resampled` with the output of each filter for each period."""
    num_filters, num_taps = taps.shape
    for number in range(num_periods):
        for i in range(num_filters):
            first = np.uint64(number * period + starts[i])
            total = np.float32(0.0)
            for k in range(num_taps):
                total += held[first + np.uint64(k)] * taps[i, k]
            resampled[number * num_filters + i] = total
