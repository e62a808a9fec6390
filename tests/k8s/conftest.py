"""Skips what needs a program or files that are not on this machine, with the reason."""

from __future__ import annotations

import pytest

from tests.k8s.crd_schemas import KUBERAY_FOLDER, kuberay_crds
from tests.k8s.render import has_kubectl


@pytest.fixture(scope="session", autouse=True)
def kubectl() -> None:
    """All tests of this folder read what kubectl renders."""
    if not has_kubectl():
        pytest.skip("kubectl is not on the PATH: it renders the overlays")


@pytest.fixture(scope="session")
def crds() -> None:
    """For tests of KubeRay's schemas, which are not part of this project."""
    if kuberay_crds() is None:
        pytest.skip(f"KubeRay's CRDs are not at hand: {KUBERAY_FOLDER} is neither in ../shared nor in $TONEMILL_SHARED")
