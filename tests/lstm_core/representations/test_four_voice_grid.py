"""The four-voice grid: what sounds at each sixteenth, there and back, and the context of the model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.representations.four_voice_grid import (
    FOUR_VOICES,
    HIGHEST,
    LOWEST,
    STEPS_PER_BAR,
    grid_of,
    spelt_grid,
    sung,
)
from lstm_core.representations.representation import AugmentSettings, Piece, Reading


def chorale(seed: int, margin: int = 6, num_steps: int = 40) -> npt.NDArray[np.uint8]:
    """A grid whose voices never cross and hold their pitches for a while; the bass pauses now and then.

    Its pitches come about as near to the ends of the compass as `margin`.
    """
    random = np.random.default_rng(seed)
    steps = np.sort(random.integers(LOWEST + margin, HIGHEST - margin, (num_steps // 4, 4)), axis=1)[:, ::-1]
    steps = steps - np.arange(4)  # no two voices on one pitch
    steps[random.random(len(steps)) < 0.2, 3] = -1
    return grid_of(np.repeat(steps, 4, axis=0))


def piece_of(grid: npt.NDArray[np.uint8]) -> Piece:
    return Piece(
        piece_id="", title="", style="", events=grid, meters=(), tempos=(), key_tonic=None, key_mode=None,
        tempo_bpm=100.0, density=1.0, families=0, num_bars=1,
    )  # fmt: skip


def test_a_step_says_what_sounds_when_it_begins() -> None:
    notes = make_notes(
        [
            (0, 12, 0, 60, 90),  # two steps
            (0, 24, 0, 72, 90),
            (12, 5, 40, 48, 90),  # less than a step, but over its beginning
            (13, 4, 0, 50, 90),  # between two beginnings
            (0, 6, DRUMS, 36, 90),
        ]
    )
    grid = spelt_grid(Score(notes=notes))
    assert grid is not None and grid.dtype == FOUR_VOICES.dtype == np.uint8
    c4, c5, c3 = (pitch - LOWEST + 1 for pitch in (60, 72, 48))
    assert grid.tolist() == [[c5, c4, 0, 0], [c5, c4, 0, 0], [c5, c3, 0, 0], [c5, 0, 0, 0]]


@pytest.mark.parametrize("pitches", [[60, 62, 64, 65, 67], [LOWEST - 1], [HIGHEST + 1, 60], []])
def test_what_four_voices_cannot_sing_is_not_spelt(pitches: list[int]) -> None:
    assert spelt_grid(Score(notes=make_notes([(0, 24, 0, pitch, 90) for pitch in pitches]))) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_grid_survives_the_way_through_a_score(seed: int) -> None:
    grid = chorale(seed)
    assert np.array_equal(spelt_grid(sung(grid)), grid)  # type: ignore[arg-type]
    assert 4 <= len(sung(grid).notes) <= grid.size // 4


def test_a_variation_keeps_the_intervals_and_the_compass() -> None:
    shifts: dict[int, set[int]] = {3: set(), 16: set()}
    for seed in range(80):
        margin = (3, 16)[seed % 2]
        grid = chorale(seed % 10, margin)
        reading = Reading(augment=AugmentSettings(transpose=6), random=np.random.default_rng(seed))
        arrays = FOUR_VOICES.piece_arrays(piece_of(grid), reading)
        moved = arrays.events - grid.astype(np.int64)
        assert len(set(moved[grid > 0])) == 1 and (arrays.events[grid == 0] == 0).all()
        assert arrays.events[grid > 0].min() >= 1 and arrays.events.max() <= HIGHEST - LOWEST + 1
        shifts[margin].add(int(moved[grid > 0][0]))
    assert min(shifts[16]) == -6 and max(shifts[16]) == 6 and len(shifts[16]) > 4
    assert max(shifts[3]) - min(shifts[3]) < 12  # there is no space for more
    assert np.array_equal(FOUR_VOICES.piece_arrays(piece_of(grid), Reading()).events, grid)


def test_the_position_in_the_bar_is_the_only_context() -> None:
    arrays = FOUR_VOICES.piece_arrays(piece_of(chorale(1)), Reading())
    [context] = FOUR_VOICES.contexts(("any",))
    assert (context.name, context.size) == ("position", STEPS_PER_BAR + 1)
    assert arrays.contexts[:, 0].tolist() == [1 + step % STEPS_PER_BAR for step in range(40)]
    assert arrays.flags.shape == (0,) and arrays.recalled.shape[1] == 0 and arrays.onset_contexts.shape[1] == 0
