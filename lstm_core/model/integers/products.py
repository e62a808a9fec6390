"""Products of bytes: int8 activations by int8 weights, summed up in int32, exactly, whatever the machine."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.integers.weights import MAX_ACTIVATION, MAX_WEIGHT, Bytes, Ints32

_EXACT_IN_FLOAT32 = 1 << 24  # integers up to this are float32 numbers, and so is every partial sum below it
_log = logging.getLogger(__name__)


class ByteProduct:
    """activations W^T of B rows. W: int8 [outputs, inputs], at most MAX_WEIGHT in size."""

    def __init__(self, weight: Bytes, num_rows: int) -> None:
        """
        Raises:
            CheckpointError: this machine's torch has no such product, or gives wrong sums, in every way that is known.
        """
        self.inputs: Bytes = np.zeros((num_rows, weight.shape[1]), dtype=np.int8)
        self.sums: Ints32 = np.zeros((num_rows, weight.shape[0]), dtype=np.int32)
        self._inputs, self._sums = torch.from_numpy(self.inputs), torch.from_numpy(self.sums)
        self._weight = torch.from_numpy(weight).t()
        self._floats: Tensor | None = None
        if not _has_int_mm() or not self._is_exact(weight):
            _log.warning("torch %s has no exact product of bytes here: float32 takes its place", torch.__version__)
            is_single = weight.shape[1] * MAX_ACTIVATION * MAX_WEIGHT < _EXACT_IN_FLOAT32
            self._floats = self._weight.to(torch.float32 if is_single else torch.float64)
            if not self._is_exact(weight):
                raise CheckpointError(
                    f"torch {torch.__version__} multiplies integers wrongly on this processor, as bytes and as floats. "
                    "Use another version of torch."
                )

    def __call__(self) -> Ints32:
        """The sums, int32 [B, outputs], which the next call overwrites."""
        if self._floats is None:
            torch._int_mm(self._inputs, self._weight, out=self._sums)
        else:
            self._sums.copy_(self._inputs.to(self._floats.dtype) @ self._floats)
        return self.sums

    def _is_exact(self, weight: Bytes) -> bool:
        """Whether rows of extreme and of random activations give the sums that they must."""
        num_rows, num_inputs = self.inputs.shape
        random = np.random.Generator(np.random.Philox(key=0))
        self.inputs[:] = random.integers(-MAX_ACTIVATION, MAX_ACTIVATION + 1, (num_rows, num_inputs))
        signs = np.where(weight[0] < 0, -MAX_ACTIVATION, MAX_ACTIVATION)  # the greatest sum of the first output
        self.inputs[0], self.inputs[-1] = signs, -signs
        checked = np.unique(np.array([0, num_rows // 2, num_rows - 1]))
        wanted = _sums_in_float64(self.inputs[checked], weight)
        is_exact = bool(np.array_equal(self()[checked], wanted))
        self.inputs[:] = 0
        return is_exact


def _has_int_mm() -> bool:
    return hasattr(torch, "_int_mm")


def _sums_in_float64(inputs: Bytes, weight: Bytes) -> npt.NDArray[np.int64]:
    sums: npt.NDArray[np.int64] = (inputs.astype(np.float64) @ weight.T.astype(np.float64)).astype(np.int64)
    return sums
