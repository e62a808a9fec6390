"""Small files that travel with a job: a package named by its content, which Ray unpacks where the job runs."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

from cluster.errors import ClusterError

MAX_PACKAGE_BYTES = 50_000_000  # the head keeps packages in its memory
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold


def pack(files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Name and bytes of the zip file of some files; the name follows from their names and bytes alone.

    Raises:
        ClusterError: they are too large to travel.
    """
    size_bytes = sum(map(len, files.values()))
    if size_bytes > MAX_PACKAGE_BYTES:
        raise ClusterError(
            f"{', '.join(sorted(files))} would have to travel with the job: {size_bytes / 1e6:,.0f} MB, of "
            f"{MAX_PACKAGE_BYTES / 1e6:,.0f} at most. Put it into a bucket and give its URI."
        )
    digest = hashlib.sha256()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            digest.update(f"{len(name.encode())} {len(files[name])} {name}\n".encode() + files[name])
            entry = zipfile.ZipInfo(name, date_time=_DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(entry, files[name])
    return f"_ray_pkg_{digest.hexdigest()[:40]}.zip", packed.getvalue()
