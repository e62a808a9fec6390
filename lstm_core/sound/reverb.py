"""The reverbs of a mix: synthetic stereo impulse responses and the convolution with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.elementary.powers import exp
from lstm_core.sound.audio import Waveform

_LN_60_DB = 6.907755278982137
_LOWEST_HZ = 180.0  # reverb only above: a reverberant bass is muddy
_FFT_PER_RESPONSE = 3.0  # length of a transform over that of the response; 2.5 to 4 are within 10 % of each other
_PIECES_AT_ONCE = 4  # of the signal, transformed together: as many as the transform takes side by side


@dataclass(frozen=True, kw_only=True)
class Reverb:
    decay_s: tuple[float, float, float, float]  # to -60 dB, below 500 Hz, 500-2000 Hz, 2-6 kHz, above
    delay_s: float  # to the first reflection
    reflections_s: float  # the early ones come until here
    num_reflections: int
    early_share: float  # of the energy
    seed: int


REVERBS = {
    "studio": Reverb(
        decay_s=(0.55, 0.6, 0.5, 0.3), delay_s=0.004, reflections_s=0.045, num_reflections=14, early_share=0.35, seed=11
    ),
    "hall": Reverb(
        decay_s=(1.6, 1.5, 1.15, 0.6), delay_s=0.016, reflections_s=0.09, num_reflections=18, early_share=0.2, seed=12
    ),
}


@lru_cache(maxsize=4)
def impulse_response(name: str, sample_rate: int) -> Waveform:
    """The response to a click: float32 [2, S], energy 1 on either side, the two sides independent.

    Early reflections over noise that decays exponentially, faster the higher the band (J. A. Moorer, About this
    reverberation business, 1979, with the decay times of real rooms after H. Kuttruff, Reverb Acoustics).
    """
    reverb = REVERBS[name]
    num_samples = round((reverb.delay_s + max(reverb.decay_s)) * sample_rate)
    random = np.random.Generator(np.random.Philox(reverb.seed))
    time_s = np.arange(num_samples) / sample_rate
    late = _decaying_noise(reverb, random, num_samples, sample_rate)
    late *= np.clip((time_s - reverb.delay_s) / reverb.reflections_s, 0, 1) ** 2
    early = np.zeros((2, num_samples))
    for side in range(2):
        at_s = reverb.delay_s + (reverb.reflections_s - reverb.delay_s) * np.sort(random.random(reverb.num_reflections))
        signs = np.where(random.random(reverb.num_reflections) < 0.5, -1.0, 1.0)
        np.add.at(early[side], np.rint(at_s * sample_rate).astype(np.int64), signs * reverb.delay_s / at_s)
    spectrum = scipy.fft.rfft(early, axis=1)
    hz = scipy.fft.rfftfreq(num_samples, 1 / sample_rate)
    early = scipy.fft.irfft(spectrum / (1 + (hz / 7000) ** 2), num_samples, axis=1)  # walls absorb the treble
    response = _unit(early) * np.sqrt(reverb.early_share) + _unit(late) * np.sqrt(1 - reverb.early_share)
    spectrum = scipy.fft.rfft(response, axis=1) * (hz**2 / (hz**2 + _LOWEST_HZ**2))
    response = scipy.fft.irfft(spectrum, num_samples, axis=1)
    response *= np.minimum(1, (num_samples - 1 - np.arange(num_samples)) / (0.05 * sample_rate))
    return _unit(response).astype(np.float32)


def convolve(signal: npt.NDArray[np.float32], response: Waveform) -> Waveform:
    """The reverb of a mono signal: float32 [2, S + S of the response - 1]. Linear, not circular.

    Overlap-save: pieces of the signal overlap by the length of the response, and the start of each answer, which
    is wrong, is left out.
    """
    num_samples, length = len(signal), response.shape[1]
    total = num_samples + length - 1
    size = scipy.fft.next_fast_len(round(length * _FFT_PER_RESPONSE), real=True)
    size = min(size, scipy.fft.next_fast_len(total, real=True))
    step = size - length + 1
    num_pieces = -(-total // step)
    spectrum = scipy.fft.rfft(response, size, axis=1)
    padded = np.zeros(num_pieces * step + length - 1, dtype=np.float32)
    padded[length - 1 : total] = signal
    pieces = sliding_window_view(padded, size)[::step]
    answer = np.empty((2, num_pieces, step), dtype=np.float32)
    products = np.empty((_PIECES_AT_ONCE, spectrum.shape[1]), dtype=np.complex64)
    for first in range(0, num_pieces, _PIECES_AT_ONCE):
        these = slice(first, first + _PIECES_AT_ONCE)
        spectra = scipy.fft.rfft(pieces[these], axis=1)
        for side in range(2):
            _multiply(spectra, spectrum[side], products[: len(spectra)])
            answers = scipy.fft.irfft(products[: len(spectra)], size, axis=1, overwrite_x=True)
            answer[side, these] = answers[:, length - 1 :]
    return answer.reshape(2, -1)[:, :total]


@njit(cache=True, nogil=True)
def _multiply(spectra, response, products):  # type: ignore[no-untyped-def]
    """Writes the product of each spectrum with that of the response.

    NumPy rounds once less where the processor can, which not every one does.
    """
    for spectrum, product in zip(spectra, products):  # noqa: B905, numba knows no strict
        for i in range(len(response)):
            a, b, c, d = spectrum[i].real, spectrum[i].imag, response[i].real, response[i].imag
            product[i] = complex(a * c - b * d, a * d + b * c)


def _decaying_noise(
    reverb: Reverb, random: np.random.Generator, num_samples: int, sample_rate: int
) -> npt.NDArray[np.float64]:
    noise = scipy.fft.rfft(random.standard_normal((2, num_samples)), axis=1)
    hz = scipy.fft.rfftfreq(num_samples, 1 / sample_rate)
    time_s = np.arange(num_samples) / sample_rate
    edges = (500.0, 2000.0, 6000.0)
    below = [1 / (1 + ((hz / edge) ** 2) ** 2) for edge in edges]
    bands = (below[0], below[1] - below[0], below[2] - below[1], 1 - below[2])
    late = np.zeros((2, num_samples))
    for band, decay_s in zip(bands, reverb.decay_s, strict=True):
        late += scipy.fft.irfft(noise * band, num_samples, axis=1) * exp(-_LN_60_DB * time_s / decay_s)
    return late


def _unit(response: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(response / np.sqrt((response**2).sum(axis=1, keepdims=True)))
