"""What a track must not repeat: the pieces that its model was trained on, and the earlier tracks of its catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lstm_core.catalogue.records import TrackRecord
from lstm_core.notes.score import Score
from lstm_core.originality.index import OriginalityIndex, SharedRun
from lstm_core.originality.signatures import SignatureTable, signature_of
from lstm_core.tracks.gates import GateResult, originality_gate, score_fingerprint


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """What a score shares with what was there before it."""

    signature: str | None  # of its notes, see originality/signatures.py
    shared: SharedRun | None  # the longest run that stands in a training piece; None where none is known
    nearest_piece: str | None  # the training piece that is most like it; "": none is
    nearest_similarity: float | None  # 0 to 1
    num_same: int  # earlier tracks with the same notes, or nearly the same

    @property
    def gates(self) -> list[GateResult]:
        """`original`, see `originality_gate`, where training pieces are known; `same_as_earlier`, how many tracks."""
        same = GateResult("same_as_earlier", self.num_same == 0, float(self.num_same), 0.0)
        return [same] if self.shared is None else [originality_gate(self.shared), same]


class EarlierTracks:
    """The notes of some tracks of a catalogue, in 200 bytes for each."""

    def __init__(self, records: Iterable[TrackRecord] = ()) -> None:
        notes = [(record.score_fingerprint, record.notes_signature) for record in records]
        self._fingerprints = np.sort(np.array([_short(fingerprint) for fingerprint, _ in notes], dtype=np.uint64))
        self._signatures = SignatureTable([signature for _, signature in notes])

    def num_same(self, fingerprint: str, signature: str | None) -> int:
        """How many tracks have the notes of a score, or nearly: those of its fingerprint or near its signature."""
        short = np.uint64(_short(fingerprint))
        low, high = (np.searchsorted(self._fingerprints, short, side=side) for side in ("left", "right"))
        return max(int(high - low), len(self._signatures.near(signature)))


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Originals:
    """What a score is compared with; it travels to the workers that finish tracks."""

    runs: tuple[OriginalityIndex, ...] = ()  # of the training pieces of the checkpoint
    earlier: EarlierTracks

    def compare(self, score: Score, *, own: Score | None = None) -> Likeness:
        """What a score shares with all that is known; of all but equal notes its `own` music alone, by default all."""
        own = score if own is None else own
        signature = signature_of(own)
        shared = [index.longest_shared_run(own) for index in self.runs]
        nearest = [index.nearest_piece(own) for index in self.runs]
        piece, similarity = max(nearest, key=lambda found: found[1], default=(None, None))
        return Likeness(
            signature=signature,
            shared=max(shared, key=lambda run: run.num_notes, default=None),
            nearest_piece=piece,
            nearest_similarity=similarity,
            num_same=self.earlier.num_same(score_fingerprint(score), signature),
        )


NOTHING_KNOWN = Originals(earlier=EarlierTracks())


def _short(fingerprint: str) -> int:
    """64 bits of a fingerprint: among 100,000 a score is taken for another once in 10^14 times."""
    return int.from_bytes(hashlib.sha256(fingerprint.encode()).digest()[:8], "big")
