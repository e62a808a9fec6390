"""Schemes of the corpus that tracks are drawn from: form, ensemble, who plays when, and the manners of each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from lstm_core.dataset.corpus_statistics import FIRST_SOUND_EFFECT
from lstm_core.engine.plans.rules import FREE
from lstm_core.orders.order import drawn_number
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.parts.manners import Manners, read_manners
from lstm_core.representations.plan.layout import BASS, MAX_LETTERS
from lstm_core.representations.plan.schemes import (
    NUM_VALUES,
    OPEN,
    Scheme,
    fitted_scheme,
    read_scheme,
    without_programs,
)

UNPITCHED = (112, 113, 115, 116, 117, 118, 119)  # bells and drums that have a program
NO_MUSIC = frozenset((*UNPITCHED, *range(FIRST_SOUND_EFFECT, 128)))
FEWEST_ROLES = 3  # of music that names no instruments


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnScheme:
    """A scheme that is fitted to a track, and the manners of its parts where they are known."""

    scheme: Scheme
    manners: Manners | None


@lru_cache(maxsize=4096)
def _usable_scheme(text: str, manners_text: str) -> DrawnScheme | None:
    """The scheme of a text without the parts that are no music; None if too little is left."""
    whole = read_scheme(text)
    scheme = without_programs(whole, NO_MUSIC)
    if scheme is None:
        return None
    roles = np.unique(scheme.parts[:, 0])
    if BASS not in roles or len(roles) < FEWEST_ROLES:
        return None
    if not manners_text:
        return DrawnScheme(scheme=scheme, manners=None)
    kept = [part for part, program in enumerate(whole.parts[:, 1].tolist()) if program not in NO_MUSIC]
    return DrawnScheme(scheme=scheme, manners=read_manners(manners_text).of_parts(kept))


def drawn_scheme(of_style: Mapping[str, Any], plan: TrackPlan, seed: int, loop_start: int = 0) -> DrawnScheme | None:
    """The scheme of some piece of a style that is as long as the track, or of any if none is, fitted to the track.

    Parts that are no music are left out, and schemes that consist of them. None where no scheme is left. The bars
    before `loop_start` are a section before the scheme, of which only that is said.

    Args:
        of_style: statistics of the style, with its `schemes` and the `manners` of each of them, if they are known.
    """
    schemes, manners = of_style.get("schemes", ()), of_style.get("manners", ())
    if len(manners) != len(schemes):
        manners = [""] * len(schemes)
    found = [_usable_scheme(*texts) for texts in zip(schemes, manners, strict=True)]
    usable = [one for one in found if one is not None]
    num_bars = plan.num_bars - loop_start
    long_enough = [one for one in usable if len(one.scheme.form) >= num_bars] or usable
    if not long_enough:
        return None
    drawn = long_enough[drawn_number("scheme", seed) % len(long_enough)]
    scheme = fitted_scheme(drawn.scheme, num_bars)
    form, bars = scheme.form.copy(), scheme.bars.copy()
    form[0, 2] = max(form[0, 2], 1)
    if loop_start:
        form[:, 2] = np.where(form[:, 2] > 0, np.minimum(form[:, 2] + 1, MAX_LETTERS), 0)
        intro = np.tile([FREE, FREE, 0], (loop_start, 1))
        intro[0, 2] = 1
        form = np.concatenate([intro, form])
        bars = np.concatenate([np.full((loop_start, NUM_VALUES), OPEN), bars])
    if plan.final_bar is not None:
        form[plan.final_bar, :2] = 0
        bars[plan.final_bar] = OPEN
    return replace(drawn, scheme=replace(scheme, form=form, bars=bars))
