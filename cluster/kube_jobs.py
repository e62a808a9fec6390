"""Stages as RayJobs: made from the template of the overlay, named from what is asked, and looked after."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cluster.errors import InvalidError, JobFailedError, NotFoundError
from cluster.kube import PART_OF, Kube
from cluster.kube_objects import Object, RayJobState
from cluster.kube_troubles import PodWatch

UNSCHEDULABLE_S = 900.0  # a GPU node takes 3 to 6 minutes from nothing; spot capacity may come a little later
STAGE_LABEL = "tonemill.io/stage"
_PLAIN = re.compile(r"(?:[a-zA-Z0-9@%_+=:,./-]|\{date\})+")  # the date of a night is put in before a shell sees it
_LOOK_S = 5.0  # how often the pods of a job that is not running are looked at
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What came of handing a job in."""

    name: str
    is_new: bool  # False: the same job was there
    state: RayJobState


class KubeJobs:
    """The RayJobs of a namespace.

    Args:
        kube: The namespace.
        unschedulable_s: How long a job may wait for a node before waiting for it is given up.
    """

    def __init__(self, kube: Kube, *, unschedulable_s: float = UNSCHEDULABLE_S) -> None:
        self.kube = kube
        self._unschedulable_s = unschedulable_s

    def submit(self, template: Object, stage: str, arguments: Sequence[str], *, name: str = "") -> Submission:
        """Hands in a stage with the arguments of its command line; asked twice it is one job.

        Args:
            template: RayJob of the stage.
            stage: prepare, train or generate.
            arguments: What stands behind `tonemill STAGE`.
            name: Of the RayJob; without one it follows from the content.
        """
        manifest = job_manifest(template, stage, arguments, name=name)
        stored, is_new = self.kube.create(manifest)
        return Submission(name=manifest["metadata"]["name"], is_new=is_new, state=RayJobState.of(stored))

    def state(self, name: str) -> RayJobState:
        """State of a job; NotFoundError when there is none."""
        return RayJobState.of(self.kube.get("RayJob", name))

    def list(self) -> list[RayJobState]:
        """All jobs of the namespace that are ours, sorted by name."""
        return [RayJobState.of(job) for job in self.kube.items("RayJob", PART_OF)]

    def stop(self, name: str) -> bool:
        """Deletes a job with its Ray cluster; False when there is none."""
        return self.kube.delete("RayJob", name)

    def wait(
        self, name: str, *, timeout_s: float = float("inf"), on_change: Callable[[RayJobState], None] | None = None
    ) -> RayJobState:
        """The state in which a job ended.

        Args:
            name: The job.
            timeout_s: After it TimeoutError.
            on_change: Told of every state that differs from the one before.

        Raises:
            ImagePullError, QuotaError, UnschedulableError: what keeps it from running; it is still there.
            NotFoundError: it was deleted.
        """
        troubles = PodWatch(self.kube, name, unschedulable_s=self._unschedulable_s)
        deadline = time.monotonic() + timeout_s
        last, look_s = None, 1.0
        while time.monotonic() < deadline:
            for event in self.kube.watch("RayJob", name, timeout_s=min(look_s, deadline - time.monotonic())):
                if event is None:
                    continue
                if event.change == "DELETED":
                    raise NotFoundError(f"The job {name} was deleted while it was waited for.")
                state = RayJobState.of(event.object)
                if state != last and on_change is not None:
                    on_change(state)
                last = state
                if state.is_final:
                    return state
            if last is None:
                raise NotFoundError(f"There is no job {name} in the namespace {self.kube.namespace}.")
            troubles.check(last)
            look_s = min(2 * look_s, _LOOK_S)
        raise TimeoutError(f"The job {name} has not ended in {timeout_s:g} s.")

    def log_lines(self, name: str, *, is_followed: bool = True) -> Iterator[str]:
        """Lines that a job writes, as they come; until it ends if followed."""
        troubles = PodWatch(self.kube, name, unschedulable_s=self._unschedulable_s)
        while True:
            state = self.state(name)
            pods = self.kube.items("Pod", {"job-name": name})
            if pods:
                newest = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
                try:
                    yield from self.kube.log_lines(newest["metadata"]["name"], is_followed=is_followed)
                    return
                except (InvalidError, NotFoundError) as error:
                    _log.debug("no log of %s yet: %s", name, error)
            if not is_followed or state.is_final:
                return
            troubles.check(state)
            time.sleep(0.5)


def job_manifest(template: Object, stage: str, arguments: Sequence[str], *, name: str = "") -> Object:
    """The RayJob of a stage with given arguments, under a name that follows from all of it.

    Two shells read the entrypoint on its way: what either could take for something else is refused.
    """
    for argument in arguments:
        if not _PLAIN.fullmatch(argument):
            raise InvalidError(
                f"The argument {argument!r} holds a character that a shell on the way to the job would take for "
                "something else. Through Kubernetes go a-z, A-Z, 0-9 and @%_+=:,./- only."
            )
    manifest = copy.deepcopy(template)
    manifest["spec"]["entrypoint"] = " ".join(["tonemill", stage, *arguments])
    metadata = manifest["metadata"]
    metadata["name"] = name or content_name(stage, manifest["spec"])
    metadata["labels"] = {**metadata.get("labels", {}), **PART_OF, STAGE_LABEL: stage}
    return manifest


def content_name(stage: str, spec: Object) -> str:
    """A name for a job from what it is: the same job has the same name, on every machine."""
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    return f"{stage}-{digest[:12]}"


def check_success(state: RayJobState) -> None:
    """Raises JobFailedError for a job that ended otherwise than well; its exit code is 1."""
    if state.is_succeeded:
        return
    causes = {
        "DeadlineExceeded": "it took longer than its activeDeadlineSeconds",
        "PreRunningDeadlineExceeded": "it had not begun by its preRunningDeadlineSeconds",
        "SubmissionFailed": "its pod that submits it failed",
        "AppFailed": "the program ended with an error",
        "JobStatusCheckTimeoutExceeded": "its head could not be reached for minutes",
    }
    because = causes.get(state.reason, state.reason or "no reason given")
    raise JobFailedError(
        f"The job {state.name} ended as {state.job or state.deployment}: {because}. {state.message} "
        f"`tonemill logs {state.name}` shows what it wrote; handed in again it is the same job: stop it first."
    )
