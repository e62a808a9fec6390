"""Memory that is free goes back to the system from time to time.

A worker that listens for hours keeps a few small arrays between many large ones that come and go, and the C library
then holds more and more that nobody uses: 60 MB more an hour of one recording. Returning all large arrays at once
(M_MMAP_THRESHOLD) takes half of the time again; asked every five minutes of audio it costs nothing that shows, and a
recording of three hours needs what one of minutes needs (November 2026).
"""

from __future__ import annotations

import ctypes

TRIM_EVERY_S = 300.0  # of audio, 2.5 s of work


class Heap:
    """Counts audio, and has the C library give back what is free when it is enough; does nothing where it cannot."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
        self._heard_s = 0.0

    def add(self, duration_s: float) -> None:
        """So many more seconds have been heard."""
        self._heard_s += duration_s
        if self._heard_s >= TRIM_EVERY_S and self._trim is not None:
            self._heard_s = 0.0
            self._trim(0)
