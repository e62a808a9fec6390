"""Limits of a recording and of its cost. They import neither decoder nor transcriber: a recipe is read without both."""

from __future__ import annotations

from dataclasses import dataclass

TRANSCRIPTION_VERSION = 2  # raise it when the same samples would give another piece or reject


@dataclass(frozen=True, kw_only=True)
class RecordingLimits:
    """Bounds on length and size of a recording."""

    max_duration_s: float = 4 * 3600.0  # a decompression bomb ends here
    min_duration_s: float = 1.0  # less holds no music
    max_bytes: int = 8 * 2**30  # 4 h of 24-bit stereo at 96 kHz

    def __post_init__(self) -> None:
        if not 0 <= self.min_duration_s < self.max_duration_s:
            raise ValueError(f"no duration lies between {self.min_duration_s} and {self.max_duration_s} s")
        if self.max_bytes <= 0:
            raise ValueError(f"max_bytes must be positive, got {self.max_bytes}")


@dataclass(frozen=True, kw_only=True)
class TranscriptionLimits:
    """Which recordings are taken, and what one may cost."""

    least_confidence: float = 0.2  # of a transcription, see lstm_core.transcription.confidence
    max_duration_s: float = RecordingLimits.max_duration_s
    min_duration_s: float = RecordingLimits.min_duration_s
    max_bytes: int = RecordingLimits.max_bytes
    decoding_floor_s: float = 10.0  # processor time of decoding one recording, and for each second of it
    decoding_seconds_per_s: float = 0.1
    decoding_memory_bytes: int = 512 * 2**20

    def __post_init__(self) -> None:
        if not 0.0 <= self.least_confidence <= 1.0:
            raise ValueError(f"listen.least_confidence is {self.least_confidence}, it must be 0 to 1")
        for name in ("decoding_floor_s", "decoding_seconds_per_s", "decoding_memory_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"listen.{name} is {getattr(self, name)}, it must be more than 0")
        self.recording_limits()

    def recording_limits(self) -> RecordingLimits:
        return RecordingLimits(
            max_duration_s=self.max_duration_s, min_duration_s=self.min_duration_s, max_bytes=self.max_bytes
        )
