"""Makes a checkpoint of an earlier version, with weights as floats, one of integers.

    python -m jobs.train.convert OLD NEW [BLOCKS]

OLD is a run or a checkpoint, of one level or of a composer; NEW a folder for the new one. How far the numbers of the
model reach is measured on the training pieces of BLOCKS; without them on random events, which is less sure.
"""

from __future__ import annotations

import argparse
import sys

from lstm_core import storage
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.foundation.errors import CheckpointError, TonemillError
from lstm_core.model.checkpoint import Checkpoint, find_checkpoint, load_checkpoint, load_runs, save_checkpoint
from lstm_core.model.composer_checkpoint import is_composer, level_uris_of, write_composer
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.model.integers.weights import IntegerWeights
from lstm_core.training.evaluation import quantised_on


def convert(old: str, new: str, blocks: str = "") -> None:
    """Writes the checkpoint `old` into `new` as integers.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or `new` is `old` or lies in it.
    """
    uri = find_checkpoint(old)
    place, new_place = _place(uri), _place(find_checkpoint(new))
    if new_place == place:
        raise CheckpointError(f"{new} is the checkpoint itself. Name another folder.")
    if new_place.startswith(f"{place}/"):
        raise CheckpointError(f"{new} lies in the checkpoint {old}. Name another folder.")
    if not is_composer(uri):
        _convert_one(uri, new, blocks)
        return
    fingerprints = {
        level: _convert_one(level_uri, storage.join(new, level), blocks)
        for level, level_uri in level_uris_of(uri).items()
    }
    write_composer(new, fingerprints)


def integers_on(checkpoint: Checkpoint, blocks: str) -> IntegerWeights:
    """The integer weights of a checkpoint with floats: its ranges are measured on blocks, "" for random events."""
    model, facts = checkpoint.model, checkpoint.facts
    if not blocks:
        return quantised_unseen(model)
    return quantised_on(model, open_blocks(blocks, verify=True, representation=facts.representation), facts)


def _convert_one(uri: str, new: str, blocks: str) -> str:
    """Converts the checkpoint of a level; gives back its fingerprint."""
    checkpoint = load_checkpoint(uri)
    integers = checkpoint.integers or integers_on(checkpoint, blocks)
    return save_checkpoint(new, integers, checkpoint.facts, runs=load_runs(uri))


def _place(uri: str) -> str:
    """The URI, whichever way it was written: of a folder of this machine the path that leads there."""
    path = storage.local_path(uri)
    return uri.rstrip("/") if path is None else str(path.expanduser().resolve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("blocks", nargs="?", default="")
    arguments = parser.parse_args()
    try:
        convert(arguments.old, arguments.new, arguments.blocks)
    except TonemillError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
