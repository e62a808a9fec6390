"""What made a track besides its order: the libraries that its bytes depend on, and the processor.

The versions stand in its record, as the same ones give the same record. The processor does not: the bytes are the same
on every one, and a record that named it would be another on each.
"""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata
from pathlib import Path

_PACKAGES = ("numba", "numpy", "pillow", "scipy", "soundfile", "torch")
_CPU_FACTS = Path("/proc/cpuinfo")
_LEVELS = {"avx512f": "AVX-512", "avx2": "AVX2", "neon": "NEON"}  # the first that a processor has


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Version of Python and of each library that decides bytes of a track's files.

    torch and numba compose, numpy and scipy make the sound, libsndfile encodes it, pillow and zlib make pictures. Of
    Python and torch what differs in nothing that is computed is left out: the patch, and for which device it was built.
    """
    import soundfile
    from PIL import features

    found = {name: metadata.version(name).partition("+")[0] for name in _PACKAGES}
    found["libsndfile"] = str(soundfile.__libsndfile_version__)
    has_ng = "zlib_ng" in features.features and features.check("zlib_ng")
    found["zlib"] = f"{features.version('zlib_ng')}-ng" if has_ng else str(features.version("zlib"))
    found["python"] = ".".join(platform.python_version_tuple()[:2])
    return dict(sorted(found.items()))


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor of this machine, with the instructions that are used: "AMD EPYC 9354 (znver4, AVX-512)"."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    level = next((name for feature, name in _LEVELS.items() if features.get(feature)), platform.machine())
    return f"{_model()} ({binding.get_host_cpu_name()}, {level})"


def _model() -> str:
    lines = _CPU_FACTS.read_text(errors="replace").splitlines() if _CPU_FACTS.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
