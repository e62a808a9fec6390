"""A digest of each global batch, which shows whether two runs learnt from the same batches.

It does not depend on how the lanes are shared among workers: the bytes of the lanes' digests are added up, which is
exact in the float32 buffer that gradients travel in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lstm_core.dataset.lanes import Batch

NUM_SUMS = 8
MAX_LANES = 2**24 // 255  # as many bytes as float32 adds up exactly


def lane_digests(batch: Batch, first_lane: int) -> Tensor:
    """Sums over these lanes, the first of which has that number among all: float32 [NUM_SUMS]."""
    inputs = batch.inputs
    parts = [part.numpy() for part in (inputs.events, inputs.contexts, inputs.flags, inputs.onset_contexts)]
    starts = batch.is_start.numpy()
    sums = np.zeros(NUM_SUMS)
    for b in range(len(starts)):
        digest = hashlib.blake2b(f"{first_lane + b} {starts[b]}".encode(), digest_size=NUM_SUMS)
        for part in parts:
            digest.update(part[b])
        sums += np.frombuffer(digest.digest(), dtype=np.uint8)
    return torch.from_numpy(sums).float()


def batch_digest(sums: Sequence[float]) -> str:
    """Sixteen hexadecimal digits of the sums over all lanes."""
    return hashlib.blake2b(np.array(sums, dtype=np.int64).tobytes(), digest_size=8).hexdigest()
