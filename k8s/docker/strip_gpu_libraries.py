"""Deletes the libraries that only a GPU would load: `python strip_gpu_libraries.py`, for the CPU image.

torch's wheels are CUDA builds, and torchaudio 2.11 imports with no other, so a CPU image cannot simply leave CUDA out:
much of it is linked and loaded on every machine. What is not loaded there is Triton's compiler and, of the nvidia
packages, whatever no process has mapped after a step of training in float32 and one of inference in bf16.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

# Runs in a separate process, before and after: what it maps is what the CPU needs.
_WORK = """
import torch, torchaudio
model, steps = torch.nn.LSTM(8, 16, 2), torch.randn(5, 3, 8)
model(steps)[0].sum().backward()
torch.nn.functional.linear(steps.bfloat16(), torch.randn(4, 8).bfloat16())
torchaudio.transforms.Resample(3, 2)(torch.randn(64))
torch.nn.functional.conv1d(torch.randn(1, 1, 64), torch.randn(1, 1, 9))
print(*{line.split()[-1] for line in open("/proc/self/maps") if "/site-packages/" in line}, sep="\\n")
"""


def loaded_files() -> set[Path]:
    """The files of packages that torch maps into a process that uses no GPU."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", _WORK], env=environment, capture_output=True, text=True, check=True)
    return {Path(line).resolve() for line in done.stdout.splitlines()}


def strip(packages: Path) -> int:
    """Deletes the libraries from a folder of packages; gives back how many bytes that freed."""
    loaded, freed = loaded_files(), 0
    for path in sorted((packages / "nvidia").rglob("*.so*")):
        if path.is_file() and path.resolve() not in loaded:
            freed += path.stat().st_size
            path.unlink()
    triton = packages / "triton"
    freed += sum(path.stat().st_size for path in triton.rglob("*") if path.is_file())
    shutil.rmtree(triton, ignore_errors=True)
    loaded_files()  # raises if something is missing now
    return freed


if __name__ == "__main__":
    print(f"freed {strip(Path(sysconfig.get_paths()['purelib'])) / 1e6:.0f} MB")
