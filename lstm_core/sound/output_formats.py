"""The formats that tracks are delivered in, one row each: to add one, add its row.

Orders are checked against this table, masters and stems encoded by it, the gates decode by it what they measure, and
records and the page name what it names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lstm_core.sound.audio import AnyWaveform, AudioError, Waveform, decode, encode_pcm
from lstm_core.sound.loops.points import LoopPoints, mark_flac, mark_wav


@dataclass(frozen=True, kw_only=True)
class OutputFormat:
    """How tracks of one format are written, and read back to be measured."""

    bit_depths: tuple[int, ...]  # that can be ordered; 32 is float
    encode: Callable[[AnyWaveform, int, int], bytes]  # of a waveform [C, S], sample rate in Hz and bit depth
    decode: Callable[[bytes], tuple[Waveform, int]] = decode  # to float32 [C, S] and Hz; AudioError if it cannot
    suffix: str  # of file names, with its dot
    mime: str  # type by which a browser knows that it can play it
    size_share: float = 1.0  # of PCM that its files take at most, about
    mark_loop: Callable[[bytes, int, LoopPoints], bytes] | None = None  # writes points into a file of a rate in Hz


OUTPUT_FORMATS = {
    "flac": OutputFormat(
        bit_depths=(16, 24),
        # libsndfile's 0..1 for FLAC levels 0..8, so level 2: from 3 on libFLAC predicts by floating point, and chooses
        # its code by the processor, so that the same samples become other bytes on one without FMA
        encode=partial(encode_pcm, container="FLAC", compression_level=0.25),
        suffix=".flac",
        mime="audio/flac",
        size_share=0.75,
        mark_loop=mark_flac,
    ),
    "wav": OutputFormat(
        bit_depths=(16, 24, 32),
        encode=partial(encode_pcm, container="WAV"),
        suffix=".wav",
        mime="audio/wav",
        mark_loop=mark_wav,
    ),
}  # by the name that orders and records use


def output_format(name: str, bit_depth: int) -> OutputFormat:
    """The row of a format.

    Raises:
        AudioError: it is not made, or not with that bit depth; the message says what is.
    """
    row = OUTPUT_FORMATS.get(name)
    if row is None or bit_depth not in row.bit_depths:
        offer = "; ".join(f"{name}: {', '.join(map(str, row.bit_depths))} bit" for name, row in OUTPUT_FORMATS.items())
        raise AudioError(f"format {name} with bit_depth {bit_depth} is not made. There is {offer}.")
    return row


def encode(
    waveform: AnyWaveform,
    *,
    sample_rate: int,
    format: str = "flac",
    bit_depth: int = 16,
    loop_points: LoopPoints | None = None,
) -> bytes:
    """File bytes of a waveform; the same input always gives the same bytes.

    Args:
        waveform: float32 [C, S] in -1..1, rounded to the nearest of 2**bit_depth steps and held inside the range
            (a waveform that is already on that grid, as `master` gives it, survives exactly); or int32 [C, S] in
            units of the last bit.
        sample_rate: in Hz.
        format: name of a row of OUTPUT_FORMATS.
        bit_depth: one of that row.
        loop_points: to be written into the file, where its format has a place for them.

    Raises:
        AudioError: for a format, bit depth or shape that cannot be.
    """
    row = output_format(format, bit_depth)
    if waveform.ndim != 2 or not 1 <= waveform.shape[0] <= 8:
        raise AudioError(f"a waveform to encode is [channels, samples], got an array of shape {waveform.shape}")
    data = row.encode(waveform, sample_rate, bit_depth)
    if loop_points is None or row.mark_loop is None:
        return data
    return row.mark_loop(data, sample_rate, loop_points)
