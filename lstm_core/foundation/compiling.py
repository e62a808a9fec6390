"""Compiles what is compiled, once a machine and version, while the other processes of the machine wait.

Numba keeps compiled functions on disk, in files that it numbers by an index. Two processes that compile forms of one
function for the first time at the same moment give theirs the same number, and one may then be run in place of
the other. So the first process runs everything once under a lock, on something small, and leaves a mark.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numba

_FOLDER = Path(__file__).parents[1]  # lstm_core


def compile_once(what: str, make: Callable[[], object]) -> None:
    """Nothing; calls `make`, unless some process of this machine has done so under this name in this version.

    Processes that come meanwhile wait, whatever they want to compile.
    """
    mark = _place() / f"tonemill-{what}-{_version()}"
    if mark.exists():
        return
    with (mark.parent / "tonemill-compiling").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            make()
            mark.touch()


def _place() -> Path:
    """Where marks and lock are: beside the compiled files, or where anybody may write."""
    beside = _FOLDER / "__pycache__"
    if os.access(beside, os.W_OK):
        return beside
    place = Path(tempfile.gettempdir()) / f"tonemill-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


@cache
def _version() -> str:
    """Changes with the code, with Numba and Python, and with the processor."""
    digest = hashlib.sha256(f"{numba.__version__} {platform.python_version()} {_processor()}".encode())
    for path in sorted(_FOLDER.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    from llvmlite import binding

    return f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
