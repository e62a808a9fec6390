"""All runs of RUN_NOTES notes of a corpus in a third of the space that a set of their hashes needs.

A run of 12 notes holds four shorter ones of SEED_NOTES = 9, its seeds. Of any four seeds in a row of a corpus one is
stored, with a few bits of each of the three steps before it and of the three after it. So each run of the corpus holds
a stored seed. A run of other music stands in the corpus if one of its seeds is stored and the steps beside it, up to
the ends of the run, are those stored. (Picking one of any few neighbours is the idea of winnowing: Schleimer,
Wilkerson, Aiken, "Winnowing", SIGMOD 2003; here places are picked as the corpus is read, so that what stands in it
twice costs nothing the second time.)

No run of the corpus is ever missed. Runs that are not in it seem to be at a rate that `RunSet` states.
"""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.originality.lines import Ints
from lstm_core.originality.runs import RUN_NOTES, Bools, Hashes, has_content, mixed, run_hashes

REACH = 3  # steps beside a seed, on each side
SEED_NOTES = RUN_NOTES - REACH
CODE_BITS = 8  # of a step, before a set is made to fit
_OUTSIDE = 63  # an interval that no step has: beyond the end of a line


class SeedCollector:
    """Picks the seeds of a corpus, line by line."""

    def __init__(self) -> None:
        self._known = np.zeros(1 << 12, dtype=np.uint64)  # open addressing; 0: free
        self._num_known = 0
        self._seeds: list[Hashes] = []
        self._codes: list[Hashes] = []

    def add(self, steps: Ints) -> None:
        """Takes in the runs of a line that have content."""
        self._make_room(len(steps))
        seeds, codes = seed_codes(steps)
        picked = _pick(seeds, codes, has_content(steps), self._known)
        self._num_known += len(picked)
        self._seeds.append(seeds[picked])
        self._codes.append(codes[picked])

    def result(self) -> tuple[Hashes, Hashes]:
        """The seeds and the codes of the steps beside them: uint64 [n] each."""
        empty = np.zeros(0, dtype=np.uint64)
        return np.concatenate([empty, *self._seeds]), np.concatenate([empty, *self._codes])

    def _make_room(self, num_more: int) -> None:
        while 2 * (self._num_known + num_more) > len(self._known):
            old = self._known[self._known != 0]
            self._known = np.zeros(2 * len(self._known), dtype=np.uint64)
            _put_all(self._known, old)


@njit(cache=True, nogil=True)
def seed_codes(steps: Ints) -> tuple[Hashes, Hashes]:
    """Each seed of a line and the codes of the steps beside it, uint64 [max(M - SEED_NOTES + 1, 0)] each.

    Codes are six of CODE_BITS: of the steps before, from the nearest outwards, then of those after, the first lowest.
    """
    num_notes = len(steps)
    seeds = run_hashes(steps, SEED_NOTES)
    codes = np.zeros(len(seeds), dtype=np.uint64)
    for first in range(len(seeds)):
        for j in range(REACH):
            left, right = first - j, first + SEED_NOTES + j
            before = mixed(seeds[first], _OUTSIDE, j)
            if left >= 1:  # the note before the run brings its interval, and the ratio of the step after it
                before = mixed(seeds[first] + np.uint64(1 + j), steps[left, 0], steps[left + 1, 1])
            after = mixed(seeds[first], _OUTSIDE, REACH + j)
            if right < num_notes:
                after = mixed(seeds[first] + np.uint64(1 + REACH + j), steps[right, 0], steps[right, 1])
            mask = np.uint64((1 << CODE_BITS) - 1)
            codes[first] |= (before & mask) << np.uint64(CODE_BITS * j)
            codes[first] |= (after & mask) << np.uint64(CODE_BITS * (REACH + j))
    return seeds, codes


@njit(cache=True, nogil=True)
def _pick(seeds: Hashes, codes: Hashes, content: Bools, known: Hashes) -> Ints:
    """Which seeds of a line to store, int64 [n], so that each run with content holds one that is known."""
    picked = np.zeros(len(seeds), dtype=np.int64)
    num_picked, last = 0, -1
    for first in range(len(seeds)):
        key = mixed(seeds[first] ^ mixed(codes[first], 0, 0), 0, 0)
        run = first - REACH  # the run whose last seed this is
        if _holds(known, key):
            last = first
        elif run >= 0 and last < run and content[run]:
            _put(known, key)
            picked[num_picked] = last = first
            num_picked += 1
    return picked[:num_picked]


@njit(cache=True, nogil=True)
def _holds(known: Hashes, key: np.uint64) -> bool:
    mask = np.uint64(len(known) - 1)
    place = key & mask
    while known[place] != 0:
        if known[place] == key:
            return True
        place = (place + np.uint64(1)) & mask
    return False


@njit(cache=True, nogil=True)
def _put(known: Hashes, key: np.uint64) -> None:
    mask = np.uint64(len(known) - 1)
    place = key & mask
    while known[place] != 0:
        place = (place + np.uint64(1)) & mask
    known[place] = key


@njit(cache=True, nogil=True)
def _put_all(known: Hashes, keys: Hashes) -> None:
    for key in keys:
        _put(known, key)


@njit(cache=True, nogil=True)
def shared_runs(
    steps: Ints, stored: Hashes, stored_codes: Hashes, key_bits: int, code_bits: int
) -> npt.NDArray[np.bool_]:
    """Whether each run of RUN_NOTES notes of a line has content and stands among stored seeds: bool [M - 11].

    Args:
        stored: Keys of seeds, their highest `key_bits` bits, ascending.
        stored_codes: The lowest `code_bits` bits of each of the six codes, packed in the same order.
    """
    content = has_content(steps)
    found = np.zeros(len(content), dtype=np.bool_)
    if len(content) == 0 or len(stored) == 0:
        return found
    seeds, codes = seed_codes(steps)
    mask = np.uint64((1 << code_bits) - 1)
    for first in range(len(seeds)):
        low, high = max(first - REACH, 0), min(first, len(content) - 1)
        if not content[low : high + 1].any():
            continue
        key = seeds[first] >> np.uint64(64 - key_bits)
        entry = np.searchsorted(stored, key)
        while entry < len(stored) and stored[entry] == key:
            differing = np.uint64(0)
            for j in range(2 * REACH):
                own = (codes[first] >> np.uint64(CODE_BITS * j)) & mask
                if own != (stored_codes[entry] >> np.uint64(code_bits * j)) & mask:
                    differing |= np.uint64(1 << j)
            before, after = 0, 0
            while before < REACH and not (differing >> np.uint64(before)) & np.uint64(1):
                before += 1
            while after < REACH and not (differing >> np.uint64(REACH + after)) & np.uint64(1):
                after += 1
            for run in range(max(first - before, low), min(first + after - REACH, high) + 1):
                found[run] = found[run] or content[run]
            entry += 1
    return found
