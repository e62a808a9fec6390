"""FLAC and WAV bytes from waveforms, and back."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import soundfile

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.errors import TonemillError

Waveform = npt.NDArray[np.float32]

FORMATS = ("flac", "wav")
BIT_DEPTHS = (16, 24, 32)  # 32 is float, WAV only

_SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
_SFC_SET_ADD_PEAK_CHUNK = (
    0x1050  # libsndfile's command; the chunk holds the time of writing, so equal audio would differ
)
_FLAC_COMPRESSION = 0.375  # libsndfile's 0..1 for FLAC levels 0..8, so level 3


class AudioError(TonemillError):
    """Audio that cannot be encoded as asked, or bytes that are not audio."""


def encode(
    waveform: Waveform | npt.NDArray[np.int32], *, sample_rate: int, format: str = "flac", bit_depth: int = 16
) -> bytes:
    """File bytes of a waveform; the same input always gives the same bytes.

    Args:
        waveform: float32 [C, S] in -1..1, rounded to the nearest of 2**bit_depth steps and held inside the range
            (a waveform that is already on that grid, as `master` gives it, survives exactly); or int32 [C, S] in
            units of the last bit.
        sample_rate: in Hz.
        format: "flac" or "wav".
        bit_depth: 16, 24, or 32 for float (WAV only).

    Raises:
        AudioError: for a format, bit depth or shape that cannot be.
    """
    check_format(format, bit_depth)
    if waveform.ndim != 2 or not 1 <= waveform.shape[0] <= 8:
        raise AudioError(f"a waveform to encode is [channels, samples], got an array of shape {waveform.shape}")
    target = io.BytesIO()
    with soundfile.SoundFile(
        target,
        "w",
        samplerate=sample_rate,
        channels=waveform.shape[0],
        format=format.upper(),
        subtype=_SUBTYPES[bit_depth],
        **({"compression_level": _FLAC_COMPRESSION} if format == "flac" else {}),
    ) as file:
        _leave_out_peak_chunk(file)
        file.write(_frames(waveform, bit_depth))
    return target.getvalue()


def decode(data: bytes) -> tuple[Waveform, int]:
    """Waveform float32 [C, S] in -1..1 and sample rate in Hz of FLAC or WAV bytes.

    Raises:
        AudioError: when the bytes are not audio, or end early.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            promised = file.frames
            frames = file.read(dtype="float32", always_2d=True)
            sample_rate = int(file.samplerate)
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        raise AudioError(f"these {len(data)} bytes are not FLAC or WAV audio: {error}") from error
    if len(frames) != promised:
        raise AudioError(f"audio is cut short: its header promises {promised} samples, {len(frames)} are there")
    return np.ascontiguousarray(frames.T), sample_rate  # [C, S]


def check_format(format: str, bit_depth: int) -> None:
    """Nothing for a format and bit depth that exist together, else AudioError."""
    if format not in FORMATS:
        raise AudioError(f"audio format must be one of {', '.join(FORMATS)}, got {format!r}")
    if bit_depth not in BIT_DEPTHS:
        raise AudioError(f"bit depth must be one of 16, 24, 32, got {bit_depth!r}")
    if format == "flac" and bit_depth == 32:
        raise AudioError("FLAC holds no 32-bit float: ask for WAV, or for 16 or 24 bits")


def _frames(waveform: Waveform | npt.NDArray[np.int32], bit_depth: int) -> npt.NDArray[np.generic]:
    """What libsndfile writes without changing a bit: float32, int16 or left-justified int32, [S, C]."""
    if waveform.dtype.kind == "f":
        if bit_depth == 32:
            return np.ascontiguousarray(waveform.T, dtype=np.float32)
        steps = np.empty(waveform.shape[::-1], dtype=np.int16 if bit_depth == 16 else np.int32)
        _to_steps(np.ascontiguousarray(waveform, dtype=np.float32), np.float32(2 ** (bit_depth - 1)), steps)
    else:
        if bit_depth == 32:
            raise AudioError("32-bit audio is float: give a float32 waveform")
        steps = np.ascontiguousarray(waveform.T.astype(np.int16 if bit_depth == 16 else np.int32))
    return steps << 8 if bit_depth == 24 else steps


@njit(cache=True, nogil=True)
def _to_steps(waveform, scale, steps):  # type: ignore[no-untyped-def]
    for channel in range(len(waveform)):
        # Rows of their own, that numba knows to lie in one piece: half of the time of indexing both.
        row, column = waveform[channel], steps[:, channel]
        for i in range(len(row)):
            column[i] = np.int32(min(max(np.rint(row[i] * scale), -scale), scale - np.float32(1.0)))


def _leave_out_peak_chunk(file: soundfile.SoundFile) -> None:
    soundfile._snd.sf_command(file._file, _SFC_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
