"""What is decided before the notes, and every file that is made of them, is the same on every kind of x86 processor."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

ROOT = Path(__file__).resolve().parents[3]
HAS_FMA, HAS_AVX512 = bool(__cpu_features__.get("FMA3")), bool(__cpu_features__.get("AVX512F"))

# A processor of 2013, with AVX2 and without AVX-512; and one of 2009, with neither and without FMA.
AVX2 = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in __cpu_dispatch__ if name.startswith(("AVX512", "X86_V4"))),
    "OPENBLAS_CORETYPE": "Haswell",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F",
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
}
SSE = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "OPENBLAS_CORETYPE": "Nehalem",
    "NUMBA_CPU_NAME": "x86-64",
    "NUMBA_CPU_FEATURES": "",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ARROW_USER_SIMD_LEVEL": "NONE",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4",  # which choose exp, sin and log of the C library
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def made_with(variables: dict[str, str], folder: Path) -> dict[str, Any]:
    """What a process makes whose libraries take this processor for another one."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "tests.lstm_core.tracks.processor_takes", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="limits the instructions of x86 processors")
def test_every_file_is_the_same_on_older_processors(tmp_path: Path) -> None:
    """NumPy and the C library choose other powers, angles and products there: of 71 files 39 differed without FMA."""
    here = made_with({}, tmp_path / "here")
    kinds = {Path(name).suffix for name in here["made"]["files"]}
    assert kinds == {".flac", ".wav", ".mid", ".png", ".json", ".parquet", ".html", ".md"}
    for name, variables in (("avx2", AVX2), ("sse", SSE)):
        there = made_with(variables, tmp_path / name)
        assert there["made"] == here["made"]
        if HAS_AVX512:
            assert there["libraries"]["numpy"] != here["libraries"]["numpy"], "NumPy did not take it for another one"
        if HAS_FMA and name == "sse" and platform.libc_ver()[0] == "glibc":
            assert there["libraries"]["libm"] != here["libraries"]["libm"], "the C library did not"
