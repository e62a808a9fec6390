"""File bytes from waveforms, and back, by libsndfile.

soundfile is imported where it is called: the engine knows the formats that orders may name and writes none.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.errors import TonemillError

Waveform = npt.NDArray[np.float32]
AnyWaveform = Waveform | npt.NDArray[np.int32]

_SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
_SFC_SET_ADD_PEAK_CHUNK = (
    0x1050  # libsndfile's command; the chunk holds the time of writing, so equal audio would differ
)


class AudioError(TonemillError):
    """Audio that cannot be encoded as requested, or bytes that are not audio."""


def encode_pcm(waveform: AnyWaveform, sample_rate: int, bit_depth: int, *, container: str, **options: object) -> bytes:
    """File bytes of a waveform, float32 [C, S] or int32 [C, S] in units of the last bit, as libsndfile writes them.

    Args:
        waveform: What to write.
        sample_rate: in Hz.
        bit_depth: 16, 24, or 32 for float.
        container: libsndfile's name of a format.
        options: more of what soundfile.SoundFile takes.

    Raises:
        AudioError: libsndfile does not write that.
    """
    import soundfile

    target = io.BytesIO()
    subtype, channels = _SUBTYPES[bit_depth], waveform.shape[0]
    try:
        with soundfile.SoundFile(
            target, "w", samplerate=sample_rate, channels=channels, format=container, subtype=subtype, **options
        ) as file:
            soundfile._snd.sf_command(file._file, _SFC_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
            file.write(_frames(waveform, bit_depth))
    except (soundfile.LibsndfileError, ValueError) as error:
        raise AudioError(f"{container} of {channels} channels in {bit_depth} bit is not written: {error}") from error
    return target.getvalue()


def decode(data: bytes) -> tuple[Waveform, int]:
    """Waveform float32 [C, S] in -1..1 and sample rate in Hz of bytes of any format that libsndfile reads.

    Raises:
        AudioError: when the bytes are not audio, or end early.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            promised = file.frames
            frames = file.read(dtype="float32", always_2d=True)
            sample_rate = int(file.samplerate)
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        raise AudioError(f"these {len(data)} bytes are not audio that can be read: {error}") from error
    if len(frames) != promised:
        raise AudioError(f"audio is cut short: its header promises {promised} samples, {len(frames)} are there")
    return np.ascontiguousarray(frames.T), sample_rate  # [C, S]


def _frames(waveform: AnyWaveform, bit_depth: int) -> npt.NDArray[np.generic]:
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
        # Separate rows, which numba knows to be contiguous: half of the time of indexing both.
        row, column = waveform[channel], steps[:, channel]
        for i in range(len(row)):
            column[i] = np.int32(min(max(np.rint(row[i] * scale), -scale), scale - np.float32(1.0)))
