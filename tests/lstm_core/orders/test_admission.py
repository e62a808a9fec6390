"""What is refused before any work, and how large files are taken to be."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit, estimated_size_bytes
from lstm_core.orders.order import TrackOrder, derived_seed
from lstm_core.orders.plan import plan_track

ORDER = TrackOrder(duration_s=16.0, bpm=120.0, key="C", seed=5)


def test_music_of_two_pitches_is_refused() -> None:
    with pytest.raises(OrderError, match="hold 2 notes of the key, and music of fewer than 3"):
        admit(replace(ORDER, pitch_low=60, pitch_high=62))
    admit(replace(ORDER, pitch_low=60, pitch_high=64))
    admit(replace(ORDER, pitch_low=60, pitch_high=62, instruments=("drums",)))


def test_a_planned_track_is_small_frozen_and_survives_a_trip() -> None:
    track = replace(admit(ORDER), track_id="a1")
    data = pickle.dumps(track)
    assert pickle.loads(data) == track and len(data) < 1500
    assert track.plan == plan_track(ORDER) and track.primer is None and track.name == "a1"
    assert replace(track, order=replace(ORDER, name="n")).name == "n"
    with pytest.raises(FrozenInstanceError):
        track.track_id = "b"  # type: ignore[misc]
    assert [track.seed_of(attempt) for attempt in range(3)] == [5, derived_seed(5, 1), derived_seed(5, 2)]


def test_sizes_follow_the_format() -> None:
    assert estimated_size_bytes(replace(ORDER, format="wav", bit_depth=24)) == 16 * 44100 * 6 + 100_000
    assert estimated_size_bytes(replace(ORDER, stems=True)) == 0.75 * 3 * 16 * 44100 * 4 + 100_000
