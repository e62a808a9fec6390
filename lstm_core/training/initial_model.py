"""What a training run starts from: random weights, or those of a checkpoint that is trained further."""

from __future__ import annotations

from dataclasses import asdict, replace

import torch

from lstm_core.blocks.feature_blocks import BlockSet
from lstm_core.dataset.corpus_statistics import corpus_statistics
from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.checkpoint import Checkpoint, CheckpointFacts, load_checkpoint
from lstm_core.model.composer_checkpoint import find_level
from lstm_core.model.music_lstm import ModelSettings, MusicLSTM
from lstm_core.representations.representation import STYLE_NAME, Representation
from lstm_core.training.recipe import TrainRecipe


def initial_model(
    blocks: BlockSet, recipe: TrainRecipe, *, name: str, versions: dict[str, str], parent_uri: str = ""
) -> tuple[MusicLSTM, CheckpointFacts]:
    """The model at step 0, and what its checkpoints will say besides step and validation.

    `parent_uri` is where `recipe.init_from` is to be found, if not under that very name.

    Raises:
        CheckpointError: the checkpoint of `recipe.init_from` is missing, damaged or made for something else.
    """
    index, representation = blocks.index, blocks.representation
    facts = CheckpointFacts(
        name=name,
        representation=representation.name,
        styles=index.styles,
        step=0,
        valid_nll=None,
        corpus_fingerprint=index.fingerprint,
        licences=index.licences,
        notices=index.notices,
        recipe=asdict(recipe),
        versions=versions,
        statistics=corpus_statistics(blocks),
        home_key=recipe.home_key,
    )
    torch.manual_seed(recipe.train.seed)
    if recipe.init_from:
        parent = load_checkpoint(parent_uri or find_level(recipe.init_from, representation.name))
        return continued_model(parent, facts, representation, dropout=recipe.model.dropout, source=recipe.init_from)
    settings = ModelSettings(
        streams=representation.streams,
        contexts=representation.contexts(index.styles),
        num_flags=representation.num_flags,
        onset_contexts=representation.onset_contexts,
        num_lags=representation.num_lags,
        num_compared=representation.num_compared,
        **asdict(recipe.model),
    )
    return MusicLSTM(settings), facts


def continued_model(
    parent: Checkpoint, facts: CheckpointFacts, representation: Representation, *, dropout: float, source: str
) -> tuple[MusicLSTM, CheckpointFacts]:
    """A model with the parent's weights that knows the styles of both, and facts that include the parent's.

    `facts` are those of a run on the new corpus alone, but for `home_key`, which the parent decides. Embeddings of
    new styles start as the mean of the known ones.

    Raises:
        CheckpointError: the parent's events or contexts differ in meaning from ours; the message says which.
    """
    _check_same_meaning(parent, representation, source)
    known = parent.facts.styles
    styles = known + tuple(style for style in facts.styles if style not in known)
    contexts = representation.contexts(styles)
    settings = replace(parent.model.settings, contexts=contexts, dropout=dropout)
    model = MusicLSTM(settings)
    weights = parent.model.state_dict()
    new_rows = len(styles) - len(known)
    for place in [place for place, context in enumerate(contexts) if new_rows and context.name == STYLE_NAME]:
        name = f"context_embeddings.{place}.weight"
        rows = weights[name]
        mean = rows[1:].mean(dim=0) if known else rows.mean(dim=0)
        weights[name] = torch.cat([rows, mean.expand(new_rows, -1)])
    model.load_state_dict(weights)
    licences = dict(parent.facts.licences)
    for licence, num_pieces in facts.licences.items():
        licences[licence] = licences.get(licence, 0) + num_pieces
    return model, replace(
        facts,
        home_key=parent.facts.home_key,
        styles=styles,
        licences=dict(sorted(licences.items())),
        notices=dict(sorted({**parent.facts.notices, **facts.notices}.items())),
        parents=(*parent.facts.parents, parent.fingerprint),
        statistics={**parent.facts.statistics, **facts.statistics},
    )


def _check_same_meaning(parent: Checkpoint, representation: Representation, source: str) -> None:
    settings = parent.model.settings
    ours = {"stream": representation.streams, "context": representation.contexts(parent.facts.styles)}
    theirs = {"stream": settings.streams, "context": settings.contexts}
    for kind in ours:
        wanted = {stream.name: stream.size for stream in ours[kind]}
        found = {stream.name: stream.size for stream in theirs[kind]}
        names = ", ".join(
            f"{name} ({found.get(name, 'no')} values, {wanted.get(name, 'no')} wanted)"
            for name in sorted(wanted | found)
            if wanted.get(name) != found.get(name)
        )
        if names or list(wanted) != list(found):
            raise CheckpointError(
                f"{source} cannot be trained further on these blocks: it differs in {kind} {names or 'order'}."
            )
