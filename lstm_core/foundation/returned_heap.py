"""Memory that is free goes back to the system from time to time.

A worker that transcribes for hours keeps a few small arrays between many large ones that come and go, and the C library
then holds more and more unused memory: 60 MB more per hour of one recording. Returning all large arrays at once
(M_MMAP_THRESHOLD) takes half of the time again; a trim per five minutes of audio has no measurable cost, and a
recording of three hours needs as much as one of minutes (November 2026).
"""

from __future__ import annotations

import ctypes

TRIM_EVERY_S = 300.0  # of audio, 2.5 s of work


class Heap:
    """Counts audio, and has the C library return free memory at intervals; does nothing where it cannot."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
        self._audio_s = 0.0

    def add(self, duration_s: float) -> None:
        """Counts so many more seconds of audio, and trims where it is time."""
        self._audio_s += duration_s
        if self._audio_s >= TRIM_EVERY_S and self._trim is not None:
            self._audio_s = 0.0
            self._trim(0)
