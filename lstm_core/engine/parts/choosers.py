"""One step of B rows of parts, stream by stream: the choice among what each may choose. Compiled.

What is promised is masked here: the bass has its note of the plan whenever the chord changes, harmony and figures play
tones of the chord on beats, pitches keep to scale and range, and the last chord is the last.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.engine.parts.rules import (
    CHORD_WINS,
    DENSITY,
    FINAL_BAR,
    FINAL_HOLD,
    FOLLOWS_ENERGY,
    HIGH,
    LOW,
    POLYPHONY,
    SEED,
    TRANSPOSITION,
    Bytes,
    PartRuleTables,
)
from lstm_core.engine.sampling import SCRATCH_ROWS, draw, uniform
from lstm_core.foundation.compiling import borrowing, njit
from lstm_core.notes.instruments import PROGRAM_RANGES
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER
from lstm_core.representations.note_events import DURATIONS
from lstm_core.representations.parts.events import (
    BAR,
    CHORD_EDGES,
    DURATION,
    END,
    FIRST_DRUM,
    FIRST_REGISTER,
    FIRST_TEXTURE,
    NUM_REGISTERS,
    NUM_TEXTURES,
    PITCH,
    PLACE,
    STREAMS,
    VELOCITY,
)
from lstm_core.representations.parts.steps import (
    CELL,
    CELL_TICKS,
    CELLS,
    FINISHED,
    HERE,
    IN_BAR,
    LAST_PITCH,
    LAST_PLACE,
    PART,
    STEP,
    TOGETHER,
    PartRows,
    PlanTables,
    slot_at,
)
from lstm_core.representations.plan.layout import MAX_PARTS, NO_CHORD, Ints, chord_tones

_SIZES = tuple(stream.size for stream in STREAMS)
_LARGEST = max(_SIZES)
_TONES = chord_tones()
_DURATIONS = DURATIONS.astype(np.int64)
_LAST_DRUM = END - 1
MAX_IN_BAR = 96
_MOST_TOGETHER = np.array([3, 3, 8, 5, 2, 6])  # notes of one part at a time, by role
_NO_NOTE = -1
_RANGES = np.array(PROGRAM_RANGES, dtype=np.int64)  # of each program
_HIGHEST_BASS = 47  # the B an octave below middle C
_NUM_CHORD_STEPS = 1 + len(CHORD_EDGES)
_NOTES_OF_TEXTURE = np.outer([1.0, 2.0, 3.0, 4.0, 5.5, 7.5, 10.5, 15.0], [1.0, 1.7, 3.0]).reshape(-1)  # about so many
_DENSITY_APART = 1.6  # factor by which the notes of a texture may differ from those that are wanted


@njit(cache=True, nogil=True)
def choose_parts(
    stream: int,
    logits: npt.NDArray[np.float32],
    offered: Bytes,
    rules: PartRuleTables,
    tables: PlanTables,
    rows: PartRows,
    event: Ints,
) -> bool:
    """Sets event[:, stream] of every row that is not finished; False if rules left nothing to choose."""
    size = _SIZES[stream]
    allowed = np.zeros(_LARGEST, dtype=np.uint8)
    scratch = np.empty((SCRATCH_ROWS, _LARGEST), dtype=np.float64)
    for b in range(logits.shape[0]):
        if rows.numbers[b, FINISHED] or tables.num_bars[b] == 0:
            continue
        locked = _locked_event(b, stream, rules, rows, event[b])
        if locked >= 0:
            event[b, stream] = rules.locked[b, locked, stream]
            continue
        allowed[:] = 0
        if stream == PLACE:
            _allow_places(b, rules, tables, rows, allowed)
        elif event[b, PLACE] == BAR:
            _allow_bar(b, stream, rules, tables, rows, event[b], allowed)
        elif stream == PITCH:
            set_pitches(b, event[b, PLACE], rules, tables, rows, allowed, True)
        elif stream == DURATION:
            _allow_durations(b, rules, tables, rows, event[b], allowed)
        else:
            allowed[1:size] = 1
        number = uniform(rules.numbers[b, SEED], rows.numbers[b, STEP], stream)
        # How dense a bar is is drawn from all that may be: a nucleus would cut off the densest and the sparsest.
        temperature, top_p = rules.temperature[b, stream], rules.top_p[b, stream]
        if stream > PLACE and event[b, PLACE] == BAR:
            top_p = 1.0
        drawn = draw(logits[b, :size], allowed[:size], offered[b, :size], temperature, top_p, number, scratch)
        if drawn < 0:
            return False
        event[b, stream] = drawn
    return True


@borrowing
def _locked_event(b: int, stream: int, rules: PartRuleTables, rows: PartRows, event: Ints) -> int:
    """Number of the locked event that comes next in a row, -1 for none."""
    numbers = rows.numbers[b]
    cell, first = numbers[CELL], -1
    if cell >= 0:
        first, stop = rules.locked_of_cell[b, cell, 0], rules.locked_of_cell[b, cell, 1]
        if first >= 0 and first + 1 + numbers[IN_BAR] < stop:
            return int(first + 1 + numbers[IN_BAR])
    is_over = cell < 0 or first >= 0 or (stream > PLACE and event[PLACE] == BAR)
    if is_over and cell + 1 < rules.locked_of_cell.shape[1]:
        return int(rules.locked_of_cell[b, cell + 1, 0])
    return -1


@borrowing
def due_place(b: int, bar: int, last_place: int, tables: PlanTables) -> int:
    """The next place after `last_place` at which the bass must begin a note in a bar, -1 for none.

    That is wherever the chord or its bass changes, and at the beginning of a bar that is repeated: there the chord
    before may be another one.
    """
    before = bar - 1
    if last_place < 0 and _has_chord(b, bar, 0, tables):
        is_same = (
            before >= 0
            and not tables.is_source[b, bar]
            and tables.chord[b, before, 1] == tables.chord[b, bar, 0]
            and tables.bass[b, before, 1] == tables.bass[b, bar, 0]
        )
        if not is_same:
            return 0
    middle = tables.bar_ticks[b, bar] // 2
    if tables.num_slots[b, bar] == 2 and last_place < middle and _has_chord(b, bar, 1, tables):
        is_same = (
            tables.chord[b, bar, 0] == tables.chord[b, bar, 1] and tables.bass[b, bar, 0] == tables.bass[b, bar, 1]
        )
        if not is_same:
            return int(middle)
    return _NO_NOTE


@borrowing
def _has_chord(b: int, bar: int, slot: int, tables: PlanTables) -> bool:
    return bool(tables.chord[b, bar, slot] != NO_CHORD)


@borrowing
def _allow_places(b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, allowed: Bytes) -> None:
    numbers = rows.numbers[b]
    if numbers[CELL] < 0 or rules.locked_of_cell[b, numbers[CELL], 0] >= 0:  # all of a locked bar has come
        allowed[BAR] = 1
        return
    bar, last = numbers[HERE], numbers[LAST_PLACE]
    role = tables.roles[b, numbers[PART]]
    bar_ticks = tables.bar_ticks[b, bar]
    stop = 1 if bar == rules.numbers[b, FINAL_BAR] else bar_ticks
    must = _NO_NOTE
    if role == BASS:
        must = due_place(b, bar, last, tables)
        if must >= 0:
            stop = min(stop, must + 1)
    some = False
    if numbers[IN_BAR] < MAX_IN_BAR:
        if (
            last >= 0
            and last < stop
            and numbers[TOGETHER] < _MOST_TOGETHER[role]
            and _may_add(b, rules, tables, rows, allowed)
        ):
            allowed[last] = 1
        for place in range(last + 1, stop):
            if (place % 3 == 0 or place % 4 == 0) and _is_free(b, bar, place, rules, tables, rows):
                allowed[place] = 1
                some = True
    if must >= 0 and must < stop:
        allowed[must] = 1
    elif numbers[IN_BAR] > 0 or not some:
        allowed[BAR] = 1


@borrowing
def _may_add(b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, allowed: Bytes) -> bool:
    """Whether a higher note may begin with the one before."""
    numbers = rows.numbers[b]
    if tables.roles[b, numbers[PART]] == DRUM:
        return bool(numbers[LAST_PITCH] < _LAST_DRUM)
    place = numbers[LAST_PLACE]
    return bool(
        _is_free(b, numbers[HERE], place, rules, tables, rows)
        and set_pitches(b, place, rules, tables, rows, allowed, False)
    )


@borrowing
def _is_free(b: int, bar: int, place: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows) -> bool:
    """Whether one more melodic note may sound at a place."""
    if rules.numbers[b, POLYPHONY] >= 32 or tables.programs[b, rows.numbers[b, PART]] == DRUMS:
        return True
    return bool(_num_sounding(b, bar, min(place // CELL_TICKS, CELLS - 1), rows) < rules.numbers[b, POLYPHONY])


@borrowing
def _num_sounding(b: int, bar: int, cell: int, rows: PartRows) -> int:
    total = 0
    for pitch_class in range(12):
        total += int(rows.sounding[b, pitch_class, bar, cell])
    return total


@borrowing
def _allow_bar(
    b: int, stream: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, event: Ints, allowed: Bytes
) -> None:
    """Sets how the next bar may begin; after the last one follows END."""
    is_last = rows.numbers[b, CELL] + 1 >= tables.num_cells[b]
    if stream == PITCH:
        if is_last:
            allowed[END] = 1
            return
        fewest, most = 0, NUM_TEXTURES // _NUM_CHORD_STEPS - 1
        if rules.numbers[b, FOLLOWS_ENERGY]:
            energy = tables.energy[b, tables.cells[b, rows.numbers[b, CELL] + 1, 1]]
            fewest, most = max(energy - 1, 0), min(energy + 1, most)
        for texture in range(_NUM_CHORD_STEPS * fewest, _NUM_CHORD_STEPS * (most + 1)):
            allowed[FIRST_TEXTURE + texture] = 1
        if rules.numbers[b, DENSITY]:
            _keep_density(b, rules, tables, rows, allowed)
    elif event[PITCH] == END:
        allowed[0] = 1
    elif stream == DURATION:
        allowed[FIRST_REGISTER : FIRST_REGISTER + NUM_REGISTERS] = 1
    elif stream == VELOCITY:
        allowed[1 : _SIZES[VELOCITY]] = 1


@borrowing
def _keep_density(b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, allowed: Bytes) -> None:
    """Leaves the textures that give a part about its share of the notes that are wanted, or the one that is nearest."""
    bar = tables.cells[b, rows.numbers[b, CELL] + 1, 1]
    num_parts = 0
    for part in range(MAX_PARTS):
        num_parts += tables.active[b, bar] >> part & 1
    wanted = rules.numbers[b, DENSITY] / 1000 * tables.bar_ticks[b, bar] / TICKS_PER_QUARTER / max(num_parts, 1)
    nearest, least, some = FIRST_TEXTURE, 1e9, False
    for texture in range(NUM_TEXTURES):
        ratio = _NOTES_OF_TEXTURE[texture] / wanted
        apart = max(ratio, 1.0 / ratio)
        if allowed[FIRST_TEXTURE + texture] and apart < least:
            nearest, least = FIRST_TEXTURE + texture, apart
        if apart > _DENSITY_APART:
            allowed[FIRST_TEXTURE + texture] = 0
        some = some or allowed[FIRST_TEXTURE + texture] == 1
    if not some:
        allowed[nearest] = 1


@borrowing
def set_pitches(
    b: int, place: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, allowed: Bytes, sets: bool
) -> bool:
    """Whether some pitch may begin at a place; with `sets` all of them are marked in `allowed`.

    What is promised least gives way where nothing would be left.
    """
    numbers = rows.numbers[b]
    bar, part = numbers[HERE], numbers[PART]
    role = tables.roles[b, part]
    above = numbers[LAST_PITCH] if place == numbers[LAST_PLACE] else -1
    if role == DRUM:
        first = max(FIRST_DRUM, above + 1)
        if sets:
            for key in range(first, _LAST_DRUM + 1):
                allowed[key] = 1
        return bool(first <= _LAST_DRUM)
    slot = slot_at(b, bar, place, tables)
    chord, bass = tables.chord[b, bar, slot], tables.bass[b, bar, slot]
    is_final = bar == rules.numbers[b, FINAL_BAR]
    is_beat = place % TICKS_PER_QUARTER == 0
    in_chord = chord != NO_CHORD and (is_final or (is_beat and role in (HARMONY, FIGURE)))
    wants_bass = role == BASS and bass >= 0 and (is_final or place == due_place(b, bar, place - 1, tables))
    in_chord = in_chord and not (wants_bass and above < 0)
    floor = -1
    if role in (HARMONY, FIGURE, COUNTER, MELODY) and _starts_slot(b, bar, place, tables):
        lowest = int(rows.lowest[b, bar, min(place // CELL_TICKS, CELLS - 1)])
        floor = lowest if lowest < 255 else -1
    low, high = max(rules.numbers[b, LOW], above + 1), rules.numbers[b, HIGH]
    program, up = tables.programs[b, part], rules.numbers[b, TRANSPOSITION]
    lowest_of_it, highest_of_it = _RANGES[program, 0] + up, _RANGES[program, 1] + up
    if role == BASS:
        lowest_of_it, highest_of_it = min(lowest_of_it, _HIGHEST_BASS - 12 + up), min(highest_of_it, _HIGHEST_BASS + up)
    for attempt in range(4):
        some = False
        for pitch in range(low, high + 1):
            if attempt < 2 and not lowest_of_it <= pitch <= highest_of_it:
                continue
            pitch_class = pitch % 12
            fits = rules.pitch_classes[b, pitch_class] == 1
            if rules.numbers[b, CHORD_WINS] and chord != NO_CHORD and _TONES[chord, pitch_class]:
                fits = True
            if attempt < 3 and in_chord:
                fits = fits and _TONES[chord, pitch_class] == 1
            if attempt < 3 and wants_bass and above < 0:
                fits = fits and pitch_class == bass
            if attempt < 1 and pitch <= floor:
                fits = False
            if fits:
                if not sets:
                    return True
                allowed[pitch] = 1
                some = True
        if some or above >= 0:
            return some
    return False


@borrowing
def _starts_slot(b: int, bar: int, place: int, tables: PlanTables) -> bool:
    return bool(place == 0 or (tables.num_slots[b, bar] == 2 and 2 * place == tables.bar_ticks[b, bar]))


@borrowing
def _allow_durations(
    b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, event: Ints, allowed: Bytes
) -> None:
    """Sets how long the note may be: within the piece, and of accompaniments as long as the chord has its pitch."""
    numbers = rows.numbers[b]
    bar, place = numbers[HERE], event[PLACE]
    role = tables.roles[b, numbers[PART]]
    allowed[1] = 1
    longest = ticks_left(b, bar, place, rules, tables)
    if role in (HARMONY, FIGURE, BASS):
        longest = min(longest, _ticks_of_chord(b, bar, place, event[PITCH] % 12, longest, tables))
    if rules.numbers[b, POLYPHONY] < 32 and role != DRUM:
        longest = min(longest, _ticks_free(b, bar, place, longest, rules, tables, rows))
    for value in range(1, len(_DURATIONS)):
        if _DURATIONS[value] <= longest:
            allowed[value] = 1


@borrowing
def ticks_left(b: int, bar: int, place: int, rules: PartRuleTables, tables: PlanTables) -> int:
    """Ticks from a place to where the notes of the piece end."""
    final = rules.numbers[b, FINAL_BAR]
    if bar == final:
        return int(rules.numbers[b, FINAL_HOLD])
    total = -place
    for later in range(bar, tables.num_bars[b] if final < 0 else final):
        total += tables.bar_ticks[b, later]
        if total > _DURATIONS[-1]:
            break
    return int(total)


@borrowing
def _ticks_of_chord(b: int, bar: int, place: int, pitch_class: int, longest: int, tables: PlanTables) -> int:
    """Ticks from a place to the next chord that lacks a pitch class."""
    slot = slot_at(b, bar, place, tables)
    ticks = -place
    if slot == 1:
        ticks += tables.bar_ticks[b, bar] // 2
    while ticks < longest:
        two = tables.num_slots[b, bar] == 2
        ticks += tables.bar_ticks[b, bar] // 2 if two else tables.bar_ticks[b, bar]
        if two and slot == 0:
            slot = 1
        else:
            slot = 0
            bar += 1
            if bar >= tables.num_bars[b]:
                return int(ticks)
        chord = tables.chord[b, bar, slot]
        if chord != NO_CHORD and not _TONES[chord, pitch_class]:
            return int(ticks)
    return int(longest)


@borrowing
def _ticks_free(
    b: int, bar: int, place: int, longest: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows
) -> int:
    """Ticks from a place for which one more note may sound."""
    cell = min(place // CELL_TICKS, CELLS - 1)
    ticks = -(place % CELL_TICKS)
    while ticks < longest:
        if bar >= tables.num_bars[b] or _num_sounding(b, bar, cell, rows) >= rules.numbers[b, POLYPHONY]:
            break
        ticks += CELL_TICKS
        cell += 1
        if cell * CELL_TICKS >= tables.bar_ticks[b, bar]:
            bar += 1
            cell = 0
    return int(ticks)
