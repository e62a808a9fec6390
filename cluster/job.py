"""What is requested of a cluster and what it reports, whichever way jobs go to it."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from cluster.errors import ClusterError, JobFailedError

STAGES = ("prepare", "train", "generate")
EXIT_STOPPED = 130  # as of a command that Ctrl-C ended
EXIT_NO_PACKAGE = 127  # as of a shell that finds no command
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")
_NO_PACKAGE = "tonemill: the image of this cluster holds no Tonemill: the command is not on its PATH."


class JobStatus(StrEnum):
    """How far a job is, in the words of Ray."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self in (JobStatus.STOPPED, JobStatus.SUCCEEDED, JobStatus.FAILED)


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """One stage with its arguments, as they are on the cluster."""

    stage: str
    arguments: tuple[str, ...]  # behind `tonemill STAGE`
    files: Mapping[str, bytes] = field(default_factory=dict)  # that travel with it, by path in its working folder
    variables: Mapping[str, str] = field(default_factory=dict)  # environment that it adds to that of the cluster
    name: str = ""  # for people; empty: that of the stage

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ClusterError(f"{self.stage!r} is nothing to submit. There is {', '.join(STAGES)}.")
        if self.name and not _NAME.fullmatch(self.name):
            raise ClusterError(f"{self.name!r} is no name for a job: use a-z, 0-9 and - between them, 30 at most.")
        for argument in self.arguments:
            if not argument.isprintable():
                raise ClusterError(f"The argument {argument!r} holds a character that cannot travel to a cluster.")

    @property
    def entrypoint(self) -> str:
        """The command for the shell of the cluster; an image without our package says so at once."""
        command = shlex.join(["tonemill", self.stage, *self.arguments])
        complaint = f"{{ echo {shlex.quote(_NO_PACKAGE)} >&2; exit {EXIT_NO_PACKAGE}; }}"
        return f"command -v tonemill >/dev/null || {complaint}; exec {command}"

    @property
    def content_id(self) -> str:
        """A name that follows from the whole request: an equal request has the same."""
        files = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        content = [self.stage, self.arguments, files, dict(self.variables), self.name]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"{self.name or f'tonemill-{self.stage}'}-{digest[:12]}"


@dataclass(frozen=True, kw_only=True)
class JobInfo:
    """What a cluster says of a job."""

    job_id: str
    status: JobStatus
    entrypoint: str = ""
    message: str = ""
    error_type: str = ""  # in Ray's words: RUNTIME_ENV_SETUP_FAILURE and so on
    started_s: float | None = None  # since 1970
    ended_s: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    driver_exit_code: int | None = None
    node_id: str = ""  # where it runs and its log is; empty until it runs

    @property
    def exit_code(self) -> int:
        """What a command that waited for the job ends with: as if it had run here; 130 for one that was stopped."""
        if self.status is JobStatus.STOPPED:
            return EXIT_STOPPED
        if self.status is not JobStatus.FAILED:
            return 0
        code = self.driver_exit_code or 1
        return code if code > 0 else 128 - code  # killed by a signal: as shells report it

    def check_success(self) -> None:
        """JobFailedError, with the reason, of a job that ended otherwise than well."""
        if self.status is JobStatus.STOPPED:
            raise JobFailedError(f"The job {self.job_id} was stopped.", self.exit_code)
        if self.status is JobStatus.FAILED:
            raise JobFailedError(f"The job {self.job_id} failed: {self._reason()}", self.exit_code)

    def _reason(self) -> str:
        if self.driver_exit_code == EXIT_NO_PACKAGE:
            return (
                "the image of the cluster holds no Tonemill. Name one that does in the cluster file (k8s/Dockerfile)."
            )
        if self.driver_exit_code is not None:
            return (
                f"it ended with exit code {self.driver_exit_code}. `tonemill logs {self.job_id}` shows what it wrote."
            )
        lines = [line.strip() for line in self.message.splitlines() if line.strip()]
        first, last = (lines[0], lines[-1]) if lines else ("no reason given", "")
        text = first if first == last else f"{first} {last}"
        return f"{self.error_type + ': ' if self.error_type else ''}{text[:600]}"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What came of asking for a job."""

    job: JobInfo
    is_new: bool  # False: the same job was there, it runs or has succeeded


class Submitter(Protocol):
    """A way to a cluster."""

    def submit(self, request: JobRequest, *, is_again: bool = False) -> Submission: ...

    def status(self, job_id: str) -> JobInfo: ...

    def jobs(self) -> list[JobInfo]: ...

    def log(self, job_id: str) -> str: ...

    def follow(self, job_id: str, on_change: Callable[[JobInfo], None] | None = None) -> Iterator[str]: ...

    def stop(self, job_id: str) -> bool: ...

    def wait(self, job_id: str) -> JobInfo: ...

    def close(self) -> None: ...
