"""Files of the driver's machine for workers elsewhere: their bytes, put into Ray's object store once a run.

A path of the driver means nothing on another machine, or worse, another file. What has an address that all can read
needs no sending; what Ray started for us on this machine has the same files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jobs.runtime.local_ray import is_ray_shared
from lstm_core import storage
from lstm_core.storage import node_cache
from lstm_core.storage.file_reference import FileReference

MAX_SENT_BYTES = 2**30  # each machine that wants it holds it in shared memory, and then on its disk


@dataclass(frozen=True, kw_only=True)
class SentFile:
    """A file that workers may want, by what it holds, and the way to its bytes where there is one."""

    reference: FileReference
    data: Any = None  # Ray's reference to uint8 [size_bytes]; None: workers find the file themselves

    @property
    def fetch(self) -> Callable[[Path], object] | None:
        """Writes the bytes into a file; None where they were not sent."""
        return None if self.data is None else self._write

    def _write(self, path: Path) -> None:
        import ray

        with path.open("wb") as file:
            file.write(memoryview(ray.get(self.data)))  # lies in shared memory: nothing is copied but into the file


def send_file(reference: FileReference) -> SentFile:
    """A file that this machine has, for the workers of the Ray that is connected."""
    is_everywhere = reference.uri.lower().startswith("s3://")
    if is_everywhere or not is_ray_shared() or reference.size_bytes > MAX_SENT_BYTES:
        return SentFile(reference=reference)
    import ray

    path = storage.local_path(reference.uri) or node_cache.copy_path(reference.sha256)
    data = np.frombuffer(storage.read_bytes(path), dtype=np.uint8)
    return SentFile(reference=reference, data=ray.put(data))
