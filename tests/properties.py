"""How many examples a property gets, as a share of those of the profile that runs: costly ones get few."""

from __future__ import annotations

from hypothesis import settings


def share(part: float) -> settings:
    """A decorator for a property: `part` of the examples of the profile, at least one."""
    return settings(max_examples=max(1, round(part * settings().max_examples)))
