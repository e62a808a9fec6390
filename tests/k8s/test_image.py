"""The image: what its file says is there, pinned, and not root; what it throws away is not needed.

There is no container engine in the tests, so nothing is built: the file is read, and its two programs run on this
environment.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import re
from dataclasses import dataclass, field
from types import ModuleType

import pytest

from tests.k8s.render import MANIFESTS, ROOT

DOCKERFILE = MANIFESTS / "Dockerfile"
IGNORE = MANIFESTS / "Dockerfile.dockerignore"


@dataclass
class Stage:
    """One FROM of a Dockerfile."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)  # instruction and the rest of its line


def read_stages(text: str) -> tuple[dict[str, str], list[Stage]]:
    """The ARGs before the first FROM with their defaults, and the stages."""
    logical = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in logical.splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(name.strip(), base.strip()))
        elif instruction == "ARG" and not stages:
            arguments.update([rest.split("=", 1)])
        elif instruction:
            stages[-1].steps.append((instruction, " ".join(rest.split())))
    return arguments, stages


ARGUMENTS, STAGES = read_stages(DOCKERFILE.read_text(encoding="utf-8"))


def stage(name: str) -> Stage:
    return next(found for found in STAGES if found.name == name)


def lineage(name: str) -> list[tuple[str, str]]:
    """The steps of a stage after those of the stages that it begins with."""
    found = stage(name)
    before = lineage(found.base) if found.base in {other.name for other in STAGES} else []
    return before + found.steps


def program(name: str) -> ModuleType:
    """One of the programs of the build, as a module."""
    spec = importlib.util.spec_from_file_location(name, MANIFESTS / "docker" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_base_is_pinned_by_version_and_digest() -> None:
    names = {found.name for found in STAGES}
    bases = {found.base for found in STAGES} - names
    assert bases == {"${BASE}"}
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", ARGUMENTS["BASE"])


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_targets_run_as_user_1000_and_hold_the_project(target: str) -> None:
    steps = lineage(target)
    assert [rest for instruction, rest in steps if instruction == "USER"][-1] == "1000:1000"
    assert steps[-1][0] in ("USER", "ENV") and "--uid 1000" in " ".join(rest for _, rest in steps)
    copied = {rest.split()[0] for instruction, rest in steps if instruction == "COPY" and "--from" not in rest}
    assert copied >= {"lstm_core", "jobs", "cluster", "k8s", "pyproject.toml"}
    assert ("WORKDIR", "/opt/tonemill") in steps
    environment = " ".join(rest for instruction, rest in steps if instruction == "ENV")
    # The root file system is read-only: every cache lies in /tmp.
    for name in ("HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "TONEMILL_CACHE", "XDG_CACHE_HOME"):
        assert re.search(rf"\b{name}=/tmp\b", environment)
    assert "NVIDIA_VISIBLE_DEVICES" not in environment
    bound_gb = re.search(r"\bTONEMILL_CACHE_GB=(\d+)\b", environment)
    assert bound_gb is not None and float(bound_gb[1]) * 1e9 < 8 * 2**30  # the /tmp of a head


def test_packages_come_from_the_lock_with_hashes_and_nowhere_else() -> None:
    runs = [rest for found in STAGES for instruction, rest in found.steps if instruction == "RUN"]
    installs = [rest for rest in runs if "pip install" in rest]
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes --requirement requirements.lock" in install or "--no-deps" in install
    debian = next(rest for rest in runs if "apt-get install" in rest)
    assert "--no-install-recommends fluid-soundfont-gm=" in debian and "rm -rf /var/lib/apt/lists/*" in debian
    assert not re.search(r"\b(curl|wget|git clone|ADD)\b", " ".join(runs))


def is_in_context(path: str) -> bool:
    """Whether Dockerfile.dockerignore leaves a path in: the last line that fits decides."""
    is_in = True
    for line in IGNORE.read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if not line or line.startswith("#"):
            continue
        names = [path, *path.split("/")] if line.startswith("**/") else [path, path.split("/")[0]]
        if any(fnmatch.fnmatch(name, pattern) for name in names):
            is_in = line.startswith("!")
    return is_in


def test_what_is_copied_is_there_and_in_the_context() -> None:
    copies = [rest for found in STAGES for name, rest in found.steps if name == "COPY" and "--from" not in rest]
    sources = sorted({source for copy in copies for source in copy.split()[:-1]})
    for source in sources:
        assert (ROOT / source).exists(), source
        assert is_in_context(source), source
    for kept_out in (
        "tests/conftest.py",
        ".git/config",
        "runs/a",
        "demo/corpus",
        "lstm_core/__pycache__/a.pyc",
        ".env",
    ):
        assert not is_in_context(kept_out), kept_out


def test_packages_of_developers_are_thrown_away_and_those_of_jobs_are_kept() -> None:
    keep_runtime = program("keep_runtime")
    wanted = keep_runtime.wanted_requirements(ROOT / "pyproject.toml")
    assert "ray[default]==2.60.0" in wanted and not any(line.startswith("pytest") for line in wanted)
    kept = keep_runtime.reachable(wanted)
    # aiohttp: only the extra "default" of ray leads there; nvidia-...: only the extras of cuda-toolkit, through torch.
    assert kept >= {"ray", "torch", "torchaudio", "pyarrow", "boto3", "music21", "aiohttp", "nvidia-cublas"}
    thrown = set(keep_runtime.superfluous(ROOT / "pyproject.toml"))
    assert thrown >= {"pytest", "mypy", "ruff", "moto", "hypothesis", "playwright", "pyloudnorm"}
    assert thrown & (kept | keep_runtime.TOOLS) == set()
