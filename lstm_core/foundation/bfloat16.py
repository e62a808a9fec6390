"""bfloat16 on a CPU: products with weights laid out once, and conversions in compiled code, as numpy has no such type.

numpy knows no bfloat16: arrays of it are the bits of its numbers, uint16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstm_core.foundation.compiling import njit

Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint16]  # of bfloat16 numbers
FAST = {"nnan", "ninf", "nsz", "contract"}  # these let the compiler use vectors; sums keep their order


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX), and oneDNN may use it.

    ONEDNN_MAX_CPU_ISA may hold oneDNN to less than the CPU has; it then refuses to lay weights out in bfloat16.

    Measured on an AMD Zen 5 with AVX512-BF16, November 2026: the engine at batch 256 plays 2.9 times as many
    events in bfloat16 as in float32; without the instructions bfloat16 is emulated and slower.
    """
    has_instructions = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(has_instructions and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def bits_of(values: Tensor) -> Bits:
    """The same memory as numpy sees it. `values`: bfloat16 on the CPU."""
    bits: Bits = values.view(torch.int16).numpy().view(np.uint16)
    return bits


class PackedWeight:
    """rows W^T of `num_rows` rows, in the dtype of W [outputs, inputs].

    In bfloat16 the weights are laid out once in the order that the kernel reads, where torch can. By itself torch does
    that anew for each call: a product of one row of 1,024 by [2048, 1024] took 174 us, and takes 63 us without (AMD
    Zen 5, one thread, November 2026). The bits are the same.
    """

    def __init__(self, weight: Tensor, num_rows: int) -> None:
        self._weight, self._packed = weight, None
        is_bf16_here = weight.dtype == torch.bfloat16 and weight.device.type == "cpu"
        if is_bf16_here and has_fast_bf16() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, num_rows)

    def __call__(self, rows: Tensor) -> Tensor:
        if self._packed is None:
            return torch.nn.functional.linear(rows, self._weight)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._packed, None, "none", [], "")
        return product


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy", inline="always")
def tanh(x: Any) -> Any:
    """tanh by Lambert's continued fraction, cut after the ninth level: error at most 4e-5, a bfloat16's is 4e-3."""
    one = np.float32(1.0)
    x = min(max(x, np.float32(-5.4)), np.float32(5.4))
    y = x * x
    top = x * (np.float32(34459425) + y * (np.float32(4729725) + y * (np.float32(135135) + y * (np.float32(990) + y))))
    low = np.float32(34459425) + y * (
        np.float32(16216200) + y * (np.float32(945945) + y * (np.float32(13860) + y * np.float32(45)))
    )
    return min(max(top / low, -one), one)


@njit(cache=True, nogil=True, inline="always")
def widen(bits: Bits, out: Floats) -> None:
    """Writes a row of bfloat16 as float32."""
    out_bits = out.view(np.uint32)
    for i in range(len(bits)):
        out_bits[i] = np.uint32(bits[i]) << np.uint32(16)


@njit(cache=True, nogil=True, inline="always")
def narrow(values: Floats, bits: Bits) -> None:
    """Writes a row of float32 as bfloat16: to the nearest, and of two the even one."""
    low, one, almost_half = np.uint32(16), np.uint32(1), np.uint32(0x7FFF)
    value_bits = values.view(np.uint32)
    for i in range(len(bits)):
        bits[i] = np.uint16((value_bits[i] + almost_half + ((value_bits[i] >> low) & one)) >> low)
