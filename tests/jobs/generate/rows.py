"""Orders of a few short rows, for a run whose model is tiny."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from jobs.generate.run import GenerateRecipe, GenerateResult, run_generate
from lstm_core.model.checkpoint import save_checkpoint
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.orders.order_file import read_order
from tests.lstm_core.tiny import tiny_facts, tiny_model

HEADER = "name,duration_s,bpm,key,loop,instruments,style,seed"
ROWS = [
    "one,6,120,C major,true,piano;bass,game,",
    "two,6.5,100,A minor,,strings;drums,dance,5",
    "three,6,120,,yes,,,6",
    "four,7,,F,,flute;piano;bass,,7",
    "five,6,120,C major,true,piano;bass,game,",
]


def saved_run(folder: Path) -> Path:
    """A run with the checkpoint of a tiny model of notes."""
    facts = replace(tiny_facts(), notices={"CC0": "No rights reserved."})
    save_checkpoint(folder / "checkpoint", quantised_unseen(tiny_model(3)), facts)
    return folder


def write_order(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    path = folder / "order.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def generate_rows(run: Path, folder: Path, rows: list[str], *, num_workers: int = 1) -> GenerateResult:
    order = read_order(write_order(folder, rows))
    return run_generate(str(run), order, str(folder / "catalogue"), GenerateRecipe(), num_workers=num_workers)


def contents(catalogue: Path) -> dict[str, str]:
    """sha256 of every file under tracks/, those that are still being written included."""
    files = sorted(path for path in (catalogue / "tracks").rglob("*") if path.is_file())
    return {str(path.relative_to(catalogue)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
