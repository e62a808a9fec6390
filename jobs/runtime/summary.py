"""What a job did and what it cost, as JSON and as a page beside what it made.

They are summaries/NAME.STAGE.json and .html, in the folder of the blocks, of the training run or of the catalogue. A
job that had work to do replaces those of the one before. Prices come from the cluster file, which `tonemill submit`
hands on in the variable TONEMILL_PRICES; on a machine of one's own nothing has a price, and the cost is left out.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lstm_core import storage
from lstm_core.foundation.errors import TonemillError

PRICES_VARIABLE = "TONEMILL_PRICES"  # JSON: currency, and what a node of each kind (head, cpu, gpu) costs an hour


class PriceError(TonemillError):
    """The table of prices cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The machines that a job had, by kind, and their cores."""

    by_kind: dict[str, int]  # "head", "cpu", "gpu" -> number
    num_cores: int


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """A job that ended."""

    stage: str  # prepare, train, generate
    name: str
    wall_s: float
    cpu_s: dict[str, float]  # processor time of each part of the work, over all workers
    units: dict[str, float]  # what was made or met: tracks, audio_s, pieces, events, rejects, failures ...
    retries: int  # attempts, restarts or reads that had to be made again
    nodes: Nodes
    processors: dict[str, int] = field(default_factory=dict)  # how much of what was made each kind of them made
    cost: dict[str, Any] = field(default_factory=dict)  # currency, total, per_track ...; empty: no prices

    @property
    def utilisation(self) -> float:
        """Share of the cores' time that went into the work."""
        return sum(self.cpu_s.values()) / max(self.wall_s * self.nodes.num_cores, 1e-9)

    def rates(self) -> dict[str, float]:
        """What was made a second."""
        return {f"{name}_per_s": amount / max(self.wall_s, 1e-9) for name, amount in self.units.items()}


def summarise(
    stage: str,
    name: str,
    *,
    wall_s: float,
    cpu_s: Mapping[str, float],
    units: Mapping[str, float],
    retries: int,
    nodes: Nodes,
    processors: Mapping[str, int] | None = None,
    prices: Mapping[str, Any] | None = None,
) -> RunSummary:
    """The summary of a job. `prices` as in the cluster file; None: those of the environment."""
    table = prices_of_environment() if prices is None else dict(prices)
    cost: dict[str, Any] = {}
    if table:
        hourly = sum(float(table.get(kind, 0.0)) * number for kind, number in nodes.by_kind.items())
        cost = {"currency": table.get("currency", ""), "total": hourly * wall_s / 3600}
        if units.get("tracks"):
            cost["per_track"] = cost["total"] / units["tracks"]
        if units.get("audio_s"):
            cost["per_audio_hour"] = cost["total"] / (units["audio_s"] / 3600)
        if units.get("events"):
            cost["per_million_events"] = cost["total"] / (units["events"] / 1e6)
    return RunSummary(
        stage=stage,
        name=name,
        wall_s=wall_s,
        cpu_s=dict(cpu_s),
        units=dict(units),
        retries=retries,
        nodes=nodes,
        processors=dict(processors or {}),
        cost=cost,
    )


def nodes_of_ray() -> Nodes:
    """The machines of the Ray that is connected; its own nodes alone, and the cores that they offer for work.

    A local Ray may offer more logical CPUs than the machine has: then the machine's number counts.
    """
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    kinds = ["gpu" if each.get("GPU") else "head" if "node:__internal_head__" in each else "cpu" for each in alive]
    num_cores = int(sum(each.get("CPU", 0.0) for each in alive))
    if len(alive) == 1:
        num_cores = min(num_cores, os.cpu_count() or 1)
    return Nodes(by_kind={kind: kinds.count(kind) for kind in sorted(set(kinds))}, num_cores=max(1, num_cores))


def nodes_of_this_machine() -> Nodes:
    """This machine alone, for a job that needed no Ray; as `nodes_of_ray` gives it for a local Ray."""
    return Nodes(by_kind={"head": 1}, num_cores=os.cpu_count() or 1)


