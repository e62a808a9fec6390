"""What `kubectl kustomize` makes of every overlay, and the copies of it that the tests compare with.

`python -m tests.k8s.render` writes the copies anew; look at their difference before you commit it.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "k8s"
GOLDEN = Path(__file__).resolve().parent / "golden"
OVERLAYS = ("cpu-small", "gpu-spot", "kueue")
PARTS = ("", "jobs", "schedule")  # folders of an overlay that are rendered by themselves
RENDERS = tuple(f"{overlay}/{part}".rstrip("/") for overlay in OVERLAYS for part in PARTS)

Manifest = dict[str, Any]


def has_kubectl() -> bool:
    """Whether the renderer is on this machine."""
    return shutil.which("kubectl") is not None


@lru_cache(maxsize=len(RENDERS))
def render(name: str) -> str:
    """The YAML of an overlay or of one of its parts, such as "gpu-spot" or "gpu-spot/jobs"."""
    command = ["kubectl", "kustomize", str(MANIFESTS / "overlays" / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def manifests(name: str) -> list[Manifest]:
    """The objects of a render, each one new, so that a test may break it."""
    return [document for document in yaml.load_all(render(name), Loader=yaml.CSafeLoader) if document]


def golden_path(name: str) -> Path:
    """Where the copy of a render lies."""
    return GOLDEN / f"{name.replace('/', '-')}.yaml"


def write_golden() -> list[Path]:
    """Renders everything and writes the copies; gives back those that changed."""
    GOLDEN.mkdir(exist_ok=True)
    changed = []
    for name in RENDERS:
        path, text = golden_path(name), render(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    for written in write_golden():
        print(f"renewed {written.relative_to(ROOT)}")
