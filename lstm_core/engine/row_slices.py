"""Some rows of a chooser: of all its arrays and tables."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lstm_core.engine.bar_conditions import BarConditions
from lstm_core.engine.history import History

ChooserT = TypeVar("ChooserT")


def some_rows(chooser: ChooserT, kept: npt.NDArray[np.int64]) -> ChooserT:
    """A copy of a chooser with the rows `kept`, int64 [fewer], of every array, history and conditions that it holds."""
    copy: ChooserT = object.__new__(type(chooser))
    for name, value in vars(chooser).items():
        setattr(copy, name, _some(value, kept))
    return copy


def _some(value: Any, kept: npt.NDArray[np.int64]) -> Any:
    if isinstance(value, np.ndarray):
        return value[kept]
    if isinstance(value, tuple):
        return type(value)._make(part[kept] for part in value)  # type: ignore[attr-defined]
    return value.only(kept) if isinstance(value, History | BarConditions) else value
