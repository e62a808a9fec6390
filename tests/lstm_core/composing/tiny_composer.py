"""A composer of random weights: what it promises it must keep all the same."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from lstm_core.composing.composer import Composer
from lstm_core.model.checkpoint import Checkpoint, CheckpointFacts
from lstm_core.model.composer_checkpoint import ComposerCheckpoint, fingerprint_of
from lstm_core.model.music_lstm import ModelSettings, MusicLSTM
from lstm_core.notes.score import DRUMS
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import PLAN
from lstm_core.representations.representation import Representation

STYLES = ("game", "song")
FORM = "1,0,0,4 0,4,1,2 0,4,2,2 2,0,0,4 1,12,1,4"  # A: new, repeated, varied; B; A again
SCHEME = f"0,73 4,33 5,{DRUMS} 2,48|{FORM}|4,15,0,0,4 5,15,4,1,2 6,11,0,0,4"
STATISTICS = {
    "game": {
        "pieces": 3,
        "families": {"piano": 1.0, "bass": 0.7, "drums": 0.3},
        "ensembles": [[0, 33, DRUMS], [48, 60, 73, 32]],
        "schemes": [SCHEME, "0,0 4,0 2,0|1,0,0,8 0,8,2,8|3,7,0,0,8 3,7,2,0,8"],
    },
    "song": {"pieces": 5, "ensembles": [[0], [0, 73]], "schemes": []},
}


MANNERS = ["38:0 7:100 ffffff:0 1c0:50", "3f:0 1f8:60 e00:100"]  # of the schemes of the style game
OF_PARTS = {"game": {"schemes": MANNERS}, "song": {"schemes": []}}  # statistics of the arranger


def _checkpoint(representation: Representation, seed: int) -> Checkpoint:
    torch.manual_seed(seed)
    settings = ModelSettings(
        streams=representation.streams,
        contexts=representation.contexts(STYLES),
        num_flags=representation.num_flags,
        onset_contexts=representation.onset_contexts,
        num_lags=representation.num_lags,
        num_compared=representation.num_compared,
        hidden_size=24,
        head_size=12,
    )
    facts = CheckpointFacts(
        name="tiny",
        representation=representation.name,
        styles=STYLES,
        step=0,
        valid_nll=None,
        corpus_fingerprint="",
        licences={},
        statistics=STATISTICS if representation is PLAN else OF_PARTS,
        home_key=True,
    )
    return Checkpoint(model=MusicLSTM(settings).eval(), facts=facts, fingerprint=f"{representation.name} {seed}")


@cache
def tiny_checkpoint(seed: int = 1) -> ComposerCheckpoint:
    """A composer's checkpoint of random weights."""
    planner, arranger = _checkpoint(PLAN, seed), _checkpoint(PARTS, seed)
    levels = {"plan": planner.fingerprint, "parts": arranger.fingerprint}
    return ComposerCheckpoint(planner=planner, arranger=arranger, fingerprint=fingerprint_of(levels))


@cache
def tiny_composer(seed: int = 1) -> Composer:
    """The same as a composer."""
    torch.set_num_threads(1)
    return Composer(tiny_checkpoint(seed), arithmetic="float32")


def same_notes(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays of notes are equal in every field."""
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()
