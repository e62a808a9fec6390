"""Two tracks of a few seconds, which compile everything that makes tracks before two processes need it at once.

python -m lstm_core.tracks.warm_up    the same for the base checkpoint, so that no first track has to wait for it
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lstm_core.composing.take import Take
from lstm_core.foundation.compiling import compile_once
from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.originality.index import build_index
from lstm_core.sound.soundfont import SoundFont
from lstm_core.tracks.finishing import Finished, finish_track
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.originals import EarlierTracks, Originals

if TYPE_CHECKING:
    from lstm_core.composing.players import Player

_LOOP = TrackOrder(duration_s=4.0, bpm=120.0, loop=True, stems=True, seed=1)
_ENDING = TrackOrder(duration_s=4.0, bpm=120.0, loop=False, format="wav", bit_depth=24, sample_rate=48_000, seed=1)


def compile_player(player: Player) -> None:
    """Compiles what a player needs, or waits for the process that does."""
    attempts = [(admit(order), 0) for order in (_LOOP, _ENDING)]
    compile_once(type(player).__name__, lambda: list(player.play(attempts)))


def compile_finishing(provenance: Provenance, soundfont: SoundFont) -> None:
    """Compiles what makes a track of events, or waits for the process that does."""
    compile_once("finishing", lambda: [_finished(order, provenance, soundfont) for order in (_LOOP, _ENDING)])


def main() -> None:
    """Compiles what makes tracks of the base checkpoint; does nothing where that has been done."""
    from lstm_core.composing.players import load_playable, open_player
    from lstm_core.sound.soundfont import find_soundfont, identity_of, refer_to_soundfont
    from lstm_core.tracks.identity import describe_checkpoint

    checkpoint = load_playable("base")
    compile_player(open_player(checkpoint))
    provenance = Provenance(
        checkpoint=describe_checkpoint(checkpoint),
        soundfont=identity_of(refer_to_soundfont()),
        arithmetic="int8",  # in the record of a track that nobody keeps
    )
    compile_finishing(provenance, find_soundfont())


def _originals(score: Score) -> Originals:
    """An index of a score."""
    return Originals(runs=(build_index([("warm-up", score)]),), earlier=EarlierTracks())


def _finished(order: TrackOrder, provenance: Provenance, soundfont: SoundFont) -> Finished:
    """A track of a chord for each beat, on a piano, a bass and drums."""
    track = replace(admit(order), track_id="warm-up")
    rows = [
        (tick, 20, program, pitch, 90)
        for tick in range(0, track.plan.total_ticks - 24, 24)
        for program, pitch in ((0, 60), (0, 64), (33, 36), (DRUMS, 38))
    ]
    score = Score(notes=make_notes(np.array(rows)))
    take = Take(notes=score.notes)
    return finish_track(track, 0, take, provenance, soundfont, originals=_originals(score))


if __name__ == "__main__":
    main()
