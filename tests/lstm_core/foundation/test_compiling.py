"""Compiled once a machine, by one process while the others wait."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from lstm_core.foundation import compiling


def make(folder: str, number: int) -> None:
    """What a process does that wants something compiled: it takes a while and is written down."""
    compiling._place = lambda: Path(folder)  # type: ignore[assignment]

    def compile_it() -> None:
        start = time.monotonic()
        time.sleep(0.2)
        (Path(folder) / f"made-{number}").write_text(f"{start} {time.monotonic()}")

    compiling.compile_once("tests", compile_it)


def test_of_many_processes_one_compiles(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=make, args=(str(tmp_path), number)) for number in range(6)]
    start = time.monotonic()
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    assert len(list(tmp_path.glob("made-*"))) == 1
    assert time.monotonic() - start < 5.0


def test_what_failed_is_tried_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_place", lambda: tmp_path)

    def fail() -> None:
        raise ValueError("no SoundFont")

    with pytest.raises(ValueError, match="no SoundFont"):
        compiling.compile_once("tests", fail)
    made: list[int] = []
    for number in range(3):
        compiling.compile_once("tests", lambda number=number: made.append(number))
    assert made == [0]


def test_another_version_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_place", lambda: tmp_path)
    made: list[str] = []
    for version in ("a", "b", "a"):
        monkeypatch.setattr(compiling, "_version", lambda version=version: version)
        compiling.compile_once("tests", lambda version=version: made.append(version))
    assert made == ["a", "b"]
