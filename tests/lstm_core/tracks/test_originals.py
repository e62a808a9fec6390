"""What a track shares with training pieces and with earlier tracks, and what becomes of it."""

from __future__ import annotations

import pickle
from typing import Any

from lstm_core.catalogue.records import TrackRecord, make_record
from lstm_core.notes.score import Score
from lstm_core.originality.index import build_index
from lstm_core.originality.signatures import signature_of
from lstm_core.tracks.gates import score_fingerprint
from lstm_core.tracks.originals import NOTHING_KNOWN, EarlierTracks, Originals
from tests.lstm_core.catalogue.made_up_records import content
from tests.lstm_core.originality.melodies import random_melody, score_of

SCORE, OTHER = (score_of(*random_melody(seed, 200)) for seed in (1, 2))


def record(score: Score, **changes: Any) -> TrackRecord:
    fields = {"score_fingerprint": score_fingerprint(score), "notes_signature": signature_of(score), **changes}
    return make_record(content(**fields))


def failed(originals: Originals, score: Score = SCORE) -> list[tuple[str, float]]:
    return [(gate.name, gate.value) for gate in originals.compare(score).gates if not gate.is_passed]


def test_of_several_corpora_the_one_that_is_nearest_decides() -> None:
    runs = tuple(build_index([(name, score)]) for name, score in (("other", OTHER), ("same", SCORE)))
    likeness = Originals(runs=runs, earlier=EarlierTracks()).compare(SCORE)
    assert likeness.shared is not None and likeness.shared.num_notes == 200
    assert (likeness.nearest_piece, likeness.nearest_similarity) == ("same", 1.0)
    assert failed(Originals(runs=runs, earlier=EarlierTracks())) == [("original", 200.0)]
    assert failed(Originals(runs=runs[:1], earlier=EarlierTracks())) == []


def test_without_an_index_nothing_is_said_of_training_pieces() -> None:
    likeness = NOTHING_KNOWN.compare(SCORE)
    assert likeness.shared is likeness.nearest_piece is likeness.nearest_similarity is None
    assert [gate.name for gate in likeness.gates] == ["same_as_earlier"] and failed(NOTHING_KNOWN) == []


def test_earlier_tracks_with_nearly_the_same_notes_are_counted_also_in_another_process() -> None:
    moved = score_of(2 * random_melody(1, 200)[0], random_melody(1, 200)[1] + 3)
    earlier = EarlierTracks([record(moved), record(moved), record(OTHER)])
    known = pickle.loads(pickle.dumps(Originals(earlier=earlier)))
    assert failed(known) == [("same_as_earlier", 2.0)]
    assert failed(Originals(earlier=EarlierTracks([record(OTHER)]))) == []


def test_tracks_from_before_signatures_are_known_by_their_fingerprints() -> None:
    odd = record(OTHER, score_fingerprint="s1 from elsewhere", notes_signature=None)
    earlier = EarlierTracks([record(SCORE, notes_signature=None), odd])
    assert failed(Originals(earlier=earlier)) == [("same_as_earlier", 1.0)]
    assert failed(Originals(earlier=earlier), OTHER) == []
