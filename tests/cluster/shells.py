"""Jobs of which a test says what they do: a command `tonemill` that runs its last argument as a shell script."""

from __future__ import annotations

from pathlib import Path

from cluster.job import JobRequest

PROGRAM = '#!/bin/sh\nfor script; do :; done\nexec sh -c "$script"\n'


def shell_folder(folder: Path) -> Path:
    """A folder for the PATH of jobs, with that command in it."""
    program = folder / "tonemill"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return folder


def shell_request(folder: Path, script: str, files: dict[str, bytes] | None = None) -> JobRequest:
    """A job that runs a script (of one line)."""
    variables = {"PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin"}
    return JobRequest(stage="generate", arguments=(script,), files=files or {}, variables=variables)
