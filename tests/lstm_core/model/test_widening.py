"""A checkpoint of fewer contexts, flags and lags plays as it did, and learns on with all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lstm_core.model.checkpoint import CheckpointFacts, load_checkpoint, save_checkpoint
from lstm_core.model.integers.quantising import float_weights, quantised_unseen
from lstm_core.model.music_lstm import Inputs, ModelSettings, MusicLSTM
from lstm_core.model.widening import widened
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.parts.tables import FIRST_AHEAD
from lstm_core.representations.representation import PieceArrays, Reading
from tests.lstm_core.representations.planned_scores import STYLE, form, piece_of

NEW_CONTEXTS = ("ahead", "agreement_6", "agreement_7", "agreement_8", "agreement_9", "agreement_10")
NUM_EARLIER_FLAGS = PARTS.num_flags - 24


def earlier_model() -> MusicLSTM:
    """A model as it was before parts were told what comes."""
    torch.manual_seed(1)
    return MusicLSTM(
        ModelSettings(
            streams=PARTS.streams,
            contexts=tuple(one for one in PARTS.contexts((STYLE,)) if one.name not in NEW_CONTEXTS),
            num_flags=NUM_EARLIER_FLAGS,
            onset_contexts=PARTS.onset_contexts,
            num_lags=FIRST_AHEAD,
            hidden_size=16,
            head_size=8,
            dropout=0.0,
        )
    ).eval()


def inputs_of(arrays: PieceArrays) -> Inputs:
    previous = np.concatenate([np.zeros((1, arrays.events.shape[1]), dtype=np.int64), arrays.events[:-1]])
    values = (arrays.events, previous, arrays.contexts, arrays.flags, arrays.onset_contexts, arrays.recalled)
    return Inputs(*(torch.from_numpy(np.ascontiguousarray(value))[None] for value in values))


def facts_of(representation: str) -> CheckpointFacts:
    return CheckpointFacts(
        name="earlier", representation=representation, styles=(STYLE,), step=1, valid_nll=None,
        corpus_fingerprint="f", licences={},
    )  # fmt: skip


def test_an_earlier_checkpoint_predicts_what_it_predicted(tmp_path: Path) -> None:
    model = earlier_model()
    integers = quantised_unseen(model)
    model.load_state_dict(float_weights(integers))
    save_checkpoint(tmp_path, integers, facts_of(PARTS.name))
    assert load_checkpoint(tmp_path).integers is None  # it has to be converted before it is played in integers
    found = load_checkpoint(tmp_path).model
    assert found.settings.contexts == PARTS.contexts((STYLE,))
    assert (found.settings.num_flags, found.settings.num_lags) == (PARTS.num_flags, PARTS.num_lags)
    arrays = PARTS.piece_arrays(piece_of(form(), parts=True), Reading(styles=(STYLE,)))
    known = [number for number, one in enumerate(PARTS.contexts((STYLE,))) if one.name not in NEW_CONTEXTS]
    told = arrays._replace(
        contexts=arrays.contexts[:, known],
        flags=arrays.flags[:, :NUM_EARLIER_FLAGS],
        recalled=arrays.recalled[:, :FIRST_AHEAD],
    )
    assert arrays.contexts[:, [n for n in range(arrays.contexts.shape[1]) if n not in known]].any()
    with torch.no_grad():
        before, _ = model(inputs_of(told), model.initial_state(1))
        after, _ = found(inputs_of(arrays), found.initial_state(1))
    assert torch.allclose(before, after, atol=1e-5) and float(before.sum()) > 0


def test_what_is_new_is_learnt(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, quantised_unseen(earlier_model()), facts_of(PARTS.name))
    model = load_checkpoint(tmp_path).model.train()
    arrays = PARTS.piece_arrays(piece_of(form(), parts=True), Reading(styles=(STYLE,)))
    nll, _ = model(inputs_of(arrays), model.initial_state(1))
    nll.sum().backward()  # type: ignore[no-untyped-call]
    new_lags = slice(FIRST_AHEAD - PARTS.num_lags, None)
    weights = [output.weight for output in model.outputs]
    assert not any(weight[new_lags].any() for weight in weights)
    assert any(weight.grad is not None and weight.grad[new_lags].any() for weight in weights)


def test_a_model_that_is_told_something_else_is_left_as_it_is() -> None:
    model = earlier_model()
    contexts = (replace(model.settings.contexts[0], size=3), *model.settings.contexts[1:])
    for settings in (
        replace(model.settings, contexts=contexts),
        replace(model.settings, contexts=model.settings.contexts[::-1]),
        replace(model.settings, num_lags=PARTS.num_lags + 1),
    ):
        weights = model.state_dict()
        assert widened(settings, weights, PARTS, (STYLE,)) == (settings, weights)
