"""Instruments and density for an order that leaves them open: those of some piece of its style.

A model that may use all instruments at once uses too many: no single choice is unlikely enough to be left out. So an
order without instruments gets those of one training piece, drawn by its seed from the statistics in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstm_core.orders.order import drawn_number

LOWEST_QUANTILE, HIGHEST_QUANTILE = 1, 3  # of statistics.QUANTILES: the middle half of the pieces


def draw_ensemble(statistics: Mapping[str, Any], style: str, seed: int) -> tuple[int, ...]:
    """General MIDI programs (and notes.DRUMS) of one training piece of a style, of any style for ""; () if unknown."""
    styles = [style] if style in statistics else sorted(statistics) if not style else []
    offer = [tuple(programs) for name in styles for programs in statistics[name].get("ensembles", ())]
    return offer[drawn_number("ensemble", seed) % len(offer)] if offer else ()


def draw_density(statistics: Mapping[str, Any], style: str, seed: int) -> float | None:
    """Typical notes per quarter of the pieces of a style, None for a style that is not known."""
    quantiles = statistics.get(style, {}).get("density")
    if quantiles is None:
        return None
    low, high = quantiles[LOWEST_QUANTILE], quantiles[HIGHEST_QUANTILE]
    return float(low + (high - low) * (drawn_number("density", seed) % 1001) / 1000)
