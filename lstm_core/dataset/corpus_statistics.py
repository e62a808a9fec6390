"""What the pieces of each style are like: the defaults of orders."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lstm_core.blocks.feature_blocks import BlockSet
from lstm_core.blocks.stored_representations import is_spelt
from lstm_core.notes.score import DRUMS, FAMILIES

NUM_SCHEMES = 128  # of a style
NUM_ENSEMBLES, LARGEST_ENSEMBLE = 48, 9  # ensembles of a style, programs of an ensemble
FIRST_SOUND_EFFECT = 120  # gunshot, applause and the like: only where an order requests them
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_COLUMNS = ("style", "meter", "tempo_bpm", "density", "families", "num_bars", "split")


def corpus_statistics(blocks: BlockSet) -> dict[str, Any]:
    """By style, over the training pieces that the representation spells: their number, shares of meters and families,
    quantiles of the rest.

    `tempo_bpm` (quarters per minute), `density` (notes per quarter) and `num_bars` are lists of the QUANTILES;
    `ensembles` lists the programs of some pieces, as many as NUM_ENSEMBLES, evenly spread over them, `schemes` the
    schemes of NUM_SCHEMES in the same way; those of plans and of parts of the same blocks are of the same pieces.
    """
    table = pa.concat_tables([table.select(_COLUMNS) for table in blocks.tables]).to_pydict()
    spelt = np.concatenate([is_spelt(one, blocks.representation.name) for one in blocks.tables]).tolist()
    rows_of: dict[str, list[int]] = {}
    for row, (style, split) in enumerate(zip(table["style"], table["split"], strict=True)):
        if split == "train" and spelt[row]:
            rows_of.setdefault(style, []).append(row)
    return {
        style: {**_statistics(table, rows), "ensembles": _ensembles(blocks, rows), **_schemes(blocks, rows)}
        for style, rows in sorted(rows_of.items())
    }


def _ensembles(blocks: BlockSet, rows: list[int]) -> list[list[int]]:
    """Programs (128: drums) of pieces at some rows, each list sorted; of too many the busiest are kept."""
    programs_of = blocks.representation.programs
    if programs_of is None:
        return []
    ensembles = []
    for place in np.unique(np.linspace(0, len(rows) - 1, min(NUM_ENSEMBLES, len(rows))).astype(int)):
        programs = programs_of(blocks.events_of_row(rows[place]))
        music = [program for program in programs if program < FIRST_SOUND_EFFECT or program == DRUMS]
        if any(program != DRUMS for program in music):
            ensembles.append(sorted(music[:LARGEST_ENSEMBLE]))
    return ensembles


def _schemes(blocks: BlockSet, rows: list[int]) -> dict[str, list[str]]:
    """Schemes of pieces at some rows, where the representation has schemes."""
    scheme_of = blocks.representation.scheme
    if scheme_of is None:
        return {}
    places = np.unique(np.linspace(0, len(rows) - 1, min(NUM_SCHEMES, len(rows))).astype(int))
    chosen = [rows[place] for place in places]
    return {"schemes": [scheme_of(blocks.events_of_row(row), blocks.given_of_row(row)) for row in chosen]}


def _statistics(table: dict[str, list[Any]], rows: list[int]) -> dict[str, Any]:
    masks = np.array([table["families"][row] for row in rows], dtype=np.int64)
    shares = {name: round(float((masks >> i & 1).mean()), 4) for i, name in enumerate(FAMILIES)}
    meters = Counter(table["meter"][row] for row in rows)
    return {
        "pieces": len(rows),
        "meters": {name: round(num / len(rows), 4) for name, num in sorted(meters.items())},
        "tempo_bpm": _quantiles([table["tempo_bpm"][row] for row in rows]),
        "density": _quantiles([table["density"][row] for row in rows]),
        "num_bars": _quantiles([table["num_bars"][row] for row in rows]),
        "families": {name: share for name, share in shares.items() if share > 0},
    }


def _quantiles(values: list[float]) -> list[float]:
    found: npt.NDArray[np.float64] = np.quantile(np.array(values, dtype=np.float64), QUANTILES)
    return [round(float(value), 3) for value in found]
