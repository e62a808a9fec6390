"""The index of the training pieces of a block set (lstm_core/originality), by which copies of them are known."""

from __future__ import annotations

from collections.abc import Iterator

from lstm_core import storage
from lstm_core.blocks.feature_blocks import BlockSet
from lstm_core.foundation.errors import CheckpointError
from lstm_core.notes.score import Score
from lstm_core.originality.index import OriginalityIndex, build_index, from_bytes
from lstm_core.representations.notes import NOTES
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import plan_of_piece
from lstm_core.representations.representation import Piece

KEPT_NAME = "training.index"  # in the folder of a run


def index_of_training_pieces(blocks: BlockSet) -> OriginalityIndex | None:
    """The index of the training pieces, each named by its id; None for a representation that spells no lines."""
    if blocks.representation.name not in (PARTS.name, NOTES.name):
        return None
    return build_index(_training_scores(blocks))


def kept_index(blocks: BlockSet, run_uri: str) -> OriginalityIndex | None:
    """The same, kept in the folder of a run on these blocks: it is built once a run, not at each resumption."""
    kept_uri = storage.join(run_uri, KEPT_NAME)
    try:
        return from_bytes(storage.read_bytes(kept_uri), name=kept_uri)
    except (storage.MissingError, CheckpointError):  # not yet there, or damaged: it is built from the same blocks
        index = index_of_training_pieces(blocks)
    if index is not None:
        storage.write_bytes(kept_uri, index.to_bytes())
    return index


def score_of_piece(blocks: BlockSet, piece: Piece) -> Score:
    """The notes of a piece; those of its parts are in the home key, with the number of the part in the plan."""
    if piece.given is None:
        return blocks.representation.decode(piece.events, tempos=piece.tempos, meters=piece.meters)
    plan = plan_of_piece(piece.given, piece)
    return blocks.representation.decode(piece.events, plan=plan, tempos=piece.tempos, meters=piece.meters)


def _training_scores(blocks: BlockSet) -> Iterator[tuple[str, Score]]:
    for number in range(blocks.num_pieces("train")):
        piece = blocks.piece("train", number)
        yield piece.piece_id, score_of_piece(blocks, piece)
