"""An index of a corpus that says which runs of a score stand in it, and which of its pieces is nearest.

Its bytes: a mark, the sha256 of all that follows, a few numbers, the seeds (seeds.py) and the sketches of pieces
(sketches.py) as packed lists (bit_lists.py), the names of the pieces as JSON. They depend on the pieces and their order
alone. Nothing of them can be turned back into notes.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lstm_core.foundation.elementary.powers import log2_of
from lstm_core.foundation.errors import CheckpointError
from lstm_core.notes.score import Score
from lstm_core.originality.bit_lists import BITS_OF_A_GAP, pack_sorted, unpack_sorted
from lstm_core.originality.lines import Line, voice_lines
from lstm_core.originality.runs import RUN_NOTES, Hashes, line_steps
from lstm_core.originality.seeds import CODE_BITS, REACH, SeedCollector, shared_runs
from lstm_core.originality.sketches import KEY_BITS, SketchCollector, Sketches

# 2,767 pieces (the base corpus but for what music21 has) with 6 million runs make 658,000 seeds of 38 bits: 3.65 MB in
# all. An index grows beyond the limit from about a million seeds on, as one never takes less than 28 bits.
MOST_BYTES = 4_000_000
MOST_SKETCHED = 160_000  # short runs, of 22 bits
FEWEST_CODE_BITS, FEWEST_GAP_BITS, MOST_GAP_BITS = 3, 8, 24

_MARK = b"TONEMILL-RUNS-1\n"
_NUMBERS = struct.Struct("<BBI")  # bits of a code, halvings of the sketches, bytes of the names


@dataclass(frozen=True, kw_only=True)
class SharedRun:
    """The longest run of a score that stands in a corpus."""

    num_notes: int  # RUN_NOTES or more; 0: there is none
    line: Line | None = None
    first_note: int = 0  # of the line

    @property
    def onset_tick(self) -> int:
        """Where it begins, 0 if there is none."""
        return 0 if self.line is None else int(self.line.onset[self.first_note])


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class OriginalityIndex:
    """All runs of RUN_NOTES notes of the lines of a corpus that have content, and sketches of its pieces."""

    names: tuple[str, ...]  # of the pieces
    seeds: Hashes  # the highest `key_bits` bits, ascending: [n]
    codes: Hashes  # of the steps beside each, six of `code_bits` bits: [n]
    key_bits: int
    code_bits: int
    sketches: Sketches

    @property
    def false_positive_rate(self) -> float:
        """How likely a run that shares nothing with the corpus seems to stand in it.

        Each of its four seeds may be taken for a stored one, and then three codes for those beside it.
        """
        return min((REACH + 1) * len(self.seeds) * 2.0 ** -(self.key_bits + REACH * self.code_bits), 1.0)

    @property
    def overshoot_rate(self) -> float:
        """How likely a run that the corpus shares seems to go on for a note too many, at each of its ends."""
        return 2.0**-self.code_bits

    def longest_shared_run(self, score: Score) -> SharedRun:
        """The longest run of RUN_NOTES notes or more of a line of a score, all of whose runs stand in the corpus."""
        longest = SharedRun(num_notes=0)
        for line in voice_lines(score):
            found = shared_runs(line_steps(line), self.seeds, self.codes, self.key_bits, self.code_bits)
            edges = np.flatnonzero(np.diff(found, prepend=False, append=False)).reshape(-1, 2)
            for start, stop in edges.tolist():
                if (num_notes := stop - start + RUN_NOTES - 1) > longest.num_notes:
                    longest = SharedRun(num_notes=num_notes, line=line, first_note=start)
        return longest

    def nearest_piece(self, score: Score) -> tuple[str, float]:
        """The name of the piece that is most like a score, and how much, 0 to 1 (sketches.py); ("", 0.0) if none is."""
        number, similarity = self.sketches.nearest(score)
        return ("", 0.0) if number < 0 else (self.names[number], similarity)

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads; equal for equal indexes."""
        names = json.dumps(self.names, ensure_ascii=False, separators=(",", ":")).encode()
        sketches = self.sketches
        body = b"".join(
            (
                _NUMBERS.pack(self.code_bits, sketches.num_halvings, len(names)),
                names,
                pack_sorted(self.seeds, self.codes, key_bits=self.key_bits, value_bits=2 * REACH * self.code_bits),
                pack_sorted(sketches.keys, sketches.pieces, key_bits=KEY_BITS, value_bits=len(self.names).bit_length()),
            )
        )
        return _MARK + hashlib.sha256(body).digest() + body


