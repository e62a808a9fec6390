"""Every overlay renders to what is written down, and what it renders is accepted by every check."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.k8s.checkov_input import write_input
from tests.k8s.manifest_rules import KUBERNETES_VERSIONS, rule_problems, schema_problems
from tests.k8s.platform_rules import platform_problems
from tests.k8s.render import GOLDEN, OVERLAYS, RENDERS, golden_path, manifests, render


@pytest.mark.parametrize("name", RENDERS)
def test_render_is_what_is_written_down(name: str) -> None:
    """A difference that is meant: `python -m tests.k8s.render`, and look at what it changed."""
    assert render(name) == golden_path(name).read_text(encoding="utf-8")


def test_nothing_else_is_written_down() -> None:
    assert sorted(GOLDEN.iterdir()) == sorted(golden_path(name) for name in RENDERS)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("name", RENDERS)
def test_kinds_of_kubernetes_and_of_others_meet_their_schemas(name: str, version: str) -> None:
    checked = [manifest for manifest in manifests(name) if not manifest["apiVersion"].startswith("ray.io/")]
    assert [problem for manifest in checked for problem in schema_problems(manifest, version)] == []


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("name", RENDERS)
def test_kinds_of_kuberay_meet_their_crds(name: str) -> None:
    checked = [manifest for manifest in manifests(name) if manifest["apiVersion"].startswith("ray.io/")]
    assert checked or name.endswith("schedule")
    assert [problem for manifest in checked for problem in schema_problems(manifest)] == []


@pytest.mark.parametrize("name", RENDERS)
def test_manifests_keep_all_rules(name: str) -> None:
    assert [problem for manifest in manifests(name) for problem in rule_problems(manifest)] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_parts_of_an_overlay_fit_together(overlay: str) -> None:
    parts = (manifests(overlay), manifests(f"{overlay}/jobs"), manifests(f"{overlay}/schedule"))
    assert platform_problems(*parts) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_that_the_commands_look_for(overlay: str) -> None:
    """`tonemill submit`, `schedule` and `cluster up` find these by name."""
    named = {
        (m["kind"], m["metadata"]["name"]) for part in ("", "/jobs", "/schedule") for m in manifests(overlay + part)
    }
    accounts = ("head", "worker", "prepare", "train", "generate", "scheduler", "submitter")
    assert named >= {
        ("Namespace", "tonemill"),
        ("ConfigMap", "tonemill-cluster"),
        ("RayCluster", "tonemill-dev"),
        ("RayJob", "tonemill-prepare"),
        ("RayJob", "tonemill-train"),
        ("RayJob", "tonemill-generate"),
        ("CronJob", "tonemill-nightly"),
        ("PriorityClass", "tonemill-interactive"),
        ("PriorityClass", "tonemill-batch"),
        *(("ServiceAccount", f"tonemill-{account}") for account in accounts),
    }
    kinds = [m["kind"] for m in manifests(f"{overlay}/jobs")]
    assert kinds == ["RayJob"] * 3  # the shape that they are filled from stays inside
    for job in manifests(f"{overlay}/jobs"):
        account = job["metadata"]["name"]
        cluster = job["spec"]["rayClusterSpec"]
        templates = [
            cluster["headGroupSpec"]["template"],
            *(group["template"] for group in cluster["workerGroupSpecs"]),
        ]
        assert {template["spec"]["serviceAccountName"] for template in templates} == {account}


def test_groups_of_each_overlay() -> None:
    def groups(name: str, job: str) -> dict[str, tuple[int, int]]:
        spec = next(m for m in manifests(f"{name}/jobs") if m["metadata"]["name"] == job)["spec"]["rayClusterSpec"]
        return {group["groupName"]: (group["minReplicas"], group["maxReplicas"]) for group in spec["workerGroupSpecs"]}

    assert groups("cpu-small", "tonemill-train") == {"cpu": (0, 4)}
    assert groups("gpu-spot", "tonemill-train") == {"cpu": (0, 128), "gpu": (0, 32), "gpu-on-demand": (0, 8)}
    assert groups("kueue", "tonemill-prepare") == {"cpu": (8, 8)}
    assert groups("kueue", "tonemill-train") == {"gpu": (4, 4)}
    assert groups("kueue", "tonemill-generate") == {"cpu": (8, 8), "gpu": (1, 1)}


def test_checkov_is_given_every_ray_pod_with_its_autoscaler(tmp_path: Path) -> None:
    """checkov passes over kinds that it does not know, and would find nothing in a RayJob whatever stood in it."""
    # The development cluster, and three jobs with a submitter each: head and groups, overlay by overlay.
    assert write_input(tmp_path) == (4 * 2 + 3) + (4 * 4 + 3) + (3 + 2 + 2 + 3 + 3)
    pods = list(yaml.safe_load_all((tmp_path / "gpu-spot-jobs-pods.yaml").read_text(encoding="utf-8")))
    assert {pod["kind"] for pod in pods} == {"Pod"} and len({pod["metadata"]["name"] for pod in pods}) == len(pods)
    heads = [pod for pod in pods if pod["metadata"]["name"].endswith("-head")]
    assert [[container["name"] for container in pod["spec"]["containers"]] for pod in heads] == [
        ["ray-head", "autoscaler"]
    ] * 3
    assert [p for pod in pods if (p := schema_problems(pod))] == []
