"""Log-frequency spectrograms: three bins per semitone, windows that shorten as pitch rises."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

SAMPLE_RATE = 22050  # Hz, mono; the highest bin is at 10.5 kHz
HOP_LENGTH = 441  # samples per frame
FRAME_RATE = SAMPLE_RATE / HOP_LENGTH  # 50 frames per second
BINS_PER_SEMITONE = 3
LOWEST_PITCH, HIGHEST_PITCH = 21, 124  # MIDI numbers that have bins: 27.5 Hz to 10.5 kHz
NUM_BINS = (HIGHEST_PITCH - LOWEST_PITCH + 1) * BINS_PER_SEMITONE
FLOOR_DB = -100.0  # of a sine of full scale; what is softer counts as silence

# Two tones a semitone apart lie in different lobes of a Hann window of 2 / (2^(1/12) - 1) periods; a little more is
# taken, but a window is never so short that it holds noise alone, nor so long that a bass note has no beginning.
PERIODS, SHORTEST_S, LONGEST_S = 38.0, 0.025, 0.37
MARGIN = 8192  # samples before and after a frame's centre that its values depend on, at most


@dataclass(frozen=True)
class _Band:
    """Bins that are computed at one sample rate."""

    decimation: int
    window: int  # samples at the lower rate
    first_pitch: int
    last_pitch: int


_BANDS = (
    _Band(decimation=16, window=512, first_pitch=21, last_pitch=47),
    _Band(decimation=8, window=1024, first_pitch=48, last_pitch=71),
    _Band(decimation=2, window=1024, first_pitch=72, last_pitch=95),
    _Band(decimation=1, window=640, first_pitch=96, last_pitch=124),
)
_HALVING_TAPS = 31  # of the low-pass before each halving of the rate


def bin_pitches() -> Tensor:
    """Pitch of each bin's centre, a MIDI number with thirds: float64 [NUM_BINS]."""
    return LOWEST_PITCH + (torch.arange(NUM_BINS, dtype=torch.float64) - 1) / BINS_PER_SEMITONE


class Spectrogram(nn.Module):
    """A bank of windowed complex sines, applied as matrix products at four sample rates.

    After the variable-Q transform of C. Schoerkhuber, A. Klapuri, N. Holighaus and M. Doerfler, A Matlab toolbox for
    efficient perfect reconstruction time-frequency transforms (2014), without its invertibility. A sine of full scale
    is 0 dB in its own bin.
    """

    def __init__(self) -> None:
        super().__init__()
        self.low_pass: Tensor
        self.register_buffer("low_pass", _half_band(_HALVING_TAPS), persistent=False)
        for band in _BANDS:
            self.register_buffer(f"sines_{band.decimation}", _sines(band), persistent=False)

    def forward(self, waveform: Tensor, *, first: int = 0, num_frames: int | None = None) -> Tensor:
        """Levels in dB, at least FLOOR_DB: float32 [B, F, NUM_BINS]; frame f is centred on first + f * HOP_LENGTH.

        Args:
            waveform: float32 [B, S] at SAMPLE_RATE; before and after it is silence.
            first: sample of the first frame's centre, a multiple of 16.
            num_frames: by default as many as have their centre inside the waveform.
        """
        if num_frames is None:
            num_frames = -(-(waveform.shape[-1] - first) // HOP_LENGTH)
        span = (num_frames - 1) * HOP_LENGTH
        left, right = MARGIN - first, first + span + MARGIN - waveform.shape[-1]
        signal = nn.functional.pad(waveform, (left, right))  # begins MARGIN samples before the first centre
        powers, rate = [], 1
        for band in reversed(_BANDS):
            while rate < band.decimation:
                signal, rate = self._halved(signal), rate * 2
            powers.append(_band_powers(signal, getattr(self, f"sines_{band.decimation}"), band, num_frames))
        power = torch.cat(powers[::-1], dim=-1)
        return 10.0 * torch.log10(power + 10.0 ** (FLOOR_DB / 10))

    def _halved(self, signal: Tensor) -> Tensor:
        """The signal at half the rate; sample n stands where 2n stood."""
        padded = nn.functional.pad(signal, (_HALVING_TAPS // 2, _HALVING_TAPS // 2))
        return nn.functional.conv1d(padded[:, None], self.low_pass[None, None], stride=2)[:, 0]


def _band_powers(signal: Tensor, sines: Tensor, band: _Band, num_frames: int) -> Tensor:
    """Squared magnitudes: float32 [B, F, bins of the band].

    Frame centres that fall between two samples of a lower rate are moved to the nearest: by 0.4 ms at most.
    """
    centres = torch.round((MARGIN + torch.arange(num_frames) * HOP_LENGTH) / band.decimation).long()
    starts = (centres - band.window // 2).to(signal.device)
    frames = signal.unfold(-1, band.window, 1)[:, starts]  # [B, F, window]
    product = frames @ sines
    real, imaginary = product.chunk(2, dim=-1)
    return real.square() + imaginary.square()


def _sines(band: _Band) -> Tensor:
    """Hann-windowed cosines, then sines, one column per bin: float32 [window, 2 * bins]."""
    pitches = bin_pitches()
    first = (band.first_pitch - LOWEST_PITCH) * BINS_PER_SEMITONE
    last = (band.last_pitch - LOWEST_PITCH + 1) * BINS_PER_SEMITONE
    hz = 440.0 * torch.exp2((pitches[first:last] - 69) / 12)
    rate = SAMPLE_RATE / band.decimation
    length_s = (PERIODS / hz).clamp(SHORTEST_S, LONGEST_S)
    time_s = (torch.arange(band.window, dtype=torch.float64) - band.window // 2)[:, None] / rate
    window = torch.where(time_s.abs() < length_s / 2, torch.cos(torch.pi * time_s / length_s).square(), 0.0)
    window = 2 * window / window.sum(0)
    phase = 2 * torch.pi * hz * time_s
    return torch.cat([window * phase.cos(), window * phase.sin()], dim=1).float()


def _half_band(num_taps: int) -> Tensor:
    """A Kaiser-windowed sinc that keeps the lower 80 % of the lower half of the spectrum: float32 [num_taps]."""
    n = torch.arange(num_taps, dtype=torch.float64) - num_taps // 2
    taps = torch.sinc(n / 2) * torch.kaiser_window(num_taps, periodic=False, beta=6.0, dtype=torch.float64)
    return (taps / taps.sum()).float()
