"""Small block sets of made-up music, for what trains on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from lstm_core.blocks.feature_blocks import BLOCK_SCHEMA, block_schema, write_block, write_index
from lstm_core.notes.describe import describe
from lstm_core.notes.score import DRUMS, Meter, Score, Tempo, make_notes
from lstm_core.representations.notes import NOTES
from lstm_core.representations.representation import Representation
from lstm_core.training.recipe import ModelSize, TrainRecipe
from lstm_core.training.updates import TrainSettings

STYLES = ("air", "march")


def tune(number: int, num_bars: int = 6) -> Score:
    """A melody over a bass in its own key; every second one in 3/4, every third one with drums."""
    random = np.random.Generator(np.random.Philox(key=[7, number]))
    meter = Meter(tick=0, numerator=4 - number % 2, denominator=4)
    scale = np.array([0, 2, 4, 5, 7, 9, 11]) + 55 + number % 7
    rows = []
    for bar in range(num_bars):
        start = bar * meter.bar_ticks
        rows.append((start, meter.bar_ticks, 32, int(scale[random.integers(7)]) - 24, 90))
        for beat in range(meter.numerator):
            rows.append((start + 24 * beat, 12, 0, int(scale[random.integers(7)]), 60 + 20 * (beat == 0)))
            if number % 3 == 0:
                rows.append((start + 24 * beat, 6, DRUMS, 36 if beat == 0 else 42, 100))
    return Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=90.0 + number),), meters=(meter,))


def write_tunes(
    folder: Path,
    num_train: int = 12,
    num_valid: int = 3,
    *,
    styles: tuple[str, ...] = STYLES,
    num_bars: int = 6,
    representations: Sequence[Representation] = (NOTES,),
) -> Path:
    """A block set of tunes, written into a folder that is given back."""
    rows = [
        _row(n, tune(n, num_bars), n < num_train, styles[n % len(styles)], representations)
        for n in range(num_train + num_valid)
    ]
    table = pa.Table.from_pylist(rows, schema=block_schema(one.name for one in representations))
    write_block(folder, "b0", table, representations)
    write_index(folder, ["b0"], notices={"CC0": "No rights reserved."})
    return folder


def tiny_recipe(**changes: object) -> TrainRecipe:
    """A recipe whose run takes a second: 8 lanes of 16 events, hidden size 32, float32."""
    values: dict[str, object] = {
        "representation": NOTES.name,
        "steps": 12,
        "valid_every": 4,
        "threads_per_worker": 1,
        "device": "cpu",
        "model": ModelSize(hidden_size=32, num_layers=2, head_size=16, dropout=0.2),
        "train": TrainSettings(num_lanes=8, window=16, warmup_steps=3, precision="float32"),
    }
    return TrainRecipe(**(values | changes))  # type: ignore[arg-type]


def _row(
    number: int, score: Score, is_train: bool, style: str, representations: Sequence[Representation] = (NOTES,)
) -> dict[str, object]:
    described = describe(score)
    spelt = {one.name: one.encode(score) for one in representations}
    values = {name: value for name, value in vars(described).items() if name != "bars"}
    bars = {f"bar_{name}": value.tolist() for name, value in vars(described.bars).items()}
    return {
        **{name: value for name, value in (values | bars).items() if name in BLOCK_SCHEMA.names},
        "piece_id": f"{number:032x}",
        "uri": f"{number}.mid",
        "index_in_file": 0,
        "title": f"Tune {number}",
        "style": style,
        "licence": "CC0",
        "content_hash": f"{number:032x}",
        "meters": [asdict(meter) for meter in score.meters],
        "tempos": [asdict(tempo) for tempo in score.tempos],
        "tags": "{}",
        "events": {name: None if events is None else events.tobytes() for name, events in spelt.items()},
        "split": "train" if is_train else "valid",
        "group": f"{number:032x}",
    }
