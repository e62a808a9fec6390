"""The bundled representations, one row each. Recipes and checkpoints name one; see representation.py."""

from __future__ import annotations

from lstm_core.foundation.errors import RepresentationError
from lstm_core.representations.four_voice_grid import FOUR_VOICES
from lstm_core.representations.notes import NOTES
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import PLAN
from lstm_core.representations.representation import Representation

REPRESENTATIONS: dict[str, Representation] = {
    NOTES.name: NOTES,
    FOUR_VOICES.name: FOUR_VOICES,
    PLAN.name: PLAN,
    PARTS.name: PARTS,
}


def representation_named(name: str) -> Representation:
    """The representation with this name.

    Raises:
        RepresentationError: there is none with this name; the message lists the known ones.
    """
    if name not in REPRESENTATIONS:
        raise RepresentationError(f"There is no representation {name!r}. Known are {', '.join(REPRESENTATIONS)}.")
    return REPRESENTATIONS[name]
