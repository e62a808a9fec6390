"""What makes a track what it is, and its name.

A track is a pure function of (order row, seed, checkpoint, soundfont, arithmetic, FORMAT_VERSION); `track_id` is the
hash of these.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lstm_core.orders.order import TrackOrder, order_digest
from lstm_core.sound.soundfont import SoundFontIdentity

if TYPE_CHECKING:  # what finishes tracks has no use for torch, which takes seconds to import and hundreds of megabytes
    from lstm_core.composing.players import Playable

FORMAT_VERSION = 4  # of the code between an order and its bytes: raised by every change that a listener could notice


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a track is made with besides its order."""

    checkpoint: dict[str, Any]  # fingerprint, name, corpus_fingerprint, licences, step, valid_nll, parents
    soundfont: SoundFontIdentity
    arithmetic: str  # "bf16-cpu", ...


def describe_checkpoint(checkpoint: Playable) -> dict[str, Any]:
    """What a track record says of the checkpoint that played it."""
    facts = checkpoint.facts
    return {
        "fingerprint": checkpoint.fingerprint,
        "name": facts.name,
        "step": facts.step,
        "valid_nll": facts.valid_nll,
        "corpus_fingerprint": facts.corpus_fingerprint,
        "licences": facts.licences,
        "parents": list(facts.parents),
        "recipe": facts.recipe,
    }


def track_id_of(order: TrackOrder, provenance: Provenance) -> str:
    """Name of the track that an order row becomes: 24 hexadecimal digits."""
    parts = [
        order_digest(order),
        provenance.checkpoint["fingerprint"],
        provenance.soundfont.sha256,
        provenance.arithmetic,
        FORMAT_VERSION,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
