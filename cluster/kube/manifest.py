"""The RayJob of a request: the overlay's template with a name, a command, files and environment."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Mapping, Sequence

import yaml

from cluster.errors import InvalidError
from cluster.job import JobRequest
from cluster.kube.objects import Object
from cluster.kube.resources import PART_OF

STAGE_LABEL = "tonemill.io/stage"
ID_ANNOTATION = "tonemill.io/content-id"
FILES_FOLDER = "/etc/tonemill/files"
MAX_FILES_BYTES = 900_000  # an object of Kubernetes holds 1 MiB
# What no shell on the way takes for something else; {date} is replaced before a shell sees it.
_PLAIN = re.compile(r"(?:[a-zA-Z0-9@%_+=:,./-]|\{date\})+")


def job_manifest(template: Object, stage: str, arguments: Sequence[str], *, name: str, folder: str = "") -> Object:
    """The RayJob of a stage with given arguments under a name.

    Args:
        template: The stage's RayJob of an overlay.
        stage: prepare, train or generate.
        arguments: What stands behind `tonemill STAGE`. Two shells read them on their way, that of the pod that submits
            and that of the head, so what either could take for something else is refused.
        name: Of the RayJob.
        folder: That the command runs in; empty for that of the image.
    """
    for argument in arguments:
        if not _PLAIN.fullmatch(argument):
            raise InvalidError(
                f"The argument {argument!r} holds a character that a shell on the way to the job would take for "
                "something else. Through Kubernetes go letters without accents, digits and @%_+=:,./- only; a setting "
                "can go into a file given with --recipe."
            )
    manifest = copy.deepcopy(template)
    command = " ".join(["tonemill", stage, *arguments])
    manifest["spec"]["entrypoint"] = f"bash -c 'cd {folder} && exec {command}'" if folder else command
    metadata = manifest["metadata"]
    metadata["name"] = name
    metadata["labels"] = {**metadata.get("labels", {}), **PART_OF, STAGE_LABEL: stage}
    return manifest


def request_manifest(template: Object, request: JobRequest, name: str) -> Object:
    """The RayJob of a request, which wants `files_manifest` beside it if files travel with it.

    The files are on the head alone, where the driver runs. That is enough: the driver reads order, primers and recipe,
    and what of them workers need goes to them through Ray, never as a path.
    """
    folder = FILES_FOLDER if request.files else ""
    manifest = job_manifest(template, request.stage, request.arguments, name=name, folder=folder)
    annotations = manifest["metadata"].get("annotations", {})
    manifest["metadata"]["annotations"] = {**annotations, ID_ANNOTATION: request.content_id}
    spec = manifest["spec"]
    if request.variables:
        environment = yaml.safe_load(spec.get("runtimeEnvYAML") or "{}")
        environment["env_vars"] = {**environment.get("env_vars", {}), **request.variables}
        spec["runtimeEnvYAML"] = yaml.safe_dump(environment, sort_keys=True)
    if request.files:
        items = [{"key": _key(number), "path": path} for number, path in enumerate(sorted(request.files))]
        volume = {"name": "files", "configMap": {"name": name, "items": items}}
        mount_in_head(spec["rayClusterSpec"]["headGroupSpec"]["template"], volume, FILES_FOLDER)
    return manifest


def files_manifest(request: JobRequest, name: str) -> Object:
    """The ConfigMap with the files of a request.

    Raises:
        InvalidError: together they are too large for one.
    """
    size_bytes = sum(map(len, request.files.values()))
    if size_bytes > MAX_FILES_BYTES:
        largest = max(request.files, key=lambda path: len(request.files[path]))
        raise InvalidError(
            f"The files of the job have {size_bytes:,} bytes, Kubernetes takes {MAX_FILES_BYTES:,}. Put {largest} into "
            "a bucket and give its URI (s3://...)."
        )
    data = {
        _key(number): base64.b64encode(request.files[path]).decode()
        for number, path in enumerate(sorted(request.files))
    }
    metadata = {"name": name, "labels": {**PART_OF, STAGE_LABEL: request.stage}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}


def mount_in_head(pod: Object, volume: Object, path: str) -> None:
    """Adds a volume to a pod template of Ray, readable for the driver of a job; workers do not have it."""
    spec = pod["spec"]
    spec["volumes"] = [*spec.get("volumes", []), volume]
    mount = {"name": volume["name"], "mountPath": path, "readOnly": True}
    ray = spec["containers"][0]  # KubeRay runs Ray in the first one
    ray["volumeMounts"] = [*ray.get("volumeMounts", []), mount]


def owner_of(stored: Object) -> Mapping[str, str]:
    """The reference by which something goes when an object goes."""
    metadata = stored["metadata"]
    reference = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "name": metadata["name"]}
    return {**reference, "uid": metadata["uid"]}


def _key(number: int) -> str:
    return f"file-{number:04d}"
