"""Which part plays what this one plays: parts double each other, in unison or some octaves apart."""

from __future__ import annotations

from lstm_core.foundation.compiling import borrowing
from lstm_core.notes.score import DRUMS
from lstm_core.representations.parts.events import PITCH, PLACE, STREAMS
from lstm_core.representations.parts.tables import COUNT, HERE, NUM_HEARD, PART, PARTNER, PartRows, PlanTables
from lstm_core.representations.plan.layout import MAX_PARTS, Ints

LEAST_LIKENESS = 64  # of 255
FULL_LIKENESS, LIKENESS_BITS = 255, 1
_K = len(STREAMS)


@borrowing
def remember(b: int, part: int, bar: int, event: Ints, rows: PartRows) -> None:
    """Keeps a note of a part in a bar for the other parts; the notes of a bar come one after another."""
    numbers = rows.numbers[b]
    if numbers[NUM_HEARD] >= rows.all_notes.shape[1]:
        return
    for k in range(_K):
        rows.all_notes[b, numbers[NUM_HEARD], k] = event[k]
    span = rows.notes_of[b, part, bar]
    if span[1] == 0:
        span[0] = numbers[NUM_HEARD]
    numbers[NUM_HEARD] += 1
    span[1] = numbers[NUM_HEARD]


@borrowing
def compare_parts(b: int, tables: PlanTables, rows: PartRows) -> None:
    """Compares the bar that this part has written with what the others have in it."""
    numbers = rows.numbers[b]
    part, bar = numbers[PART], numbers[HERE]
    first, stop = rows.first[b, bar], numbers[COUNT]
    if stop == first or tables.programs[b, part] == DRUMS:
        return
    for other in range(MAX_PARTS):
        span = rows.notes_of[b, other, bar]
        if other == part or span[1] == 0 or tables.programs[b, other] == DRUMS:
            continue
        shared, i = 0, span[0]
        for n in range(first, stop):
            place, pitch = rows.notes[b, n, PLACE], rows.notes[b, n, PITCH]
            while i < span[1] and rows.all_notes[b, i, PLACE] < place:
                i += 1
            j = i
            while j < span[1] and rows.all_notes[b, j, PLACE] == place:
                interval = pitch - rows.all_notes[b, j, PITCH]
                if interval % 12 == 0:
                    shared += 1
                    rows.interval[b, other] = interval
                    break
                j += 1
        share = FULL_LIKENESS * shared // (stop - first)
        rows.likeness[b, other] += (share - rows.likeness[b, other]) >> LIKENESS_BITS


@borrowing
def find_partner(b: int, tables: PlanTables, rows: PartRows) -> None:
    """Chooses the part that is most like this one, of those that play in this bar, where a bar begins."""
    numbers = rows.numbers[b]
    part, bar = numbers[PART], numbers[HERE]
    numbers[PARTNER] = -1
    most = LEAST_LIKENESS - 1
    for other in range(MAX_PARTS):
        if other != part and rows.notes_of[b, other, bar, 1] > 0 and rows.likeness[b, other] > most:
            most = rows.likeness[b, other]
            numbers[PARTNER] = other
