"""Makes a trained run of all levels the base checkpoint that comes with the package.

    python -m jobs.train.ship_base RUN [BLOCKS]

RUN is the run, or a composer's checkpoint. The weights go in as the integers they are, with the recipe of the run.
With BLOCKS, all that it was trained on, the corpus statistics and the index of the training pieces are taken anew from
them. Where the run was fine-tuned from another, its recipe keeps that one's name, not its place.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from jobs.runtime.recipe import RECIPE_NAME
from jobs.train.convert import integers_on
from lstm_core import storage
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.dataset.corpus_statistics import corpus_statistics
from lstm_core.dataset.training_runs import index_of_training_pieces
from lstm_core.model.checkpoint import BASE, JSON_NAME, find_checkpoint, load_checkpoint, load_runs, save_checkpoint
from lstm_core.model.composer_checkpoint import LEVELS, find_level, fingerprint_of, write_composer
from lstm_core.training.run_result import CHECKPOINT_NAME


def ship_base(run: str, blocks: str = "", *, base: Path = BASE) -> str:
    """Writes the checkpoints of all levels of a run into the package; gives back the fingerprint of the composer."""
    fingerprints = {
        level: _ship_level(find_level(run, name), blocks, name, base / level) for level, name in LEVELS.items()
    }
    write_composer(base, fingerprints)
    for old in [base / JSON_NAME, *base.glob("weights*")]:  # of a base of one level
        old.unlink(missing_ok=True)
    recipe_uri = storage.join(run, RECIPE_NAME)
    if find_checkpoint(run) == storage.join(run, CHECKPOINT_NAME) and storage.exists(recipe_uri):
        lines = storage.read_bytes(recipe_uri).decode().splitlines()
        text = "\n".join(_without_place(line) for line in lines) + "\n"
        (base / RECIPE_NAME).write_text(text, encoding="utf-8")
    return fingerprint_of(fingerprints)


def _ship_level(uri: str, blocks: str, representation: str, folder: Path) -> str:
    """Writes the checkpoint of a level; gives back its fingerprint."""
    checkpoint = load_checkpoint(uri)
    recipe, facts = dict(checkpoint.facts.recipe), checkpoint.facts
    if recipe.get("init_from"):
        recipe["init_from"] = storage.name_of(recipe["init_from"])
    runs = load_runs(uri)
    if blocks:
        of_blocks = open_blocks(blocks, verify=True, representation=representation)
        facts = replace(facts, statistics=corpus_statistics(of_blocks))
        index = index_of_training_pieces(of_blocks)
        runs = () if index is None else (index,)
    facts = replace(facts, name="base", recipe=recipe)
    integers = checkpoint.integers or integers_on(checkpoint, blocks)
    return save_checkpoint(folder, integers, facts, runs=runs)


def _without_place(line: str) -> str:
    """A line of a recipe, with the name alone of what the run was fine-tuned from."""
    key, _, value = line.partition(" = ")
    return f'init_from = "{storage.name_of(value.strip(chr(34)))}"' if key == "init_from" else line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument(
        "blocks", nargs="?", default="", help="to take the corpus statistics and the index of the training pieces from"
    )
    arguments = parser.parse_args()
    print(ship_base(arguments.run, arguments.blocks))


if __name__ == "__main__":
    main()
