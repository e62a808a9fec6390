"""Takes out of an environment what jobs do not need: `python keep_runtime.py pyproject.toml`.

requirements.lock pins what develops Tonemill too, and pip checks the hashes of all of a file or of none. So the image
installs all of it, and then this keeps what the project's dependencies and its extras lead to, all but `dev`.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOOLS = frozenset({"packaging", "pip", "setuptools", "wheel"})  # the project itself is installed after this


def wanted_requirements(pyproject: Path) -> list[str]:
    """The requirements of the project and of all its extras but `dev`."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "dev"}
    return [*project["dependencies"], *(line for lines in extras.values() for line in lines)]


def reachable(requirements: list[str]) -> set[str]:
    """Names of all installed distributions that requirements lead to, themselves included.

    Raises:
        PackageNotFoundError: one that is required is not installed: the lock is older than pyproject.toml.
    """
    waiting = [Requirement(line) for line in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add((name, extras))
        for line in importlib.metadata.distribution(name).requires or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                inner.marker = None
                waiting.append(inner)
    return {name for name, _ in seen}


def superfluous(pyproject: Path) -> list[str]:
    """Names of the installed distributions that jobs do not need, sorted."""
    installed = {canonicalize_name(distribution.name) for distribution in importlib.metadata.distributions()}
    return sorted(installed - reachable(wanted_requirements(pyproject)) - TOOLS)


def main() -> None:
    """Uninstalls what is superfluous."""
    names = superfluous(Path(sys.argv[1]))
    if names:
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "--yes", "--quiet", *names], check=True)
    print(f"uninstalled {len(names)}: {' '.join(names)}")


if __name__ == "__main__":
    main()
