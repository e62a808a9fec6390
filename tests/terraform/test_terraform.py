"""Terraform's own tests, run by Terraform; and what comes out of it, run as a person would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / ".ci" / "terraform"
NO_PROVIDER = (
    "Failed to query available provider packages",
    "Failed to install provider",
    "Invalid provider registry host",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed"),
]


def terraform(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What Terraform says, both streams in one."""
    return subprocess.run(
        [TERRAFORM, f"-chdir={folder}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of terraform/, so that nothing is left in the working tree."""
    folder = tmp_path_factory.mktemp("terraform") / "terraform"
    shutil.copytree(ROOT / "terraform", folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    return folder


@pytest.fixture(scope="module")
def initialised(modules: Path) -> Path:
    """The copy with its provider; skips where that can be had from nowhere."""
    done = terraform(modules, "init", "-backend=false", "-input=false", "-no-color")
    if done.returncode and any(message in done.stdout for message in NO_PROVIDER):
        pytest.skip("the aws provider is in no local mirror and the registry is out of reach; see .ci/terraform")
    assert done.returncode == 0, done.stdout
    return modules


def test_every_file_is_formatted() -> None:
    done = terraform(ROOT / "terraform", "fmt", "-check", "-diff", "-recursive")
    assert (done.returncode, done.stdout) == (0, "")


def test_every_run_passes(initialised: Path) -> None:
    """Two processes: Terraform takes one run after the other, and each reads the provider's schema for a second."""
    files = sorted(path.relative_to(initialised) for path in (initialised / "tests").glob("*.tftest.hcl"))
    halves = [[f"-filter={file}" for file in files[start::2]] for start in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda half: terraform(initialised, "test", "-no-color", *half), halves)
    output = "".join(run.stdout for run in runs)
    passed = [tuple(map(int, counts)) for counts in re.findall(r"(\d+) passed, (\d+) failed\.", output)]
    assert len(passed) == 2, output
    assert sum(failed for _, failed in passed) == 0, output
    written = sum(len(re.findall(r"^run \"", (initialised / file).read_text(), re.MULTILINE)) for file in files)
    assert sum(count for count, _ in passed) == written >= 30


@pytest.fixture(scope="module")
def charts(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Helm values and the script of a cluster with everything, written as the README says; needs no provider."""
    module = modules / "modules" / "charts"
    versions = {
        "cluster-autoscaler": "9.59.0",
        "cluster-autoscaler-image": "v1.35.0",
        "kube-prometheus-stack": "81.6.2",
        "kuberay-operator": "1.7.0",
        "kueue": "0.18.3",
        "nvidia-device-plugin": "0.19.3",
    }
    values = {
        "cluster_name": "studio",
        "context": "arn:aws:eks:eu-central-1:123456789012:cluster/studio",
        "region": "eu-central-1",
        "namespace": "tonemill",
        "versions": versions,
        "has_gpus": True,
        "has_monitoring": True,
        "has_kueue": False,
        "metrics_disk_gb": 50,
    }
    (module / "studio.auto.tfvars.json").write_text(json.dumps(values))
    for command in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        done = terraform(module, *command, "-no-color")
        assert done.returncode == 0, done.stdout
    files = terraform(module, "output", "-json", "files").stdout
    folder = tmp_path_factory.mktemp("charts")
    subprocess.run(
        [ROOT / "terraform" / "write-charts", folder], input=files, text=True, check=True, capture_output=True
    )
    return folder


def install(charts: Path, programs: Path, repositories: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Runs install.sh where helm and kubectl are programs that only write down how they were called."""
    programs.mkdir()
    calls = programs / "calls"
    calls.touch()
    for name, answer in (
        ("helm", f'[ "$1" != repo ] || printf "NAME URL\\n{repositories}"'),
        ("kubectl", '[[ " $* " != *" get "* ]]'),
    ):
        (programs / name).write_text(f'#!/bin/bash\necho "{name} $*" >>"{calls}"\n{answer}\n')
        (programs / name).chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(programs)}
    done = subprocess.run([charts / "install.sh"], env=environment, capture_output=True, text=True, check=False)
    return done, calls.read_text().splitlines()


def test_the_script_installs_pinned_charts_in_order(charts: Path, tmp_path: Path) -> None:
    known = "".join(f"{name} x\\n" for name in ("kuberay", "nvdp", "autoscaler", "prometheus-community"))
    done, calls = install(charts, tmp_path / "bin", known)
    assert done.returncode == 0, done.stderr
    installed = [call.split()[3:7] for call in calls if call.startswith("helm upgrade --install")]
    assert installed == [
        ["kube-prometheus-stack", "prometheus-community/kube-prometheus-stack", "--version", "81.6.2"],
        ["cluster-autoscaler", "autoscaler/cluster-autoscaler", "--version", "9.59.0"],
        ["nvidia-device-plugin", "nvdp/nvidia-device-plugin", "--version", "0.19.3"],
        ["kuberay-operator", "kuberay/kuberay-operator", "--version", "1.7.0"],
    ]
    kubectl = [call for call in calls if call.startswith("kubectl")]
    assert all(
        call.startswith("kubectl --context arn:aws:eks:eu-central-1:123456789012:cluster/studio ") for call in kubectl
    )
    assert any("create secret generic grafana-admin" in call for call in kubectl)


def test_the_script_names_the_repository_that_helm_does_not_know(charts: Path, tmp_path: Path) -> None:
    done, calls = install(charts, tmp_path / "bin", "prometheus-community x\\nautoscaler x\\nkuberay x\\n")
    assert done.returncode == 1
    assert "Helm does not know the repository nvdp" in done.stderr
    assert [call for call in calls if not call.startswith("helm repo list")] == []


def test_values_agree_with_labels_and_taints_of_the_nodes(charts: Path) -> None:
    """What runs everywhere tolerates our taints; what must survive stands on system nodes; YAML as Helm reads it."""
    values = {path.stem: yaml.safe_load(path.read_text()) for path in charts.glob("*.yaml")}
    system = {"tonemill.io/pool": "system"}
    assert values["kuberay-operator"]["nodeSelector"] == values["cluster-autoscaler"]["nodeSelector"] == system
    plugin = values["nvidia-device-plugin"]
    assert plugin["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert {taint["key"] for taint in plugin["tolerations"]} == {"nvidia.com/gpu", "tonemill.io/pool"}
    priorities = yaml.safe_load(values["cluster-autoscaler"]["expanderPriorities"])
    assert priorities == {10: [".*"], 50: ["-studio-(cpu|gpu)-[0-9]"]}
    claim = values["kube-prometheus-stack"]["prometheus"]["prometheusSpec"]["storageSpec"]["volumeClaimTemplate"]
    assert claim["spec"]["storageClassName"] == values["storage-class"]["metadata"]["name"] == "tonemill-gp3"


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"../x": "y"}', '{"a.yaml": 1}'])
def test_write_charts_refuses_other_input(tmp_path: Path, text: str) -> None:
    done = subprocess.run(
        [ROOT / "terraform" / "write-charts", tmp_path / "charts"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert "write-charts wants the output helm_files as JSON" in done.stderr
    assert not (tmp_path / "charts").exists()
