"""Altered bytes of every codec: each file decodes or is refused with a reason, and nothing crashes or hangs."""

from __future__ import annotations

import io
import sys
import time
from collections import Counter

import numpy as np
import pytest

from lstm_core.foundation.errors import RecordingError
from lstm_core.recordings.decoding import IsolatedDecoder
from tests.lstm_core.encoded import FORMATS, encode

NUM_ALTERED = 20  # of each codec; `python -m tests.lstm_core.test_recordings_fuzz 500` makes more


def altered(data: bytes, random: np.random.Generator) -> bytes:
    """The file with bytes changed, mostly in its header, a piece left out, doubled or put in, or its end cut off."""
    changed = bytearray(data)
    reach = min(len(data), 2000) if random.random() < 0.6 else len(data)
    for _ in range(int(random.integers(1, 12))):
        first, count = int(random.integers(reach)), int(random.integers(1, 40))
        kind = random.integers(6)
        if kind <= 2:
            changed[first : first + 1] = random.bytes(1)
        elif kind == 3:
            changed[first : first + count] = random.choice([b"\xff", b"\0", b"\x7f"]) * count
        elif kind == 4:
            del changed[first : first + count]
        else:
            changed[first:first] = changed[first : first + count]
    return bytes(changed[: int(random.integers(len(changed)))] if random.random() < 0.15 else changed)


def fuzz(decoder: IsolatedDecoder, name: str, count: int) -> Counter[str]:
    """How many files were decoded, refused, and ended the process."""
    t = np.arange(FORMATS[name].rate * 2) / FORMATS[name].rate
    wave = np.stack([np.sin(2000 * t + 5 * np.sin(30 * t)), np.sin(1500 * t)]).astype(np.float32) * np.float32(0.5)
    data = encode(wave, name, tags={"artist": "Ada", "title": "x" * 50})
    random = np.random.default_rng(sorted(FORMATS).index(name))
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        file = altered(data, random)
        start = time.monotonic()
        try:
            with decoder.open(io.BytesIO(file)) as recording:
                for chunk in recording.chunks():
                    assert np.isfinite(chunk).all() and chunk.shape[0] == recording.facts.num_channels
            outcomes["decoded"] += 1
        except RecordingError as error:
            assert error.stage == "decode" and len(str(error)) > 10
            ended = str(error).startswith("decoding it ")
            outcomes[f"ended: {error}" if ended else "refused"] += 1
        outcomes["longest_ms"] = max(outcomes["longest_ms"], round(1000 * (time.monotonic() - start)))
    return outcomes


@pytest.mark.parametrize("name", FORMATS)
def test_altered_files_neither_crash_nor_hang(name: str) -> None:
    with IsolatedDecoder() as decoder:
        outcomes = fuzz(decoder, name, NUM_ALTERED)
    assert outcomes["decoded"] + outcomes["refused"] == NUM_ALTERED, outcomes


if __name__ == "__main__":
    with IsolatedDecoder() as isolated:
        for codec in FORMATS:
            print(codec, dict(fuzz(isolated, codec, int(sys.argv[1]))), flush=True)
