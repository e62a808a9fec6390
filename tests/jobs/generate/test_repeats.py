"""Repeated tracks of an order: the same ones whatever was made first, and whenever a run was killed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jobs.generate.repeats import repeated_tracks
from lstm_core.catalogue.records import TrackRecord, make_record
from lstm_core.originality.signatures import NUM_VALUES
from tests.lstm_core.catalogue.made_up_records import content

MOST = 4  # attempts


def take(track_id: str, attempt: int, place: int, score: str = "") -> TrackRecord:
    """A take near those at the places beside its own, and near no others."""
    values = ((24 * place + np.arange(NUM_VALUES)) // NUM_VALUES).astype(np.uint8)
    score = score or f"{track_id} {attempt}"
    fields = {"track_id": track_id, "attempt": attempt, "score_fingerprint": score}
    return make_record(content(**fields, notes_signature=values.tobytes().hex()))


def test_the_later_of_two_takes_is_repeated() -> None:
    assert repeated_tracks([take("b", 0, 5), take("a", 0, 5)], {}, max_attempts=MOST) == ["b"]
    assert repeated_tracks([take("b", 0, 5), take("a", 1, 6)], {}, max_attempts=MOST) == ["a"]
    assert repeated_tracks([take("a", 0, 5), take("b", 0, 7)], {}, max_attempts=MOST) == []
    same = [take("a", 0, 0, "notes"), take("b", 0, 9, "notes")]
    assert repeated_tracks(same, {}, max_attempts=MOST) == ["b"]


def test_bridges_of_made_tracks_are_not_judged() -> None:
    """They follow when the others are settled: judged with them, one could take a track away that it is made of."""
    bridge = replace(take("a", 0, 5), order={"bridge": f"{'0' * 24}/layer-1 > {'0' * 24}/layer-2"})
    assert repeated_tracks([take("b", 0, 5), bridge], {}, max_attempts=MOST) == []
    of_rows = replace(take("a", 0, 5), order={"bridge": "forest > cave"})
    assert repeated_tracks([take("b", 0, 5), of_rows], {}, max_attempts=MOST) == ["b"]


def test_a_take_is_near_none_that_is_repeated_itself() -> None:
    takes = [take("a", 0, 1), take("b", 0, 2), take("c", 0, 3)]
    assert repeated_tracks(takes, {}, max_attempts=MOST) == ["b"]


def test_nothing_is_decided_before_what_could_come_first_is_made() -> None:
    takes = [take("b", 0, 2), take("c", 0, 3)]
    assert repeated_tracks(takes, {"a": 0}, max_attempts=MOST) == []
    assert repeated_tracks(takes, {"d": 0, "e": 2}, max_attempts=MOST) == ["c"]
    later = [take("a", 0, 1), take("b", 0, 2), take("c", 1, 9), take("d", 2, 9)]
    assert repeated_tracks(later, {}, max_attempts=MOST) == ["b"]  # whose next attempt comes before that of c
    assert repeated_tracks(later, {}, max_attempts=1) == ["b", "d"]  # there is none


class Order:
    """An order whose takes are drawn once: some are held back by a gate, and many are near each other."""

    def __init__(self, seed: int, num_tracks: int = 7) -> None:
        self.random = np.random.default_rng(seed)
        self.place = {f"{i}": self.random.integers(0, 16, MOST).tolist() for i in range(num_tracks)}
        self.passes = {f"{i}": (self.random.random(MOST) < 0.8).tolist() for i in range(num_tracks)}

    def go_on(self, made: dict[str, int], *, killed_after: int = 1_000) -> bool:
        """Makes what is missing as a run does; `made` is the attempt at each track of the catalogue. False: killed."""
        tried = {track_id: -1 for track_id in self.place}
        while True:
            while True:
                missing = {track_id: n + 1 for track_id, n in tried.items() if track_id not in made and n + 1 < MOST}
                takes = [take(track_id, n, self.place[track_id][n]) for track_id, n in made.items()]
                repeated = repeated_tracks(takes, missing, max_attempts=MOST)
                for track_id in repeated:
                    tried[track_id] = made.pop(track_id)
                if not repeated:
                    break
            if not missing:
                return True
            for track_id in self.random.permutation(sorted(missing)).tolist():
                passing = [n for n in range(missing[track_id], MOST) if self.passes[track_id][n]]
                tried[track_id] = passing[0] if passing else MOST
                if passing:
                    made[track_id] = passing[0]
                    killed_after -= 1
                    if killed_after == 0:
                        return False


@pytest.mark.parametrize("seed", range(0, 60, 15))
def test_a_run_that_was_killed_decides_as_one_that_was_not(seed: int) -> None:
    """And no two of its tracks are near each other."""
    num_attempts = 0
    for one in range(seed, seed + 15):
        order = Order(one)
        straight: dict[str, int] = {}
        assert order.go_on(straight)
        places = sorted(order.place[track_id][n] for track_id, n in straight.items())
        assert all(np.diff(places) > 1)
        num_attempts += sum(straight.values())
        again = dict(straight)
        assert order.go_on(again) and again == straight
        for killed_after in range(1, 12, 2):
            made: dict[str, int] = {}
            order.go_on(made, killed_after=killed_after)
            order.go_on(made, killed_after=2)
            assert order.go_on(made) and made == straight
    assert num_attempts > 15