def prices_of_environment() -> dict[str, Any]:
    """The table of prices that the job was submitted with; empty without one.

    Raises:
        PriceError: it is no table of prices.
    """
    text = os.environ.get(PRICES_VARIABLE, "")
    if not text:
        return {}
    try:
        table = json.loads(text)
        for kind, price in table.items():
            if kind != "currency" and not (isinstance(price, int | float) and price >= 0):
                raise ValueError(f"{kind} = {price!r}")
    except (ValueError, AttributeError) as error:
        raise PriceError(
            f"{PRICES_VARIABLE} must hold a JSON object such as "
            f'{{"currency": "USD", "head": 0.19, "cpu": 0.17, "gpu": 0.53}}: {error}'
        ) from error
    return dict(table)


def write_summary(folder_uri: str, summary: RunSummary) -> str:
    """Writes the summary beside what the job made in a folder, and gives back the page's URI."""
    stem = storage.join(folder_uri, "summaries", f"{summary.name}.{summary.stage}")
    content = {**asdict(summary), "utilisation": summary.utilisation, "rates": summary.rates()}
    storage.write_bytes(f"{stem}.json", json.dumps(content, indent=1, sort_keys=True).encode())
    storage.write_bytes(f"{stem}.html", summary_page(summary).encode())
    return f"{stem}.html"


def summary_lines(summary: RunSummary | None) -> list[str]:
    """The summary for a terminal, a few lines; none where there was nothing to sum up."""
    if summary is None:
        return []
    made = ", ".join(f"{amount:,.0f} {name}" for name, amount in summary.units.items() if amount)
    lines = [
        f"{summary.stage} {summary.name}: {made} in {summary.wall_s:,.0f} s, {summary.utilisation:.0%} of the cores"
    ]
    costs = [f"{key.replace('_', ' ')} {_money(summary, key)}" for key in summary.cost if key != "currency"]
    if costs:
        lines.append("cost: " + ", ".join(costs))
    return lines


def summary_page(summary: RunSummary) -> str:
    """The summary as an HTML page that needs nothing else."""
    facts = {
        "wall clock": f"{summary.wall_s:,.1f} s",
        "machines": ", ".join(f"{number} {kind}" for kind, number in summary.nodes.by_kind.items()),
        "cores": str(summary.nodes.num_cores),
        "utilisation": f"{summary.utilisation:.1%} of the cores' time",
        "retries": f"{summary.retries:,}",
    }
    if summary.processors:
        facts["processors"] = ", ".join(f"{number:,} by {name}" for name, number in summary.processors.items())
    for key in summary.cost:
        if key != "currency":
            facts[f"cost, {key.replace('_', ' ')}"] = _money(summary, key)
    amounts = [
        (name, f"{amount:,.1f}", f"{amount / max(summary.wall_s, 1e-9):,.3f}") for name, amount in summary.units.items()
    ]
    total = sum(summary.cpu_s.values()) or 1.0
    parts = [(name, f"{seconds:,.1f}", f"{seconds / total:.1%}") for name, seconds in sorted(summary.cpu_s.items())]
    return _PAGE.format(
        title=html.escape(f"{summary.stage} {summary.name}"),
        facts="".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in facts.items()),
        amounts=_rows(("what", "amount", "a second"), amounts),
        parts=_rows(("part of the work", "processor seconds", "share"), parts),
    )


def _money(summary: RunSummary, key: str) -> str:
    return f"{summary.cost[key]:.6f} {summary.cost['currency']}".strip()


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; color: #222; background: #fff }}
table {{ border-collapse: collapse; margin: 1rem 0; width: 100% }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd }}
td + td {{ text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body>
<h1>{title}</h1>
<table>{facts}</table>
<h2>What was made</h2>{amounts}
<h2>Where the processors' time went</h2>{parts}
</body></html>
"""
