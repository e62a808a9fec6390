"""Makes a trained run the base checkpoint that comes with the package.

    python -m jobs.train.ship_base RUN BLOCKS

The weights go in as bfloat16, half the size; the corpus statistics are taken anew from the blocks. Where the run was
fine-tuned from another, its recipe keeps that one's name, not its place.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch

from lstm_core import storage
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.dataset.corpus_statistics import corpus_statistics
from lstm_core.model.checkpoint import BASE, find_checkpoint, load_checkpoint, save_checkpoint


def ship_base(run: str, blocks: str) -> str:
    """Writes the checkpoint of a run into the package; gives back its fingerprint."""
    checkpoint = load_checkpoint(find_checkpoint(run))
    recipe = dict(checkpoint.facts.recipe)
    if recipe.get("init_from"):
        recipe["init_from"] = storage.name_of(recipe["init_from"])
    facts = replace(
        checkpoint.facts, name="base", recipe=recipe, statistics=corpus_statistics(open_blocks(blocks, verify=True))
    )
    return save_checkpoint(BASE, checkpoint.model, facts, dtype=torch.bfloat16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("blocks")
    arguments = parser.parse_args()
    print(ship_base(arguments.run, arguments.blocks))


if __name__ == "__main__":
    main()
