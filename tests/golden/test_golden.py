"""The golden catalogue holds: the same notes, and the same tracks through the command line."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__

from lstm_core.composing.composer import Composer
from lstm_core.engine.engine import WIDTHS
from lstm_core.model.checkpoint import find_checkpoint
from lstm_core.model.composer_checkpoint import load_composer
from lstm_core.model.integers.definition import DefinedStep
from lstm_core.orders.order_file import read_order
from tests.golden.golden import (
    ROOT,
    GoldenTrack,
    differences,
    differing_events,
    make_events,
    make_tracks,
    read_golden,
    write_golden,
    write_orders,
)
from tests.golden.kinds import notes_of_all_kinds, tracks_of_all_kinds

TRACK = GoldenTrack(
    track_id="1",
    files={"master.flac": "a", "score.mid": "b", "roll.png": "c", "track.json": "d"},
    record={"attempt": "0", "loudness_lufs": "-16.0"},
)


def test_orders_are_of_every_kind(tmp_path: Path) -> None:
    """A kind of order that nobody asks for here is one that a refactoring may change unseen."""
    orders = read_order(write_orders(tmp_path)).tracks
    requested = {
        field: {getattr(order, field) for order in orders}
        for field in ("style", "meter", "reverb", "loop", "stems", "exact_tempo", "key", "scale", "bpm", "polyphony")
    }
    assert requested["loop"] == requested["stems"] == requested["exact_tempo"] == {False, True}
    assert requested["reverb"] == {"studio", "hall", "none"} and requested["meter"] == {"4/4", "3/4", "6/8"}
    styles = {"", "game", "film", "choral", "dance", "quartet"}
    assert styles <= requested["style"] and {"", "free", "D minor"} <= requested["key"]
    assert {"", "dorian"} <= requested["scale"] and 0.0 in requested["bpm"] and min(requested["polyphony"]) == 2
    formats = {(order.format, order.bit_depth, order.sample_rate) for order in orders}
    assert {("flac", 16, 44100), ("flac", 24, 44100), ("wav", 24, 48000), ("wav", 32, 48000)} == formats
    assert sum(bool(order.primer) for order in orders) == 1
    for field in ("form", "chords", "energy", "ensemble", "roles", "variation"):
        assert any(getattr(order, field) for order in orders), f"nobody asks for {field}"
    assert any(not (order.form or order.chords or order.energy or order.instruments) for order in orders)
    assert any("*" in name for order in orders for name in order.instruments)
    assert any("drums" in order.instruments for order in orders)
    records = [track.record for track in read_golden().tracks.values()]
    assert {record["arithmetic"] for record in records} == {'"int8"'}
    assert {record["attempt"] for record in records} > {"0"}, "no gate held a track back: give narrow-cool another seed"


def test_events_are_the_golden_ones(tmp_path: Path) -> None:
    assert differing_events(read_golden().events, make_events(tmp_path)) == []


@pytest.mark.slow
def test_tracks_are_the_golden_ones(tmp_path: Path) -> None:
    assert differences(read_golden().tracks, make_tracks(tmp_path)) == []


# The twelve golden tracks again as a processor of 2009 makes them, which has neither AVX nor products of bytes: its
# code is compiled anew, into a folder of its own.
OLD_PROCESSOR = {
    "ONEDNN_MAX_CPU_ISA": "SSE41",  # matrix products of torch
    "ATEN_CPU_CAPABILITY": "default",  # its other operations
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "OPENBLAS_CORETYPE": "Nehalem",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4",
    "NUMBA_CPU_NAME": "x86-64",  # compiled code
    "NUMBA_CPU_FEATURES": "",
}


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="limits the instructions of x86 processors")
def test_an_old_processor_makes_the_golden_tracks_and_the_notes_of_every_kind(
    tmp_path: Path, notes_here: dict[str, str]
) -> None:
    """Nodes of two kinds share an order: what one makes again for another has to be the same, to the last byte."""
    limits = OLD_PROCESSOR | {"NUMBA_CACHE_DIR": str(tmp_path / "compiled")}
    assert differences(read_golden().tracks, make_tracks(tmp_path / "old", limits=limits)) == []
    assert notes_with(limits) == notes_here


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="limits the instructions of x86 processors")
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE", "AVX512_CORE_VNNI"])
def test_notes_of_every_kind_are_the_same_with_fewer_instructions(
    instructions: str, notes_here: dict[str, str]
) -> None:
    """Products of bytes take other ways there: without VNNI they add up pairs in 16 bits."""
    assert notes_with({"ONEDNN_MAX_CPU_ISA": instructions}) == notes_here


def test_the_base_model_plays_what_is_defined(tmp_path: Path) -> None:
    """Both levels by the definition in plain NumPy, some thirty times as slow as what is compiled."""
    tracks = [track for track in tracks_of_all_kinds(tmp_path) if track.name.startswith("kind-5-")][:2]  # stingers
    attempts = [(track, 0) for track in tracks]
    checkpoint = load_composer(find_checkpoint("base"))
    compiled, defined = Composer(checkpoint), Composer(checkpoint)
    for engine in (defined.planner, defined.arranger):
        integers = engine.checkpoint.integers
        assert integers is not None
        engine._steps = {width: DefinedStep(integers, width) for width in WIDTHS if width <= 4}
    wanted, found = (
        {take.number: take.notes.tobytes() for take in composer.play(attempts)} for composer in (compiled, defined)
    )
    assert found == wanted and len(found) == 2 and all(len(notes) > 0 for notes in found.values())
    assert max(defined.arranger._steps) <= 4  # no other step was made


def test_there_are_sixty_four_orders_of_every_kind(notes_here: dict[str, str]) -> None:
    assert len(notes_here) == 64 and len(set(notes_here.values())) == 64


@pytest.fixture(scope="module")
def notes_here() -> dict[str, str]:
    return notes_of_all_kinds()


def notes_with(limits: dict[str, str]) -> dict[str, str]:
    """The notes of every kind as a process plays them whose libraries take this processor for another one."""
    environment = {**os.environ, **limits, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.golden.kinds"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("changed", "record", "lines"),
    [
        ({}, {}, []),
        ({"score.mid": "x", "master.flac": "x", "track.json": "x"}, {},
         ["other notes", "  master.flac differs", "  score.mid differs"]),
        ({"master.flac": "x", "track.json": "x"}, {"loudness_lufs": "-15.9"},
         ["the same notes, another sound", "  master.flac differs", "  track.json, loudness_lufs: -16.0 -> -15.9"]),
        ({"track.json": "x"}, {"attempt": "1"},
         ["only the record differs", "  track.json, attempt: 0 -> 1"]),
        ({"roll.png": "x", "track.json": "x"}, {},
         ["the same notes and sound, other files", "  roll.png differs"]),
        ({"stems/bass.flac": "x"}, {}, ["the same notes, another sound", "  stems/bass.flac is new"]),
    ],
)  # fmt: skip
def test_a_difference_is_reported(changed: dict[str, str], record: dict[str, str], lines: list[str]) -> None:
    made = replace(TRACK, files=TRACK.files | changed, record=TRACK.record | record)
    assert differences({"a": TRACK, "b": TRACK}, {"a": TRACK, "b": made}) == [f"b: {line}" for line in lines]


def test_a_track_too_few_or_too_many_is_reported() -> None:
    assert differences({"a": TRACK}, {"b": TRACK}) == ["a: was not made", "b: is not in the golden catalogue"]
    assert differing_events({"a": "1", "b": "1"}, {"a": "1", "c": "1"}) == ["b: other notes", "c: other notes"]


def test_a_catalogue_is_kept_as_it_is(tmp_path: Path) -> None:
    golden, copy = read_golden(), tmp_path / "copy.json"
    write_golden(golden, copy)
    assert read_golden(copy) == golden
