"""Records of tracks and failures that nobody made."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_core.catalogue.records import (
    GateVerdict,
    TrackFailure,
    make_failure,
)

FILES = {"master.flac": b"fLaC" * 100, "score.mid": b"MThd", "roll.png": b"\x89PNG", "stems/bass.flac": b"fLaC"}


def content(**changes: Any) -> dict[str, Any]:
    """Fields of a record, as numpy and Python hand them over."""
    return {
        "track_id": "a1",
        "name": "Cinder 003",
        "style": "reel",
        "duration_s": 60.0,
        "num_samples": np.int64(2_646_000),
        "sample_rate": 44100,
        "bit_depth": 16,
        "format": "flac",
        "loudness_lufs": np.float32(-16.02),
        "true_peak_dbtp": -1.25,
        "loop": np.bool_(True),
        "bpm": 120,
        "key": "D minor",
        "meter": "3/4",
        "num_bars": 30,
        "instruments": ["bass", "strings"],
        "seed": np.uint64(2**64 - 1),
        "attempt": 1,
        "gates": [
            {"name": "loudness", "is_passed": True, "value": -16.02, "bound": "-16 +- 0.2"},
            GateVerdict(name="not_silent", is_passed=True, value=None, bound="sound"),
        ],
        "order": {"style": "reel", "tempo": (90, 120.123456789)},
        "checkpoint": {"fingerprint": "f1", "name": "base", "corpus_fingerprint": "c1", "licences": ["CC0-1.0"]},
        "soundfont": {"name": "TimGM6mb", "sha256": "ab"},
        "arithmetic": "bf16",
        "score_fingerprint": "s1",
        **changes,
    }


def failure(**changes: Any) -> TrackFailure:
    fields = {"track_id": "z9", "name": "Onyx", "style": "jig", "reason": "silent", "num_attempts": 3, "seed": 7}
    return make_failure({**fields, "order": {"a": 1}, "gates": content()["gates"], **changes})
