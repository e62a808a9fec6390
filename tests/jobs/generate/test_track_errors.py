"""What ends an order and what becomes a row of its failures, when finishing a track raises."""

from __future__ import annotations

import json
import logging
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.generate.attempts import GenerateRecipe, TrackWork
from jobs.generate.track_errors import ErrorWatch, described
from jobs.generate.track_pipeline import finish_rows
from jobs.runtime.sent_files import SentFile
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import ScoreError, TonemillError
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.sound.soundfont import identity_of, refer_to_soundfont
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.originals import NOTHING_KNOWN


def raised(error: Exception) -> dict[str, Any]:
    try:
        raise error
    except Exception as caught:
        return described(caught)


def test_a_fault_of_the_program_ends_the_order_at_its_second_track(caplog: pytest.LogCaptureFixture) -> None:
    """It became a failed row after four attempts, for each of 100,000 tracks, and nobody saw a traceback."""
    watch = ErrorWatch()
    watch.look_at("a", [])
    watch.look_at("b", [raised(IndexError("index 5"))] * 2)  # both attempts at one odd track
    watch.look_at("c", [raised(ValueError("another one"))])
    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match="IndexError at the tracks b, d: index 7"):
        watch.look_at("d", [raised(IndexError("index 7"))])
    assert "in raised\n    raise error" in caplog.text


def test_a_worker_tells_what_was_raised(tmp_path: Path) -> None:
    """Notes that are none make a failed row with its reason, and what was raised where."""
    reference = refer_to_soundfont()
    work = TrackWork(
        checkpoint=None,
        originals=NOTHING_KNOWN,
        soundfont=SentFile(reference=reference),
        catalogue=str(tmp_path),
        order_name="odd",
        provenance=Provenance(
            checkpoint={"fingerprint": "f"}, soundfont=identity_of(reference), arithmetic="float32-cpu"
        ),
        recipe=GenerateRecipe(max_attempts=1),
        num_workers=1,
    )
    track = replace(admit(TrackOrder(duration_s=4.0, bpm=120.0, seed=1)), track_id="a1")
    row = {
        "track": np.array([pickle.dumps(track)], dtype=object),
        "take": np.array([pickle.dumps(Take(notes=np.zeros(3, dtype=np.uint8)))], dtype=object),
        "attempt": np.array([0]),
        "engine_s": np.array([0.0]),
    }
    outcome = json.loads(finish_rows(row, work=work)["outcome"][0])
    (error,) = outcome["errors"]
    assert not outcome["is_passed"] and outcome["reason"] == f"{error['kind']}: {error['text']}"
    assert not error["is_for_user"] and "finish_track" in error["traceback"]


def test_an_odd_track_is_made_once_more_and_then_given_up() -> None:
    watch = ErrorWatch()
    watch.look_at("a", [raised(ValueError("odd"))])
    assert not watch.is_done_with("a")
    watch.look_at("a", [raised(ValueError("odd"))])
    assert watch.is_done_with("a") and not watch.is_done_with("b")


def test_the_same_complaint_at_the_first_three_tracks_ends_the_order() -> None:
    error = raised(ScoreError("there are no notes in it"))
    watch = ErrorWatch()
    watch.look_at("a", [error, error])
    watch.look_at("b", [error])
    with pytest.raises(TonemillError, match="The first 3 tracks all failed: there are no notes in it"):
        watch.look_at("c", [error])


def test_a_complaint_at_later_tracks_ends_nothing() -> None:
    watch = ErrorWatch()
    watch.look_at("good", [])
    for number in range(50):
        watch.look_at(str(number), [raised(ScoreError("there are no notes in it"))])
    assert watch.is_done_with("7") is False
