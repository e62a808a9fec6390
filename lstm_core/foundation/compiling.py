"""Compiles functions with Numba, and keeps the machine code under a hash of the files that it was compiled from.

Numba's own cache sees a change of the file that a function stands in. It does not see one in a file whose functions
and constants were compiled into it, and an upgraded machine would keep running the old code. So `njit` gives the
functions of each file a folder that is named by a hash of that file and of all that it imports of lstm_core.

Numba numbers the files of its cache by an index. Two processes that compile forms of one function for the first time
at the same moment give theirs the same number, and one may then be run in place of the other. So `compile_once` lets
the first process run everything once under a lock, on something small, and leave a mark.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

NUM_KEPT = 4  # folders of one file: two checkouts may share a place, each at work on two versions
_PACKAGE = Path(__file__).parents[1]  # lstm_core
_IMPORT = re.compile(
    r"^[ \t]*from (lstm_core[\w.]*) import (?:\(([^)]*)\)|(.*))|^[ \t]*import (lstm_core[\w.]*)", re.MULTILINE
)


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba.njit whose cache on disk (`cache=True`) follows the content of all that the function may be made of.

    Numba looks for the folder of its cache, and makes it, where a function is defined: so this happens at import.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(_folder_of(Path(function.__code__.co_filename)))
        try:
            return numba.njit(**options)(function)
        finally:
            numba.config.CACHE_DIR = before

    return compiled


# For functions that only read and write arrays which their caller owns: no reference counting. Numba counts every array
# of a NamedTuple at each call, one atomic operation each, and the rows of an engine have dozens. What shifts a row may
# choose took 6.2 us with it and 0.3 us without (one core of a Xeon with AVX-512, 2026-11). Such a function can make no
# arrays; views of those it is given are free.
borrowing = njit(cache=True, nogil=True, _nrt=False)


def compile_once(what: str, make: Callable[[], object]) -> None:
    """Calls `make`, unless some process of this machine has done so under this name in this version.

    Processes that come meanwhile wait, whatever they want to compile.
    """
    mark = _mark(what)
    if mark.exists():
        return
    with (mark.parent / "tonemill-compiling").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            make()
            mark.touch()
            _forget(f"tonemill-{what}-*")


def is_compiled(what: str) -> bool:
    """Whether `compile_once` of this name would do nothing."""
    return _mark(what).exists()


def sources_of(file: Path) -> list[Path]:
    """A file of lstm_core and all others of lstm_core that it imports, directly or not, sorted."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path)
    return sorted(found)


@cache
def _folder_of(file: Path) -> Path:
    """Where Numba keeps what it compiles of a file; the oldest folders of earlier contents are removed."""
    digest = hashlib.sha256(_machine().encode())
    for path in sources_of(file):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + _content(path))
    name = ".".join(file.relative_to(_PACKAGE).with_suffix("").parts)
    folder = _place() / f"numba-{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        _forget(f"numba-{name}-*")
    return folder


def _mark(what: str) -> Path:
    return _place() / f"tonemill-{what}-{_version()}"


def _forget(pattern: str) -> None:
    """Removes what the place holds under a pattern, but for the newest. A process that still uses it compiles again."""
    dated: list[tuple[float, Path]] = []
    for path in _place().glob(pattern):
        with suppress(FileNotFoundError):  # another process removes the same
            dated.append((path.stat().st_mtime, path))
    for _, path in sorted(dated)[:-NUM_KEPT]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@cache
def _place() -> Path:
    """Where compiled code, marks and lock are: in $NUMBA_CACHE_DIR, beside the sources, or in a folder of this user."""
    if configured := os.environ.get("NUMBA_CACHE_DIR"):
        place = Path(configured)
        place.mkdir(parents=True, exist_ok=True)
        return place
    beside = _PACKAGE / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
    except OSError:
        return _users_place()
    return beside if os.access(beside, os.W_OK) else _users_place()


def _users_place() -> Path:
    """A folder that belongs to this user alone: what is loaded from it is run."""
    place = Path(tempfile.gettempdir()) / f"tonemill-{os.getuid()}"
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    found = place.lstat()
    if found.st_uid == os.getuid() and not found.st_mode & 0o022 and place.is_dir() and not place.is_symlink():
        return place
    return Path(tempfile.mkdtemp(prefix=f"tonemill-{os.getuid()}-"))  # another user made the other first


@cache
def _version() -> str:
    """Changes with the code, with Numba and Python, and with the processor."""
    digest = hashlib.sha256(_machine().encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(_content(path))
    return digest.hexdigest()[:16]


@cache
def _machine() -> str:
    from llvmlite import binding

    processor = f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
    return f"{numba.__version__} {platform.python_version()} {processor}"


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _imported(path: Path) -> list[Path]:
    """Files of lstm_core that a file names in its imports, also inside functions."""
    return [file for module in _named(_content(path).decode()) if (file := _file(module)) is not None]


def _named(source: str) -> Iterator[str]:
    """Dotted names in the imports of a source: each module, and each name of it, which may be a module too."""
    for module, in_brackets, in_line, plain in _IMPORT.findall(source):
        yield module or plain
        for name in re.sub(r"#.*", "", in_brackets or in_line).split(","):
            if words := name.split():
                yield f"{module}.{words[0]}"


def _file(module: str) -> Path | None:
    """The file of a module of lstm_core; None of what is none, as a function."""
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py") if path != _PACKAGE else path / "__init__.py", path / "__init__.py"):
        if file.is_file():
            return file
    return None
