"""Torch on one thread, for work whose parallelism lies in processes, or whose matrices are small.

Torch's threads wait for each other in busy loops. Where other processes want the same cores, to load the base
checkpoint took 2.8 s of processor time with two threads and 0.14 s with one (two cores with other work on them,
December 2026). Ray's workers have one thread as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread of this process; afterwards on as many as before. Also a decorator."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
