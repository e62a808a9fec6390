"""How a benchmark prints a figure: one JSON line with the metric, its value and what it is compared with."""

from __future__ import annotations

import json


def print_metric(
    metric: str, value: float, unit: str, *, against: dict[str, float] | None = None, **facts: object
) -> None:
    """Prints one JSON line; `against` maps the name of a peer or limit to its figure from the same run."""
    row: dict[str, object] = {"metric": metric, "value": round(float(value), 5), "unit": unit}
    for name, figure in (against or {}).items():
        row[name] = round(float(figure), 5)
        row[f"ratio_to_{name}"] = round(float(value) / figure, 4) if figure else None
    print(json.dumps(row | facts), flush=True)
