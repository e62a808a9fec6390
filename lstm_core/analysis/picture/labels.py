"""The font of pictures, and which names of chords fit beside each other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from functools import lru_cache

from PIL import ImageFont

LABEL_GAP = 4  # pixels between one chord and the next
_LEFT_OUT = 0.1  # of them, and one more, may be left out because they do not fit
_CHORD_STEPS = (2, 4, 8, 16, 32)  # bars of which one may have a chord


def shown_chords(
    names: Sequence[str],
    bars: Sequence[int],
    columns: Sequence[float],
    anchors: Collection[int],
    font: ImageFont.FreeTypeFont,
) -> list[int]:
    """The slots at which names of chords stand, so that none reaches into the next.

    All changes where they fit. Else those at the beginnings of bars, and between them as many as fit; or the chord of
    every second bar, every fourth and so on, counted from the anchor before, whether it is another one or not. A few
    that do not fit, such as those of short sections, are left out.

    Args:
        names: Of each slot.
        bars: Bar of each slot.
        columns: Where each slot begins, in pixels, and the end of the last one.
        anchors: Slots that have a name whether it changes or not: beginnings of sections and of lines.
        font: Of the names.
    """
    firsts = sorted({0, *anchors})
    changes = [slot for slot in range(len(names)) if slot in firsts or names[slot] != names[slot - 1]]
    widths = [font.getlength(name) + LABEL_GAP for name in names]
    if len(_fitting(changes, columns, widths)) == len(changes):
        return changes
    at_bars = [slot for slot in range(len(names)) if slot == 0 or bars[slot] > bars[slot - 1]]
    shown = _fitting(among := sorted(set(changes) & set(at_bars)), columns, widths)
    if len(among) - len(shown) <= 1 + _LEFT_OUT * len(among):
        for slot in changes:
            more = sorted({*shown, slot})
            shown = more if len(_fitting(more, columns, widths)) == len(more) else shown
        return shown
    for step in _CHORD_STEPS:
        among = [slot for slot in at_bars if (bars[slot] - bars[firsts[bisect_right(firsts, slot) - 1]]) % step == 0]
        shown = _fitting(among, columns, widths)
        if len(among) - len(shown) <= 1 + _LEFT_OUT * len(among):
            break
    return shown


def _fitting(shown: Sequence[int], columns: Sequence[float], widths: Sequence[float]) -> list[int]:
    """Those of some slots whose names end before the next one begins."""
    ends = [*(columns[slot] for slot in shown[1:]), columns[-1]]
    return [slot for slot, end in zip(shown, ends, strict=True) if columns[slot] + widths[slot] <= end]


@lru_cache(maxsize=8)
def label_font(size: int) -> ImageFont.FreeTypeFont:
    """The font that Pillow carries, so that no machine's own fonts change the bytes."""
    return ImageFont.load_default(size)
