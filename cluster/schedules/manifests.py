"""A schedule as Kubernetes has it: a CronJob, and a ConfigMap with the RayJob of a scheduled run as template.

The order of the run travels in an annotation of the RayJob's head and is a file there, so that a RayJob says by
itself what it made, whatever became of the schedule since.
"""

from __future__ import annotations

import copy

import yaml

from cluster.errors import InvalidError, KubernetesError, ScheduleError
from cluster.kube.api import Object
from cluster.kube.manifest import job_manifest, mount_in_head
from cluster.kube.resources import Kube
from cluster.kube.templates import job_template, schedule_templates, to_yaml
from cluster.schedules.schedule import Schedule
from cluster.schedules.scheduled_runs import (
    DATE_LABEL,
    DATE_SLOT,
    DIGITS_SLOT,
    SCHEDULE_LABEL,
    TIME_ZONE_ANNOTATION,
    partition_of,
    scheduled_run_name,
)
from cluster.settings import Cluster

ORDER_ANNOTATION = "tonemill.io/order"
ORDER_FOLDER = "/etc/tonemill/order"
TEMPLATE_KEY = "rayjob.yaml"


def schedule_manifests(schedule: Schedule, cluster: Cluster) -> list[Object]:
    """What a schedule is on its cluster: the ConfigMap of its template, then its CronJob and whatever comes with it.

    Raises:
        ScheduleError: there is no catalogue. ClusterFileError, KubernetesError: the overlay cannot be rendered.
    """
    template = scheduled_run_template(schedule, cluster)
    labels = {SCHEDULE_LABEL: schedule.name}
    others, cron_job = [], None
    for manifest in schedule_templates(cluster):
        if manifest["kind"] == "CronJob":
            cron_job = _cron_job(manifest, schedule)
        elif manifest["kind"] != "ConfigMap":  # an example of a template: ours is below
            others.append(manifest)
    if cron_job is None:
        raise KubernetesError(f"The overlay {cluster.overlay} has no CronJob in its folder schedule/.")
    config_map: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": schedule.name,
            "namespace": cluster.namespace,
            "labels": {**cron_job["metadata"]["labels"], **labels},
        },
        "data": {TEMPLATE_KEY: to_yaml([template])},
    }
    return [config_map, *others, cron_job]


def scheduled_run_template(schedule: Schedule, cluster: Cluster) -> Object:
    """The RayJob of a scheduled run, with slots for its date.

    Raises:
        ScheduleError: neither the schedule nor the cluster names a catalogue.
    """
    catalogue = schedule.catalogue or cluster.buckets.catalogue
    if not catalogue:
        raise ScheduleError(
            f"Neither the schedule {schedule.name} nor the cluster {cluster.name} says where tracks go: "
            'catalogue = "s3://...".'
        )
    arguments = [schedule.run, f"{ORDER_FOLDER}/order.toml", partition_of(catalogue, schedule.name, DATE_SLOT)]
    if schedule.workers:
        arguments += ["--workers", str(schedule.workers)]
    for setting in schedule.settings:
        arguments += ["--set", setting]
    name = scheduled_run_name(schedule.name, DIGITS_SLOT)
    manifest = job_manifest(job_template(cluster, "generate"), "generate", arguments, name=name)
    metadata = manifest["metadata"]
    metadata["labels"] |= {SCHEDULE_LABEL: schedule.name, DATE_LABEL: DATE_SLOT}
    metadata["annotations"] = {**metadata.get("annotations", {}), TIME_ZONE_ANNOTATION: schedule.time_zone}
    _put_order(manifest["spec"]["rayClusterSpec"]["headGroupSpec"]["template"], schedule.order_text)
    return manifest


def stored_template(kube: Kube, name: str) -> Object:
    """The template of a schedule that is on the cluster.

    Raises:
        ScheduleError: there is no such schedule, or its template is damaged.
    """
    config_map = kube.find("ConfigMap", name)
    labels = config_map["metadata"].get("labels", {}) if config_map else {}
    if config_map is None or SCHEDULE_LABEL not in labels:
        known = [item["metadata"]["name"] for item in kube.items("CronJob") if SCHEDULE_LABEL in _labels(item)]
        raise ScheduleError(
            f"There is no schedule {name} in the namespace {kube.namespace}. There is {', '.join(known) or 'none'}; "
            "`tonemill schedule FILE.toml` makes one."
        )
    template = yaml.safe_load(config_map.get("data", {}).get(TEMPLATE_KEY, ""))
    if not isinstance(template, dict) or template.get("kind") != "RayJob":
        raise ScheduleError(f"The schedule {name} holds no RayJob. `tonemill schedule FILE.toml` writes it again.")
    return template


def _labels(manifest: Object) -> dict[str, str]:
    return dict(manifest["metadata"].get("labels", {}))


def _cron_job(template: Object, schedule: Schedule) -> Object:
    """The overlay's CronJob under the name and at the time of a schedule, with the schedule's template mounted."""
    manifest = copy.deepcopy(template)
    metadata, before = manifest["metadata"], manifest["metadata"]["name"]
    metadata["name"] = schedule.name
    metadata["labels"] = {**metadata.get("labels", {}), SCHEDULE_LABEL: schedule.name}
    manifest["spec"] |= {
        "schedule": schedule.parsed_cron.text,
        "timeZone": schedule.time_zone,
        "concurrencyPolicy": "Forbid",
    }
    pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    mounted = [volume["configMap"] for volume in pod.get("volumes", []) if "configMap" in volume]
    ours = [source for source in mounted if source["name"].startswith(before)]
    if len(ours) != 1:
        raise InvalidError(
            f"The CronJob {before} of the overlay mounts {len(ours)} ConfigMaps {before}, it must be one."
        )
    ours[0]["name"] = schedule.name
    return manifest


def _put_order(pod: Object, order: str) -> None:
    """Gives a pod template an order as a file, from an annotation of the template."""
    metadata = pod.setdefault("metadata", {})
    metadata["annotations"] = {**metadata.get("annotations", {}), ORDER_ANNOTATION: order}
    source = {"path": "order.toml", "fieldRef": {"fieldPath": f"metadata.annotations['{ORDER_ANNOTATION}']"}}
    mount_in_head(pod, {"name": "order", "downwardAPI": {"items": [source]}}, ORDER_FOLDER)
