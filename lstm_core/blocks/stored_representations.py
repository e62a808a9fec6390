"""Which representations a block set holds its pieces in, and how many pieces each of them can spell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lstm_core.blocks.piece_fields import SPLITS
from lstm_core.foundation.errors import BlockError
from lstm_core.representations.representation import Representation


@dataclass(frozen=True, kw_only=True)
class StoredRepresentation:
    """A representation that pieces are stored in, and those that it can spell."""

    name: str
    streams: tuple[tuple[str, int], ...]  # (name, number of values) of each of the K streams
    dtype: str  # of the events: uint8 or uint16
    num_pieces: dict[str, int]  # by split
    num_events: dict[str, int]  # by split


def is_spelt(table: pa.Table, representation: str) -> npt.NDArray[np.bool_]:
    """Which rows of a table the representation can spell: bool [rows]."""
    import pyarrow.compute as pc  # 0.13 s, which those who only generate need not spend

    found: npt.NDArray[np.bool_] = pc.is_valid(pc.struct_field(table["events"], representation)).to_numpy()
    return found


def check_holds(
    of_set: Sequence[StoredRepresentation], representation: Representation, uri: str | Path
) -> StoredRepresentation:
    """The entry of a representation in the set at `uri`.

    Raises:
        BlockError: it does not hold the representation, or not as it is here.
    """
    stored = {one.name: one for one in of_set}
    if representation.name not in stored:
        raise BlockError(
            f"{uri} holds its pieces as {', '.join(stored)}, not as {representation.name}. Run tonemill prepare again "
            f"with {representation.name} among its representations."
        )
    found = stored[representation.name]
    streams = tuple((stream.name, stream.size) for stream in representation.streams)
    if (found.streams, found.dtype) != (streams, representation.dtype.name):
        raise BlockError(
            f"{uri} holds a {representation.name} of the streams {found.streams}, here it has {streams}. "
            "Run tonemill prepare again."
        )
    return found


def stored_in(representation: Representation, table: pa.Table) -> StoredRepresentation:
    """The entry of a representation, for the sidecar of a block that holds it."""
    import pyarrow.compute as pc

    splits = np.array(table["split"].to_pylist(), dtype=object)
    sizes = pc.binary_length(pc.struct_field(table["events"], representation.name)).to_pylist()
    event_bytes = len(representation.streams) * representation.dtype.itemsize
    found = [(split, size // event_bytes) for split, size in zip(splits, sizes, strict=True) if size is not None]
    return StoredRepresentation(
        name=representation.name,
        streams=tuple((stream.name, stream.size) for stream in representation.streams),
        dtype=representation.dtype.name,
        num_pieces={split: sum(own == split for own, _ in found) for split in SPLITS},
        num_events={split: sum(number for own, number in found if own == split) for split in SPLITS},
    )


def total_of_blocks(of_blocks: Sequence[tuple[StoredRepresentation, ...]]) -> tuple[StoredRepresentation, ...]:
    """The entries of the representations, for the index; they are the same in all blocks."""
    if any([one.name for one in stored] != [one.name for one in of_blocks[0]] for stored in of_blocks):
        raise BlockError("The blocks of a set hold different representations. Run tonemill prepare again.")
    return tuple(
        replace(
            of_one[0],
            num_pieces=total_counts(one.num_pieces for one in of_one),
            num_events=total_counts(one.num_events for one in of_one),
        )
        for of_one in zip(*of_blocks, strict=True)
    )


def stored_from_json(raw: dict[str, Any]) -> StoredRepresentation:
    """The entry of a sidecar or an index, as it was written."""
    streams = tuple((str(name), int(size)) for name, size in raw["streams"])
    return StoredRepresentation(**(raw | {"streams": streams}))


def total_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Counts added up, in ascending order of their names."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))
