"""Fields that users type and that have been renamed: the old name is accepted for one version, with a warning.

A renamed field of a recipe or of an order is one row of OLD_NAMES.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

OldNames = Mapping[str, Mapping[str, str]]  # by the name of a dataclass: the present name of a field by its old one

OLD_NAMES: OldNames = {  # accepted in version 0.1; delete the rows in 0.2
    "AugmentSettings": {"untold_share": "condition_dropout"},
    "TrackOrder": {"room": "reverb"},
}
_log = logging.getLogger(__name__)


class OldNameError(ValueError):
    """A field is given under its old name and under its present one."""


def with_present_names(
    cls: type, values: Mapping[str, Any], *, old_names: OldNames = OLD_NAMES, reported: set[str] | None = None
) -> Mapping[str, Any]:
    """The values of the fields of a dataclass, under their present names.

    Logs a warning for each old name that is not in `reported`, and adds it there.

    Raises:
        OldNameError: a field is given under both names.
    """
    present_names = old_names.get(cls.__name__, {})
    if not (found := [name for name in values if name in present_names]):
        return values
    for name in found:
        if present_names[name] in values:
            raise OldNameError(
                f"{name} and {present_names[name]} are both given: {name} is the old name of {present_names[name]}. "
                f"Leave {name} out."
            )
        if reported is None or name not in reported:
            _log.warning("%s is now called %s; this version still accepts the old name", name, present_names[name])
        if reported is not None:
            reported.add(name)
    return {present_names.get(name, name): value for name, value in values.items()}