def from_bytes(data: bytes, *, name: str = "the index of runs") -> OriginalityIndex:
    """The index of `OriginalityIndex.to_bytes`; `name` says in messages where the bytes come from.

    Raises:
        CheckpointError: these are no such bytes, or some are missing or altered.
    """
    if not data.startswith(_MARK):
        raise CheckpointError(
            f"{name} begins with {data[: len(_MARK)]!r}, an index of runs with {_MARK!r}. It is another file, or "
            "was made by another version: copy the checkpoint again, or train it again."
        )
    start = len(_MARK) + 32
    body = data[start:]
    if hashlib.sha256(body).digest() != data[len(_MARK) : start]:
        raise CheckpointError(f"{name} was cut short or altered: its {len(data):,} bytes do not have the sha256 that "
                              "they were written with. Copy the checkpoint again.")  # fmt: skip
    code_bits, num_halvings, size = _NUMBERS.unpack_from(body)
    names = tuple(json.loads(body[_NUMBERS.size : _NUMBERS.size + size]))
    seeds, codes, key_bits, _, offset = unpack_sorted(body, _NUMBERS.size + size)
    keys, pieces, *_ = unpack_sorted(body, offset)
    sketches = Sketches(num_pieces=len(names), num_halvings=num_halvings, keys=keys, pieces=pieces)
    return OriginalityIndex(
        names=names, seeds=seeds, codes=codes, key_bits=key_bits, code_bits=code_bits, sketches=sketches
    )


def build_index(pieces: Iterable[tuple[str, Score]], *, most_bytes: int = MOST_BYTES) -> OriginalityIndex:
    """The index of named pieces, with as many bits for each seed as `most_bytes` allow."""
    collector, sketched = SeedCollector(), SketchCollector(MOST_SKETCHED)
    names: list[str] = []
    for name, score in pieces:
        names.append(name)
        lines = voice_lines(score)
        for line in lines:
            collector.add(line_steps(line))
        sketched.add(lines)
    seeds, codes = collector.result()
    sketches = sketched.result()
    name_bytes = sum(len(name.encode()) + 3 for name in names)
    sketch_bytes = len(sketches.keys) * (KEY_BITS + len(names).bit_length()) // 8
    key_bits, code_bits = _fitting(len(seeds), most_bytes - name_bytes - sketch_bytes)
    seeds = seeds >> np.uint64(64 - key_bits)
    codes = _shortened(codes, code_bits)
    order = np.lexsort((codes, seeds))
    seeds, codes = seeds[order], codes[order]
    is_new = np.ones(len(seeds), dtype=np.bool_)
    is_new[1:] = (np.diff(seeds) != 0) | (np.diff(codes) != 0)
    return OriginalityIndex(
        names=tuple(names),
        seeds=seeds[is_new],
        codes=codes[is_new],
        key_bits=key_bits,
        code_bits=code_bits,
        sketches=sketches,
    )


def _fitting(num_seeds: int, num_bytes: int) -> tuple[int, int]:
    """Bits of a key and of a code with which so many seeds take so many bytes, or the fewest that are of use."""
    num_seeds = max(num_seeds, 1)
    bits = 8 * num_bytes / num_seeds - BITS_OF_A_GAP
    code_bits = min(max(int((bits - FEWEST_GAP_BITS) / (2 * REACH)), FEWEST_CODE_BITS), CODE_BITS)
    gap_bits = min(max(bits - 2 * REACH * code_bits, FEWEST_GAP_BITS), MOST_GAP_BITS)
    return int(gap_bits + log2_of(float(num_seeds))), code_bits


def _shortened(codes: Hashes, code_bits: int) -> Hashes:
    """Codes of CODE_BITS, six packed in each value, cut to their lowest bits and packed again."""
    short = np.zeros_like(codes)
    mask = np.uint64((1 << code_bits) - 1)
    for j in range(2 * REACH):
        short |= ((codes >> np.uint64(CODE_BITS * j)) & mask) << np.uint64(code_bits * j)
    return short
