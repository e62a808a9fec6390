"""Compiled once a machine, by one process while the others wait, and anew when anything changes that it is made of."""

from __future__ import annotations

import ast
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import lstm_core
from lstm_core.foundation import compiling

PACKAGE = Path(lstm_core.__file__).parent
PROGRAM = "from lstm_core.notes.doubled import doubled; print(doubled(5))"
DOUBLED = """
from lstm_core.foundation.compiling import njit
from lstm_core.notes.factor import FACTOR, again

@njit(cache=True)
def doubled(x):
    return again(x * FACTOR)
"""
FACTOR = """
from lstm_core.foundation.compiling import njit
from lstm_core.notes.root import ROOT
FACTOR = {factor} * ROOT

@njit(cache=True)
def again(x):
    return x + {more}
"""


def make(folder: str, number: int) -> None:
    """What a process does that wants something compiled: it takes a while and is written down."""
    compiling._place = lambda: Path(folder)

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


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package like lstm_core, with a compiled function that takes a constant and a function from another file."""
    folder = tmp_path / "lstm_core"
    for name in ("foundation", "notes"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
    (folder / "__init__.py").touch()
    shutil.copy(PACKAGE / "foundation" / "compiling.py", folder / "foundation")
    (folder / "notes" / "doubled.py").write_text(DOUBLED)
    write_factor(folder, 2, 0)
    (folder / "notes" / "root.py").write_text("ROOT = 1")
    return folder


def write_factor(package: Path, factor: int, more: int) -> None:
    (package / "notes" / "factor.py").write_text(FACTOR.format(factor=factor, more=more))


def run(package: Path, **variables: str) -> str:
    """What a fresh process computes with the package."""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    command = [sys.executable, "-P", "-c", PROGRAM]
    environment |= {"PYTHONPATH": str(package.parent), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def compiled_forms(place: Path) -> dict[Path, int]:
    """Files of machine code, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in place.glob("numba-notes.doubled-*/*/*.nbc")}


def test_a_change_of_another_file_is_seen(package: Path) -> None:
    """Numba looks at a function's own file: constants and functions of others stayed those of the first run."""
    assert run(package) == "10"
    before = compiled_forms(package / "__pycache__")
    assert len(before) == 1
    assert run(package) == "10" and compiled_forms(package / "__pycache__") == before  # nothing to compile
    write_factor(package, 3, 0)
    assert run(package) == "15"
    write_factor(package, 3, 1)
    assert run(package) == "16"
    (package / "notes" / "root.py").write_text("ROOT = 2")  # which only the other file imports
    assert run(package) == "31"
    write_factor(package, 2, 0)
    (package / "notes" / "root.py").write_text("ROOT = 1")  # an older version again: it is still there
    assert run(package) == "10" and compiled_forms(package / "__pycache__").items() >= before.items()


def test_a_change_of_a_file_that_has_no_part_in_it_compiles_nothing(package: Path) -> None:
    assert run(package) == "10"
    before = compiled_forms(package / "__pycache__")
    (package / "notes" / "other.py").write_text("FACTOR = 7")
    assert run(package) == "10" and compiled_forms(package / "__pycache__") == before


@pytest.mark.slow
def test_folders_of_earlier_contents_are_removed(package: Path) -> None:
    """What is compiled stays for NUM_KEPT contents of a file; an upgraded machine filled up otherwise."""
    for factor in range(2, 3 + compiling.NUM_KEPT):
        write_factor(package, factor, 0)
        assert run(package) == str(5 * factor)
    folders = sorted(path.name.rpartition("-")[0] for path in (package / "__pycache__").glob("numba-*"))
    assert folders == ["numba-notes.doubled"] * compiling.NUM_KEPT + ["numba-notes.factor"] * compiling.NUM_KEPT


def test_a_configured_place_is_taken(package: Path, tmp_path: Path) -> None:
    assert run(package, NUMBA_CACHE_DIR=str(tmp_path / "configured")) == "10"
    assert len(compiled_forms(tmp_path / "configured")) == 1
    assert not list((package / "__pycache__").glob("numba-*"))


def test_an_installation_that_cannot_be_written_compiles_into_a_folder_of_the_user(
    package: Path, tmp_path: Path
) -> None:
    """A file where __pycache__ would be: nothing can be written there, by any user."""
    shutil.rmtree(package / "__pycache__", ignore_errors=True)
    (package / "__pycache__").touch()
    (tmp_path / "temporary").mkdir()
    for _ in range(2):
        assert run(package, TMPDIR=str(tmp_path / "temporary")) == "10"
    place = tmp_path / "temporary" / f"tonemill-{os.getuid()}"
    assert len(compiled_forms(place)) == 1 and place.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_another_user_could_write_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made /tmp/tonemill-UID first had the user run the code that he put there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = compiling._users_place()
    assert own == tmp_path / f"tonemill-{os.getuid()}" == compiling._users_place()
    own.chmod(0o777)
    assert compiling._users_place() != own
    own.rmdir()
    (tmp_path / "theirs").mkdir(mode=0o700)
    own.symlink_to(tmp_path / "theirs")
    assert compiling._users_place() not in (own, tmp_path / "theirs")
    own.unlink()
    if os.getuid() == 0:
        own.mkdir(mode=0o700)
        os.chown(own, 65534, 65534)
        assert compiling._users_place() != own


def test_what_is_compiled_goes_through_this_one_place() -> None:
    """A file that took njit from Numba itself would keep old code, and nothing clears Numba's folder."""
    using = [path for path in PACKAGE.rglob("*.py") if {"numba"} & _modules(path, whole=False)]
    assert using == [PACKAGE / "foundation" / "compiling.py"]


def test_all_imports_are_found() -> None:
    """As the syntax tree has them, which takes 50 times as long to make."""
    files = sorted(PACKAGE.rglob("*.py"))
    wanted = {path: {file for name in _modules(path, whole=True) if (file := compiling._file(name))} for path in files}
    assert {path: set(compiling._imported(path)) for path in files} == wanted
    assert PACKAGE / "foundation" / "bfloat16.py" in wanted[PACKAGE / "model" / "packing.py"]


def _modules(path: Path, *, whole: bool) -> set[str]:
    """Modules that a file imports: dotted names of those of lstm_core, or the first part of all names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("lstm_core")} if whole else {n.partition(".")[0] for n in names}
