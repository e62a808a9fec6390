"""How the parts of a track play: each as a part like it of a scheme of the corpus."""

from __future__ import annotations

import numpy as np

from lstm_core.composing.between.leading import nearer_track
from lstm_core.composing.drawn_schemes import DrawnScheme
from lstm_core.composing.rearranging import has_same_players
from lstm_core.composing.varying import has_other_manners
from lstm_core.notes.score import family_of
from lstm_core.orders.order import drawn_number
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sources.asked import is_remade
from lstm_core.representations.parts.manners import pauses
from lstm_core.representations.plan.layout import Ints, Plan

ANY_TEXTURE = 0  # bits of a part that may have all


def manners_for(
    made: Plan, drawn: DrawnScheme | None, final_bar: int | None, seed: int
) -> tuple[Ints | None, Ints | None]:
    """Textures and pauses of the parts of a plan, by the part of a scheme that is most like each.

    A part is like one of its role, most of all if it has its program or is of its family.

    Returns:
        Bits of the textures of each part in each bar, ANY_TEXTURE where no part of the scheme is like it, and the
        bars that follow through which it holds the notes of a bar: int64 [parts, bars] each. None twice where the
        manners are not known.
    """
    if drawn is None or drawn.manners is None:
        return None, None
    textures = np.full((made.num_parts, made.num_bars), ANY_TEXTURE)
    held = pauses(made)
    for part, model in enumerate(_models(made, drawn.scheme.parts)):
        if model is None:
            held[part] = 0
            continue
        textures[part] = drawn.manners.textures[model]
        for bar in np.flatnonzero(held[part]).tolist():
            if drawn_number("held", seed, part, bar) % 100 >= drawn.manners.held[model]:
                held[part, bar] = 0
    if final_bar is not None:
        textures[:, final_bar] = ANY_TEXTURE
        held[:, final_bar] = 0
    return textures, held


def manners_seed(track: PlannedTrack, attempt: int) -> int:
    """The seed by which the manners of the parts are drawn: that of the track it starts from where they stay."""
    if track.order.between:
        kept = nearer_track(track)
    else:
        stays = not has_other_manners(track.order) if is_remade(track.order) else has_same_players(track)
        kept = track.source if stays else None
    return track.seed_of(attempt) if kept is None else kept.manners_seed


def _models(made: Plan, parts: Ints) -> list[int | None]:
    """The part of a scheme, role and program int64 [P, 2], that each part of a plan is like: each once, if they do."""
    left = list(range(len(parts)))
    models: list[int | None] = []
    for role, program in zip(made.roles.tolist(), made.programs.tolist(), strict=True):
        alike = [one for one in left if parts[one, 0] == role] or np.flatnonzero(parts[:, 0] == role).tolist()
        best = max(alike, key=lambda one: _likeness(program, int(parts[one, 1])), default=None)
        left = [one for one in left if one != best]
        models.append(best)
    return models


def _likeness(program: int, other: int) -> int:
    return 2 if program == other else 1 if family_of(program) == family_of(other) else 0
