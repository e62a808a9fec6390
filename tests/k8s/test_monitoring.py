"""Dashboards and alerts: they can be read, ask for metrics that there are, and leave none of ours out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from tests.k8s.render import MANIFESTS, OVERLAYS, manifests

COUNTERS = frozenset(
    f"ray_tonemill_{name}_total"
    for name in (
        *("events", "tracks", "audio_seconds", "recordings", "rejects", "restarts"),
        "gate_failures",
    )
)  # Ray puts ray_ before the names that the jobs give
HISTOGRAMS = frozenset({"ray_tonemill_step_seconds", "ray_tonemill_data_wait_seconds"})
OURS = COUNTERS | {f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")}
RAYS = frozenset(
    {
        *("ray_node_cpu_count", "ray_node_cpu_utilization", "ray_node_mem_used", "ray_node_mem_total"),
        *("ray_node_gpus_utilization", "ray_node_gram_used"),
        *("autoscaler_pending_nodes", "autoscaler_recently_failed_nodes"),
    }
)  # of Ray 2.60's own metrics those that we show
OUR_LABELS = frozenset({"ray_cluster", "ray_group", "workload"})  # that the PodMonitor gives
JOB_LABELS = frozenset({"gate", "reason"})  # that the jobs give
UNITS = frozenset({"short", "s", "bytes", "percentunit", "none"})
DASHBOARDS = sorted((MANIFESTS / "base" / "monitoring" / "dashboards").glob("*.json"))


def panels_of(path: Any) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["panels"]
    return panels


def questions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression with the place that it stands in."""
    for path in DASHBOARDS:
        for panel in panels_of(path):
            yield from ((f"{path.stem}: {panel['title']}", target["expr"]) for target in panel.get("targets", []))
    rules = next(m for m in manifests("cpu-small") if m["kind"] == "PrometheusRule")
    for group in rules["spec"]["groups"]:
        yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])


def parse(expression: str) -> Any:
    """The tree of an expression, Grafana's own variables filled in."""
    return promql_parser.parse(expression.replace("$__rate_interval", "1m").replace("$__range", "6h"))


def selectors(node: Any) -> Iterator[Any]:
    """All vector selectors of a tree."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        inner = getattr(node, name, None)
        if inner is not None and not isinstance(inner, str):
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or []:
        yield from selectors(inner)


def test_every_question_can_be_read_and_asks_for_metrics_that_there_are() -> None:
    requested: set[str] = set()
    for place, expression in questions():
        names = {selector.name for selector in selectors(parse(expression))}
        assert names, place
        assert names <= OURS | RAYS, place
        requested |= names
    missing = {name for name in COUNTERS if name not in requested}
    missing |= {name for name in HISTOGRAMS if not any(other.startswith(name) for other in requested)}
    assert missing == set()  # every metric of ours is shown somewhere


def test_a_question_that_cannot_be_read_is_caught() -> None:
    with pytest.raises(ValueError):
        parse("sum by (a (rate(b[$__rate_interval]))")
    tree = parse("a / on (x) rate(b[5m]) + sum(c{d='e'}) > bool quantile(0.5, f)")
    assert sorted(selector.name for selector in selectors(tree)) == ["a", "b", "c", "f"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_are_complete_and_do_not_overlap(path: Any) -> None:
    panels, taken = panels_of(path), set()
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["targets"] and panel["description"], panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
            assert all('ray_cluster=~"$cluster"' in target["expr"] for target in panel["targets"]), panel["title"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def test_dashboards_have_names_of_their_own_and_reach_grafana() -> None:
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == 2
    for overlay in OVERLAYS:
        config = next(m for m in manifests(overlay) if m["metadata"]["name"] == "tonemill-dashboards")
        assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert sorted(config["data"]) == [path.name for path in DASHBOARDS]
        assert all(len(text) < 500_000 for text in config["data"].values())  # a ConfigMap holds 1 MiB


def test_labels_that_are_asked_for_are_given_by_the_monitor_or_the_jobs() -> None:
    monitor = next(m for m in manifests("cpu-small") if m["kind"] == "PodMonitor")
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        assert {relabeling["targetLabel"] for relabeling in endpoint["relabelings"]} == OUR_LABELS
    ports = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
    cluster = next(m for m in manifests("cpu-small") if m["kind"] == "RayCluster")["spec"]
    head = cluster["headGroupSpec"]["template"]["spec"]["containers"][0]
    worker = cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]
    assert ports <= {port["name"] for port in head["ports"]}
    assert "metrics" in {port["name"] for port in worker["ports"]}
    for place, expression in questions():
        requested = {
            matcher.name for selector in selectors(parse(expression)) for matcher in selector.matchers.matchers
        }
        assert requested <= OUR_LABELS | JOB_LABELS, place
