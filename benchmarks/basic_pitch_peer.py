"""The peer of the transcriber, basic-pitch 0.4 (Bittner et al., ICASSP 2022), in a separate environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

ENVIRONMENT = Path("build/benchmarks/basic-pitch-env")
# Without its dependencies, which would install tensorflow: the ONNX model needs only these.
PEER = "basic-pitch==0.4.0"
NEEDS = ("onnxruntime", "librosa<0.11", "mir_eval", "pretty_midi", "resampy<0.4.3", "scipy", "setuptools<81")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


@dataclass(frozen=True, kw_only=True, eq=False)
class PeerNotes:
    notes: list[npt.NDArray[np.float64]]  # of each file: rows of (onset_s, offset_s, pitch), [n, 3]
    seconds: list[float]  # of processor time that each file took, loading of the file included


def basic_pitch(paths: list[Path]) -> PeerNotes | None:
    """The notes of basic-pitch for WAV files, in one thread; None, with a line on standard error, if it cannot run."""
    python = ENVIRONMENT / "bin" / "python"
    try:
        if not (ENVIRONMENT / "ready").exists():
            _install(python)
        runner = Path(__file__).with_name("basic_pitch_runner.py")
        command = [str(python), str(runner), *map(str, paths)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **ONE_THREAD})
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        print(f"basic-pitch cannot be run, so its figures are missing: {' '.join(reason)}", file=sys.stderr)
        return None
    answer = json.loads(done.stdout.splitlines()[-1])
    notes = [np.array(rows, dtype=np.float64).reshape(-1, 3) for rows in answer["notes"]]
    return PeerNotes(notes=notes, seconds=answer["seconds"])


def _install(python: Path) -> None:
    print(f"installing {PEER} in {ENVIRONMENT}", file=sys.stderr)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", PEER], check=True, capture_output=True, text=True)
    subprocess.run([*pip, *NEEDS], check=True, capture_output=True, text=True)
    (ENVIRONMENT / "ready").touch()
