"""Files of every codec, made from waveforms with FFmpeg."""

from __future__ import annotations

from lstm_core.recordings.encoding import FORMATS, Format, encode

__all__ = ["FORMATS", "Format", "encode"]
