"""A cluster of the cluster file from what Terraform made."""

from __future__ import annotations

import json
from typing import Any

from cluster.errors import ClusterFileError
from cluster.lifecycle.up_and_down import DEFAULT_TOKEN
from cluster.settings import Cluster, cluster_from_values

OUTPUT_NAME = "tonemill_cluster"


def cluster_of_output(text: str, name: str | None = None) -> Cluster:
    """The cluster that `terraform output -json` describes, under its own name or another one.

    Raises:
        ClusterFileError: that is no output of Terraform, it holds no `tonemill_cluster`, or an impossible value.
    """
    source = "terraform output -json"
    try:
        outputs: Any = json.loads(text)
    except ValueError as error:
        began = text.strip()[:60]
        raise ClusterFileError(
            f"What came in is no JSON ({error}): {began!r}. Run `terraform output -json | tonemill cluster add` in the "
            "folder that `terraform apply` was run in."
        ) from error
    found = outputs.get(OUTPUT_NAME) if isinstance(outputs, dict) else None
    values = found.get("value") if isinstance(found, dict) else None
    if not isinstance(values, dict):
        known = ", ".join(sorted(outputs)) if isinstance(outputs, dict) and outputs else "none"
        raise ClusterFileError(f"{source} holds no output {OUTPUT_NAME}, but {known}. Run `terraform apply` first.")
    values = {key: value for key, value in values.items() if value is not None}
    own_name = values.pop("name", "")
    name = name or str(own_name)
    return cluster_from_values(name, {"token": DEFAULT_TOKEN, **values}, source=source)
