"""Sets of hashes that stand for a piece or a recording, and how much two of them share.

What is alike shares many of them (blocks/duplicates.py); a fingerprint of sound is such a set too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MAX_SHINGLES = (
    4096  # kept of a piece, those of least value; of longer pieces the Jaccard index is an estimate (+-0.016)
)

Shingles = npt.NDArray[np.uint32]


def jaccard(left: Shingles, right: Shingles) -> float:
    """Shared part of two sets of shingles, 0 to 1; an estimate where a set was cut to MAX_SHINGLES."""
    union = np.union1d(left, right)[:MAX_SHINGLES]
    common = np.intersect1d(left, right, assume_unique=True)
    if len(union) == 0:
        return 1.0
    return float(np.count_nonzero(common <= union[-1]) / len(union))
