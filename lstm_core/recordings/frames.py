"""Samples of decoded frames: of any type and layout into float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame


def rows_of(frame: AudioFrame) -> list[npt.NDArray[Any]]:
    """The samples of each channel of a frame, in its own type.

    Not by PyAV's to_ndarray: of planar frames with eight channels it looks for a ninth (18.1.0) and crashes.
    """
    dtype, num_channels = _DTYPES[str(frame.format.name).removesuffix("p")], frame.layout.nb_channels
    planes: tuple[Any, ...] = frame.planes
    if frame.format.is_planar:
        return [np.frombuffer(plane, dtype, frame.samples) for plane in planes[:num_channels]]
    packed = np.frombuffer(planes[0], dtype, frame.samples * num_channels)
    return [packed[channel::num_channels] for channel in range(num_channels)]


_DTYPES: dict[str, np.dtype[Any]] = {
    "u8": np.dtype("u1"),
    "s16": np.dtype("i2"),
    "s32": np.dtype("i4"),
    "s64": np.dtype("i8"),
    "flt": np.dtype("f4"),
    "dbl": np.dtype("f8"),
}


def convert(samples: npt.NDArray[Any], target: npt.NDArray[np.float32]) -> None:
    """Writes samples of any type [S] as float32, full scale at 1."""
    if samples.dtype == np.uint8:
        np.subtract(samples, np.float32(128), out=target)
        target *= np.float32(1 / 128)
    elif samples.dtype.kind == "i":
        np.multiply(samples, np.float32(2.0 ** (1 - 8 * samples.itemsize)), out=target, casting="unsafe")
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(target, samples, casting="same_kind")
