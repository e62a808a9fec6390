"""How velocity and key change the generators of a SoundFont region.

SoundFont Technical Specification 2.04, sections 8.2, 8.4 and 9.5. All other controllers stand at rest: wheels in the
middle, expression and volume up, the rest at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.elementary.powers import log10

MODULATOR_DTYPE = np.dtype(
    [("source", "<u2"), ("destination", "<u2"), ("amount", "<i2"), ("amount_source", "<u2"), ("transform", "<u2")]
)
_NONE, _VELOCITY, _KEY, _WHEEL = 0, 2, 3, 14
_RESTING_CONTROLLERS = {7: 100, 10: 64, 11: 127}
_LINEAR, _CONCAVE, _CONVEX, _SWITCH = range(4)
_IS_CONTROLLER = 0x80
_VELOCITY_TO_ATTENUATION = (0x0502, 48, 0, 0)  # source, destination, amount source, transform

ModulatorKey = tuple[int, int, int, int]
Amounts = npt.NDArray[np.float64]
# The one that a region has without saying so. (The specification also lets velocity close the filter by default;
# since it gives two versions of how, players leave it out and SoundFonts are voiced without it.)
DEFAULT_MODULATORS: dict[ModulatorKey, int] = {_VELOCITY_TO_ATTENUATION: 960}


@dataclass(frozen=True)
class Modulator:
    source: int
    destination: int  # a generator
    amount: int  # in the unit of the generator
    amount_source: int

    def depends_on_velocity(self) -> bool:
        """Whether velocity is one of the two sources."""
        return _VELOCITY in (self.source & 0xFF, self.amount_source & 0xFF)

    def depends_on_note(self) -> bool:
        """Whether velocity or key is one of the two sources."""
        return self.depends_on_velocity() or _KEY in (self.source & 0xFF, self.amount_source & 0xFF)

    def output(self, pitch: npt.NDArray[np.int64], velocity: npt.NDArray[np.int64]) -> Amounts:
        """What it adds to its generator for each of N notes: float64 [N]."""
        scale = _controller(self.amount_source, pitch, velocity) if self.amount_source else 1.0
        return self.amount * _controller(self.source, pitch, velocity) * scale


def combined(instrument: dict[ModulatorKey, int], preset: dict[ModulatorKey, int]) -> tuple[Modulator, ...]:
    """Modulators of a region that depend on the note: those of its instrument, the preset's added."""
    total = dict(instrument)
    for key, amount in preset.items():
        total[key] = total.get(key, 0) + amount
    found = (Modulator(source, destination, amount, by) for (source, destination, by, _), amount in total.items())
    return tuple(modulator for modulator in found if modulator.amount and modulator.depends_on_note())


def _controller(source: int, pitch: npt.NDArray[np.int64], velocity: npt.NDArray[np.int64]) -> Amounts:
    """Value of a source in 0..1, or -1..1 if it is bipolar: float64 [N]."""
    number, is_falling, is_bipolar, curve = source & 0x7F, source >> 8 & 1, source >> 9 & 1, source >> 10
    if source & _IS_CONTROLLER:
        value = np.full(len(pitch), float(_RESTING_CONTROLLERS.get(number, 0)))
    elif number == _NONE:
        return np.ones(len(pitch))
    else:
        resting = np.full(len(pitch), 64.0 if number == _WHEEL else 0.0)
        value = {_VELOCITY: velocity.astype(np.float64), _KEY: pitch.astype(np.float64)}.get(number, resting)
    if is_falling:
        value = 127 - value
    if not is_bipolar:
        return _curved(value, curve)
    return np.where(value >= 64, _curved(2 * (value - 64), curve), -_curved(2 * (64 - value), curve))


def _curved(value: Amounts, curve: int) -> Amounts:
    """0..127 through one of the four curves: float64 [N] in 0..1. The concave one is 40/96 of a decade of amplitude."""
    value = np.clip(value, 0, 127)
    if curve == _CONCAVE:
        return np.minimum(-40 / 96 * log10(np.maximum(127 - value, 1e-9) / 127), 1)
    if curve == _CONVEX:
        return 1 - np.minimum(-40 / 96 * log10(np.maximum(value, 1e-9) / 127), 1)
    if curve == _SWITCH:
        return (value >= 64).astype(np.float64)
    return np.asarray(value / 127, dtype=np.float64)
