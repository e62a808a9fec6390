"""Files of every codec, made from waveforms with FFmpeg."""

from __future__ import annotations

from lstm_core.decode.encoding import FORMATS, Format, encode

__all__ = ["FORMATS", "Format", "encode"]
