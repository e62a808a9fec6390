"""The arithmetics that a model can be played in. The notes of a track hang on it."""

from __future__ import annotations

ARITHMETICS = ("int8", "bf16", "float32")  # int8 is exact; the others are for experiments
INTEGERS = ARITHMETICS[0]


def arithmetic_named(name: str, device: str = "cpu") -> str:
    """What notes hang on: "int8", the same on all devices, or "bf16-cpu", "float32-cuda", ... "auto" is int8.

    Raises:
        ValueError: there is no such arithmetic.
    """
    if name == "auto":
        name = INTEGERS
    if name not in ARITHMETICS:
        raise ValueError(f'arithmetic is "{name}", it must be "auto" or one of {", ".join(ARITHMETICS)}')
    return name if name == INTEGERS else f"{name}-{device.partition(':')[0]}"
